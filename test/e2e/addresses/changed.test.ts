// Processes that come back at another address, as pods do: a datanode under its announced name or
// under its new address alone, and the master under its name. Each process has a network of its
// own; names are known as in DNS.

import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { VersionedRows } from '../../support/inputs/rows.ts';
import { TestCluster } from '../../support/process/cluster.ts';
import { Network } from '../../support/process/namespaces.ts';
import { SteleProcess, flags, until } from '../../support/process/stele-process.ts';
import { Reader } from '../../support/readers/reader.ts';
import { connectRedis, httpSource, respSource } from '../../support/readers/sources.ts';

const NODES = ['node-0', 'node-1', 'node-2'];
const PORT = 18_400;
const network = Network.make(['master', ...NODES, 'query', 'new-master', 'new-0', 'new-1']);
/** The namespace in which each process is started. */
const places = new Map<string, string>();
const rows = new VersionedRows(1000);
let cluster: TestCluster;
let query: SteleProcess;

const placeOf = (name: string): string => places.get(name) ?? name;
const hostOf = (name: string): string => network?.placeOf(placeOf(name)).host ?? '';

/** What DNS would answer now. */
function publish(): void {
  const names = ['master', ...NODES].map((name) => [`${name}.stele`, placeOf(name)]);
  network?.setHosts(Object.fromEntries(names) as Record<string, string>);
}

function namedFlags(id: string): string[] {
  return flags({ master: `master.stele:${PORT}`, 'announce-host': `${id}.stele` });
}

interface NodeRow {
  readonly id: string;
  readonly state: string;
  readonly address: { readonly host: string };
}

async function nodeRow(id: string): Promise<NodeRow | undefined> {
  const { nodes } = (await cluster.json('/v1/nodes')) as { nodes: NodeRow[] };
  return nodes.find((node) => node.id === id);
}

async function atQuery(path: string): Promise<Response> {
  const http = query.addresses()[0]?.http ?? 0;
  return fetch(`http://${hostOf('query')}:${http}${path}`, { headers: { connection: 'close' } });
}

beforeAll(async () => {
  if (network === undefined) return;
  publish();
  cluster = await TestCluster.start({
    datanodes: 0,
    masterFlags: flags({ 'grpc-port': PORT, 'repair-delay': '60s' }),
    placeOf: (name) => network.placeOf(placeOf(name)),
  });
  await Promise.all(NODES.map((id) => cluster.startNode(id, namedFlags(id))));
  await cluster.nodesServing(3);
  await rows.write(cluster.rowsFile(1), 1);
  // Where the names of the datanodes are known.
  const { within } = network.placeOf('query');
  const load = new SteleProcess(cluster.loadArguments('default', [cluster.rowsFile(1)]), {
    within,
  });
  expect(await load.finished()).toMatchObject({ code: 0 });
  await cluster.status('green');
  const words = ['query', ...flags({ master: `master.stele:${PORT}`, host: hostOf('query') })];
  query = new SteleProcess([...words, '--insecure'], { within });
  await query.printed(/ grpc \S+:\d+\n/);
  await until('a query node that is ready', async () => (await atQuery('/readyz')).ok);
}, 90_000);

afterAll(async () => {
  await query?.kill();
  await cluster?.close();
  network?.remove();
});

/** Reads through the master, and through the query node, until the test ends. */
function startReaders(): Reader {
  const [addresses] = query.addresses();
  const { http = 0, resp = 0 } = addresses ?? {};
  const host = hostOf('query');
  const sources = [
    respSource('RESP', connectRedis({ host, resp }, 'default')),
    httpSource(`http://${host}:${http}`, 'default'),
  ];
  const reader = new Reader(sources, { rows, version: 1, seed: 5 });
  onTestFinished(() => reader.stop());
  return reader;
}

describe.skipIf(network === undefined)('another address', () => {
  test('of a datanode with the same name is dialled as soon as the name leads there', async () => {
    const reader = startReaders();
    await reader.progress(100);
    await cluster.kill('node-0');
    await reader.progress(100);
    places.set('node-0', 'new-0');
    publish();
    await cluster.startNode('node-0', namedFlags('node-0'));
    await cluster.nodesServing(3);
    await cluster.status('green');
    // The master and the query node read from it, over new connections.
    await reader.progress(500);
    await until('lookups at the new address', async () => {
      const { http } = cluster.node('node-0');
      const text = await (await fetch(`http://${hostOf('node-0')}:${http}/metrics`)).text();
      return /^stele_lookups_total [1-9]/m.test(text);
    });
    await reader.stop();
    expect(reader.failures).toEqual([]);
  });

  test('of a datanode without a name replaces the one before', async () => {
    const reader = startReaders();
    await cluster.kill('node-1');
    places.set('node-1', 'new-1');
    publish();
    await cluster.startNode('node-1', flags({ master: `master.stele:${PORT}` }));
    await cluster.nodesServing(3);
    await cluster.status('green');
    expect((await nodeRow('node-1'))?.address.host).toBe(hostOf('new-1'));
    await reader.progress(300);
    await reader.stop();
    expect(reader.failures).toEqual([]);
  });

  test('of the master is found by its name, by datanodes and query nodes', async () => {
    const reader = startReaders();
    const words = [
      'nodes',
      '--watch=200ms',
      '-o',
      'json',
      ...flags({ master: `master.stele:${PORT}` }),
    ];
    const watching = new SteleProcess(words, { within: network?.placeOf('query').within ?? [] });
    onTestFinished(() => void watching.kill());
    await watching.printed(/"node-2"/);
    await cluster.kill('master');
    await reader.progress(100);
    // For so long that every process has looked for it in vain.
    await until('a query node without a master', async () => {
      const { no_leader: reason } = (await (await atQuery('/v1/cluster/health')).json()) as {
        no_leader?: unknown;
      };
      return reason !== undefined && reason !== null;
    });
    places.set('master', 'new-master');
    publish();
    await cluster.startMaster();
    await cluster.nodesServing(3);
    await cluster.status('green');
    await until('the health of the new master', async () => {
      const answer = (await (await atQuery('/v1/cluster/health')).json()) as { epoch: number };
      return answer.epoch === 2;
    });
    await cluster.kill('node-2');
    await watching.printed(/"node-2"[^}]*"(?:DOWN|SUSPECT)"/, 20_000);
    await reader.progress(300);
    await reader.stop();
    expect(reader.failures).toEqual([]);
  });
});
