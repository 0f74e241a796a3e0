// The example of docs/tracing.md with the real SDK, a receiver of OTLP, and processes of a cluster:
// the spans of a load, a read and an order; and what is loaded without an SDK.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import {
  ANY_PORTS,
  PROJECT,
  SteleProcess,
  flags,
  stele,
  until,
} from '../../support/process/stele-process.ts';
import type { Addresses } from '../../support/process/stele-process.ts';
import { fencedBlocks, readDoc } from '../../docs/markdown.ts';
import { tempDir } from '../../support/temp-dir.ts';

interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
}

interface Export {
  readonly resourceSpans: readonly {
    readonly scopeSpans: readonly { readonly spans: readonly Span[] }[];
  }[];
}

/** A receiver of OTLP over HTTP, with what it has received. */
async function receiver(): Promise<{ endpoint: string; spans: Span[] }> {
  const spans: Span[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (part: string) => (body += part));
    request.on('end', () => {
      const { resourceSpans } = JSON.parse(body) as Export;
      spans.push(
        ...resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((of) => of.spans)),
      );
      response.setHeader('content-type', 'application/json').end('{}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, spans };
}

/** `a > b > c` for each span of a trace. */
function paths(spans: readonly Span[], traceId: string): string[] {
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  const pathOf = ({ name, parentSpanId = '' }: Span): string => {
    const parent = byId.get(parentSpanId);
    return parent === undefined ? name : `${pathOf(parent)} > ${name}`;
  };
  return spans.filter((span) => span.traceId === traceId).map(pathOf);
}

async function startUp(folder: string, env: Record<string, string>): Promise<SteleProcess> {
  const words = flags({ datanodes: 2, shards: 8, 'data-dir': join(folder, 'data') });
  const up = new SteleProcess(['up', ...words, ...ANY_PORTS], { cwd: folder, env });
  onTestFinished(async () => {
    await up.kill('SIGTERM');
  });
  await up.printed(/^ready$/m, 60_000);
  return up;
}

function master(up: SteleProcess): Addresses {
  const found = up.addresses().find(({ title }) => title === 'master');
  if (found === undefined) throw new Error('there is no master');
  return found;
}

test('a load, a read and an order are traced from the first process to the last', async () => {
  const { endpoint, spans } = await receiver();
  const folder = tempDir();
  const [example = ''] = fencedBlocks(readDoc('docs/tracing.md'), 'js');
  writeFileSync(join(folder, 'otel.mjs'), example);
  symlinkSync(join(PROJECT, 'node_modules'), join(folder, 'node_modules'));
  const env = {
    NODE_OPTIONS: `--import ${join(folder, 'otel.mjs')}`,
    OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
    OTEL_BSP_SCHEDULE_DELAY: '50',
  };
  const up = await startUp(folder, env);
  const { grpc, host, http } = master(up);
  const to = ['--master', `${host}:${grpc}`];
  const has = (traceId: string, ...wanted: string[]): Promise<void> =>
    until(`${wanted.join(', ')} in the trace`, () => {
      const found = paths(spans, traceId);
      return wanted.every((path) => found.includes(path));
    });

  writeFileSync(join(folder, 'rows.data'), 'k hello\nl world\n');
  const ofLoad = '1af7651916cd43dd8448eb211c80319c';
  const traceparent = (traceId: string, flag: string): string =>
    `00-${traceId}-b7ad6b7169203331-${flag}`;
  const loaded = await stele(['load', 'default', join(folder, 'rows.data'), ...to], {
    env: { ...env, TRACEPARENT: traceparent(ofLoad, '01') },
  });
  expect(loaded.code).toBe(0);
  const loads = 'stele.v1.LoadService';
  const commit = `load > load commit > ${loads}/CommitLoad > ${loads}/CommitLoad`;
  const manifest = 'stele.v1.DatanodeService/PutManifest';
  await has(
    ofLoad,
    'load',
    `load > load begin > ${loads}/BeginLoad > ${loads}/BeginLoad`,
    'load > load parse',
    'load > load build',
    `${commit} > ${manifest} > ${manifest}`,
  );

  const read = async (traceId: string, flag: string): Promise<string> => {
    const headers = { traceparent: traceparent(traceId, flag) };
    const reply = await fetch(`http://${host}:${http}/v1/keyspaces/default/keys/k`, { headers });
    return reply.text();
  };
  const unsampled = '2af7651916cd43dd8448eb211c80319c';
  const sampled = '3af7651916cd43dd8448eb211c80319c';
  expect(await read(unsampled, '00')).toBe('hello');
  expect(await read(sampled, '01')).toBe('hello');
  const route = 'GET /v1/keyspaces/:keyspace/keys/:key';
  await has(sampled, route, `${route} > lookup`);
  expect(paths(spans, unsampled)).toEqual([]);

  expect((await stele(['drop', 'default', '--yes', ...to])).code).toBe(0);
  const drop = 'stele.v1.DatanodeService/DropSegments';
  await until('the trace of an order', () =>
    spans.some(
      ({ name, traceId }) =>
        name === 'order drop' && paths(spans, traceId).includes(`order drop > ${drop} > ${drop}`),
    ),
  );
  // Nothing that comes every second.
  expect(spans.filter(({ name }) => /Heartbeat|ReportProgress|Watch|livez/.test(name))).toEqual([]);
}, 120_000);

/**
 * Writes, when its process ends, which modules of OpenTelemetry it has loaded, and what has loaded
 * each of them first.
 */
const WATCH = `
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { isMainThread } from 'node:worker_threads';

const { cache } = createRequire(import.meta.url);
process.on('exit', () => {
  const found = Object.entries(cache).filter(([path]) => path.includes('@opentelemetry'));
  const name = new URL(\`loaded-\${process.pid}.json\`, import.meta.url);
  if (isMainThread) writeFileSync(name, JSON.stringify(found.map(([path, of]) => [path, of.parent?.filename])));
});
`;

test('without an SDK nothing of OpenTelemetry is loaded, but the API by what makes /metrics', async () => {
  const folder = tempDir();
  writeFileSync(join(folder, 'watch.mjs'), WATCH);
  const env = { NODE_OPTIONS: `--import ${join(folder, 'watch.mjs')}` };
  const up = await startUp(folder, env);
  const { grpc, host, http } = master(up);
  writeFileSync(join(folder, 'rows.data'), 'k hello\n');
  const load = ['load', 'default', join(folder, 'rows.data'), '--master', `${host}:${grpc}`];
  const loader = new SteleProcess(load, { env });
  expect((await loader.finished()).code).toBe(0);
  const headers = { traceparent: '00-3af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' };
  const reply = await fetch(`http://${host}:${http}/v1/keyspaces/default/keys/k`, { headers });
  expect(await reply.text()).toBe('hello');
  await up.kill('SIGTERM');
  const loaded = (name: string): [string, string][] =>
    JSON.parse(readFileSync(join(folder, name), 'utf8')) as [string, string][];
  expect(loaded(`loaded-${loader.pid}.json`)).toEqual([]);
  const files = readdirSync(folder).filter((name) => name.startsWith('loaded-'));
  // The supervisor, the master, two datanodes, the loader.
  expect(files).toHaveLength(5);
  for (const [path, parent] of files.flatMap(loaded)) {
    expect(path).toContain('/@opentelemetry/api/');
    expect(parent).toMatch(/\/prom-client\/|\/@opentelemetry\/api\//);
  }
}, 120_000);
