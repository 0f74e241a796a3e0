// Exports of a real cluster: they load again to the same digest, into other keyspaces.

import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { ExportSummary } from '../../../loader/export/export.ts';
import { EDGES, LARGEST, writeEdges } from '../../support/inputs/edge-rows.ts';
import { csvFlags } from '../../support/inputs/exported.ts';
import {
  failureOf,
  folderUrl,
  jsonOf,
  run,
  start,
  succeed,
} from '../../support/process/archived-cluster.ts';
import { TestCluster } from '../../support/process/cluster.ts';
import { flags } from '../../support/process/stele-process.ts';
import { removeAtEnd } from '../../support/process/watchdog.ts';
import { TestS3 } from '../../support/s3/s3-server.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const folder = mkdtempSync(join(tmpdir(), 'stele-export-'));
removeAtEnd(folder);
let cluster: TestCluster;
let s3: TestS3;
let digest = '';
/** Of `plain`, whose rows are texts, in two versions. */
let plain: readonly [string, string];

const asFlags = (some: Record<string, string>): string[] =>
  flags(
    Object.fromEntries(
      Object.entries(some).map(([name, value]) => [
        name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`),
        value,
      ]),
    ),
  );
const out = (name: string): string => join(folder, name);
const exportTo = (keyspace: string, url: string, ...more: string[]): string[] => [
  ...['export', keyspace, '--out', url],
  ...more,
];

beforeAll(async () => {
  s3 = await TestS3.start();
  cluster = await TestCluster.start({ datanodes: 3, shards: 16 });
  const edges = join(folder, 'edges.jsonl');
  await writeEdges(edges);
  await cluster.load('edges', [edges]);
  digest = await cluster.digest('edges');
  const rows = (from: number, to: number): string => {
    const path = join(folder, `rows-${from}.tsv`);
    const lines = Array.from({ length: to - from }, (_, at) => `key ${from + at}\tvalue "${at}"\n`);
    writeFileSync(path, lines.join(''));
    return path;
  };
  await cluster.load('plain', [rows(0, 3000)], flags({ header: 'no' }));
  const first = await cluster.digest('plain');
  await cluster.load('plain', [rows(2000, 4000)], flags({ header: 'no', mode: 'append' }));
  plain = [first, await cluster.digest('plain')];
  await cluster.status('green');
});
afterAll(async () => {
  await Promise.all([cluster?.close(), s3?.stop()]);
  rmSync(folder, { recursive: true, force: true });
});

describe.each([
  ['jsonl', 'none', {}],
  ['csv', 'gzip', csvFlags],
  ['parquet', 'none', {}],
] as const)('as %s, %s', (format, compress, load) => {
  const how = flags({ format, compress });

  test('bytes of every kind load again to the same digest', async () => {
    const url = folderUrl(out(`edges-${format}`));
    const summary = await succeed<ExportSummary>(cluster, exportTo('edges', url, ...how));
    expect(summary).toMatchObject({ version: 1, digest, records: EDGES.size, resumed: 0 });
    const keyspace = `edges_${format}`;
    await cluster.load(keyspace, [out(`edges-${format}`)], asFlags(load));
    expect(await cluster.digest(keyspace)).toBe(digest);
    const manifest = JSON.parse(
      readFileSync(join(out(`edges-${format}`), '_stele-export.json'), 'utf8'),
    ) as { parts: { name: string; sha256: string; bytes: number }[] };
    const names = readdirSync(out(`edges-${format}`), { withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ name }) => name);
    const parts = manifest.parts.map(({ name }) => name);
    expect(names.sort()).toEqual(['_stele-export.json', ...parts]);
    for (const { bytes, name, sha256 } of manifest.parts) {
      const file = readFileSync(join(out(`edges-${format}`), name));
      expect(file.length).toBe(bytes);
      expect(createHash('sha256').update(file).digest('hex')).toBe(sha256);
    }
  });

  test('a version with deltas, and the one before it, go through a bucket', async () => {
    for (const [index, version] of [2, 1].entries()) {
      const url = `${s3.url}/plain-${format}-${version}`;
      const words = exportTo('plain', url, ...how, ...(index === 0 ? [] : ['--version', '1']));
      const summary = await succeed<ExportSummary>(cluster, words, s3.environment);
      expect(summary).toMatchObject({ version, digest: plain[version - 1] });
    }
    const names = [...s3.objects.keys()].filter((key) => key.includes(`plain-${format}-`));
    expect(names.filter((name) => /part-00000\./.test(name))).toHaveLength(2);
    expect(names.filter((name) => /_stele-export\//.test(name))).toEqual([]);
  });
});

// Parquet has no more to do with it than with one of 17 MiB, which a unit test has.
test('the largest value goes through the formats of text', async () => {
  const path = join(folder, 'largest.jsonl');
  await writeEdges(path, LARGEST);
  await cluster.load('largest', [path]);
  const expected = await cluster.digest('largest');
  for (const format of ['jsonl', 'csv']) {
    const to = out(`largest-${format}`);
    await succeed(cluster, exportTo('largest', folderUrl(to), ...flags({ format })));
    const words = format === 'csv' ? asFlags(csvFlags) : [];
    const report = await run(cluster, ['load', 'x', to, ...words, '--dry-run']);
    expect(jsonOf(report)).toMatchObject({ digest: expected });
    rmSync(to, { recursive: true });
  }
});

test('a dry run writes nothing', async () => {
  const words = exportTo('plain', folderUrl(out('dry')), '--dry-run');
  const summary = await succeed<ExportSummary>(cluster, words);
  expect(summary).toMatchObject({ records: 4000, digest: plain[1], files: 1, bytes: 0 });
  expect(readdirSync(folder)).not.toContain('dry');
});

test('what is there is not overwritten, and the same export is not made twice', async () => {
  const url = folderUrl(out('taken'));
  const first = await succeed<ExportSummary>(cluster, exportTo('plain', url));
  const again = await succeed<ExportSummary>(cluster, exportTo('plain', url));
  expect(again).toMatchObject({ files: first.files, bytes: first.bytes, resumed: first.files });
  for (const words of [exportTo('edges', url), exportTo('plain', url, '--format', 'csv')]) {
    expect(failureOf(await run(cluster, words))).toMatchObject({
      exit: 1,
      code: 'CONFLICT',
      message: expect.stringContaining("an export of version 2 of keyspace 'plain' as jsonl"),
    });
  }
  const [part = ''] = readdirSync(out('taken')).filter((name) => name.startsWith('part-'));
  renameSync(join(out('taken'), part), join(out('taken'), 'away'));
  expect(failureOf(await run(cluster, exportTo('plain', url)))).toMatchObject({
    code: 'CONFLICT',
    message: expect.stringContaining(`${part} of the finished export`),
  });
  renameSync(join(out('taken'), 'away'), join(out('taken'), part));
  rmSync(join(out('taken'), '_stele-export.json'));
  expect(failureOf(await run(cluster, exportTo('plain', url)))).toMatchObject({
    code: 'CONFLICT',
    message: expect.stringContaining('part-'),
  });
});

test.each<[string, string[], number, string, string]>([
  ['no place', ['export', 'plain'], 2, 'INVALID_ARGUMENT', '--out is missing'],
  ['no keyspace', exportTo('nowhere', 'file:///tmp/x'), 1, 'KEYSPACE_NOT_FOUND', 'nowhere'],
  [
    'no version',
    exportTo('plain', 'file:///tmp/x', '--version', '9'),
    1,
    'VERSION_NOT_FOUND',
    'stele versions plain',
  ],
  [
    'gzip in Parquet',
    exportTo('plain', 'file:///tmp/x', '--format', 'parquet', '--compress', 'gzip'),
    2,
    'INVALID_ARGUMENT',
    'leave it out',
  ],
])('%s', async (_, words, exit, code, says) => {
  expect(failureOf(await run(cluster, words))).toMatchObject({
    exit,
    code,
    message: expect.stringContaining(says),
  });
});

test('one that was interrupted goes on, though a datanode was killed; and a dropped version ends it', async () => {
  // Two units, of 64 MiB each.
  const path = join(folder, 'large.jsonl');
  await writeEdges(
    path,
    new Map(
      Array.from({ length: 80 }, (_, at) => [`key ${at}`, Buffer.alloc(1 << 20, `value ${at} `)]),
    ),
  );
  await cluster.load('large', [path]);
  const expected = await cluster.digest('large');
  const url = folderUrl(out('large'));
  const slow = flags({ 'limit-rate': '24MiB', transfers: '1' });
  const interrupted = start(cluster, exportTo('large', url, ...slow));
  await noteIn('large', '00000.json');
  await interrupted.kill('SIGKILL');
  expect(failureOf(await run(cluster, exportTo('edges', url)))).toMatchObject({
    code: 'CONFLICT',
    message: expect.stringContaining('an unfinished export of version 1'),
  });
  await cluster.kill('node-1');
  const summary = await succeed<ExportSummary>(cluster, exportTo('large', url));
  expect(summary).toMatchObject({ digest: expected, records: 80, resumed: 1, files: 2 });
  const slower = flags({ 'limit-rate': '2MiB', transfers: '1' });
  const dropped = start(cluster, exportTo('large', folderUrl(out('dropped')), ...slower));
  await noteIn('dropped', 'plan.json');
  expect(await run(cluster, ['drop', 'large', '--yes'])).toMatchObject({ code: 0 });
  expect(failureOf(await dropped.finished())).toMatchObject({
    exit: 1,
    code: 'VERSION_NOT_FOUND',
    message: expect.stringContaining('was dropped meanwhile'),
  });
});

/** Waits for what a running export writes beside its rows. */
async function noteIn(name: string, file: string): Promise<void> {
  const path = join(out(name), '_stele-export', file);
  await vi.waitUntil(() => existsSync(path), { timeout: 60_000, interval: 20 });
}
