// What cluster clients learn: addresses as they are announced, replicas as replicas, and within 1.2
// s that a datanode is gone.

import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Cluster, Redis } from 'ioredis';
import { createCluster } from 'redis';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { slotOfKey } from '../../../ring/slot.ts';
import { TestCluster } from '../../support/process/cluster.ts';
import { startPythonReader } from '../../support/readers/python-reader.ts';
import type { PythonReader } from '../../support/readers/python-reader.ts';
import { VersionedRows } from '../../support/inputs/rows.ts';
import { connectCluster } from '../../support/readers/sources.ts';
import { flags } from '../../support/process/stele-process.ts';
import { pythonWith } from '../../support/tools.ts';

/** The goal is 1.2 s, and the measured time is printed; a busy machine is allowed more. */
const SEEN_MS_MAX = 5000;
/**
 * In capitals, because redis-py resolves `localhost` to an address, and then knows each node under
 * two names.
 */
const HOST = 'LOCALHOST';
const NODES = ['node-0', 'node-1', 'node-2'];
const python = pythonWith('redis', 'python3-redis');
const rows = new VersionedRows(1000);
const keys = Array.from({ length: rows.count }, (_, index) => rows.key(index));
let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.start({
    masterFlags: flags({ 'repair-delay': '60s' }),
    datanodeFlags: flags({ 'announce-host': HOST }),
  });
  const file = join(cluster.folder, 'rows.data');
  await rows.write(file, 1);
  await cluster.load('default', [file]);
  await cluster.status('green');
}, 60_000);

afterAll(() => cluster?.close());

/** First and last slot, then host, port and id of its owner and its replicas. */
type SlotRange = [number, number, ...[string, number, string][]];

function connect(port: number): Redis {
  const client = new Redis({ port, maxRetriesPerRequest: 0, retryStrategy: () => null });
  client.on('error', () => undefined);
  onTestFinished(() => client.disconnect());
  return client;
}

async function slotsOf(client: Redis): Promise<SlotRange[]> {
  return (await client.call('CLUSTER', 'SLOTS')) as SlotRange[];
}

function nodesOf(ranges: readonly SlotRange[], key: string): [string, number, string][] {
  const bytes = Buffer.from(key);
  const slot = slotOfKey(bytes, 0, bytes.length);
  const range = ranges.find(([first, last]) => first <= slot && slot <= last);
  const [, , ...nodes] = range ?? [0, 0];
  return nodes;
}

test('addresses are the announced ones, everywhere', async () => {
  for (const { resp } of [cluster.master, ...NODES.map((id) => cluster.node(id))]) {
    const client = connect(resp);
    const hosts = (await slotsOf(client)).flatMap(([, , ...nodes]) => nodes.map(([host]) => host));
    expect(new Set(hosts)).toEqual(new Set([HOST]));
    const shards = JSON.stringify(await client.call('CLUSTER', 'SHARDS'));
    expect(shards).toContain(`"endpoint","${HOST}"`);
    expect(shards).not.toContain('127.0.0.1');
    const lines = String(await client.call('CLUSTER', 'NODES'))
      .trim()
      .split('\n')
      // Clients look for their own line in the master's reply; the master is not a datanode.
      .filter((line) => !line.includes('noaddr'));
    expect(lines).toHaveLength(NODES.length);
    for (const line of lines) expect(line).toMatch(new RegExp(`^[0-9a-f]{40} ${HOST}:\\d+@\\d+`));
  }
  const ranges = await slotsOf(connect(cluster.node('node-0').resp));
  const foreign = keys.find((key) =>
    nodesOf(ranges, key).every(([, port]) => port !== cluster.node('node-0').resp),
  );
  const moved = connect(cluster.node('node-0').resp).get(foreign ?? '');
  await expect(moved).rejects.toThrow(new RegExp(`^MOVED \\d+ ${HOST}:\\d+$`));
});

test('a slot has an owner and a replica, and both answer a client that has sent READONLY', async () => {
  const clients = new Map(
    NODES.map((id) => [cluster.node(id).resp, connect(cluster.node(id).resp)]),
  );
  const [first] = clients.values();
  const ranges = await slotsOf(first as Redis);
  expect(ranges.every(([, , ...nodes]) => nodes.length === 2)).toBe(true);
  // One slot of each primary is listed without its replica, so that clients see every primary first
  // as one.
  const portsOf = (nodes: readonly [string, number, string][]): number[] => [
    ...new Set(nodes.map(([, port]) => port)),
  ];
  const alone = ranges.filter(([, , ...nodes]) => portsOf(nodes).length !== 2);
  expect(alone.every(([from, to]) => from === to)).toBe(true);
  expect(alone).toHaveLength(NODES.length);
  expect(new Set(ranges.map((range) => range[2]?.[1]))).toEqual(new Set(clients.keys()));
  for (const client of clients.values()) expect(await client.readonly()).toBe('OK');
  for (const key of keys.slice(0, 100)) {
    const holders = portsOf(nodesOf(ranges, key));
    if (holders.length < 2) continue;
    for (const [port, client] of clients) {
      if (holders.includes(port)) expect(await client.get(key)).toBe(rows.value(key, 1));
      else await expect(client.get(key)).rejects.toThrow(/^MOVED/);
    }
  }
  const shards = (await (first as Redis).call('CLUSTER', 'SHARDS')) as [
    string,
    number[],
    string,
    string[][],
  ][];
  const roles = shards.flatMap(([, , , nodes]) =>
    nodes.map((node) => node[node.indexOf('role') + 1]),
  );
  // A client assigns one role to the whole node, so no node is listed as a replica to scan or
  // count.
  expect(roles).toEqual(NODES.map(() => 'master'));
});

interface ClusterClient {
  readonly name: string;
  readonly get: (key: string) => Promise<string | null>;
}

async function clusterClients(): Promise<ClusterClient[]> {
  const seeds = NODES.map((id) => ({ host: HOST, port: cluster.node(id).resp }));
  // The order in docs/redis.md.
  const ioredis = new Cluster(seeds, { scaleReads: 'all', slotsRefreshInterval: 1000 });
  const nodeRedis = createCluster({
    rootNodes: seeds.map((socket) => ({ socket })),
    useReplicas: true,
    topologyRefreshOnReconnectionAttemptStrategy: 100,
  });
  for (const client of [ioredis, nodeRedis]) client.on('error', () => undefined);
  onTestFinished(() => {
    ioredis.disconnect();
    nodeRedis.destroy();
  });
  await nodeRedis.connect();
  return [
    { name: 'ioredis', get: (key) => ioredis.get(key) },
    { name: 'node-redis', get: (key) => nodeRedis.get(key) },
  ];
}

/**
 * When the last read of `client` failed or was slow, in ms after `sinceMs`; reads until `untilMs`.
 */
async function lastTrouble(
  client: ClusterClient,
  sinceMs: number,
  untilMs: number,
): Promise<number> {
  let lastMs = 0;
  for (let at = 0; performance.now() < untilMs; at++) {
    const wanted = Array.from(
      { length: 50 },
      (_, index) => keys[(at * 50 + index) % keys.length] ?? '',
    );
    const results = await Promise.all(
      wanted.map(async (key) => {
        try {
          return (await client.get(key)) === rows.value(key, 1);
        } catch {
          return false;
        }
      }),
    );
    if (results.includes(false)) lastMs = performance.now() - sinceMs;
    await pause(10);
  }
  return lastMs;
}

/** When `asker` no longer sends clients to the node at `port` first, in ms after `sinceMs`. */
async function unnamed(asker: Redis, port: number, sinceMs: number): Promise<number> {
  for (;;) {
    const ranges = await slotsOf(asker);
    if (ranges.every((range) => range[2]?.[1] !== port)) return performance.now() - sinceMs;
    await pause(10);
  }
}

/** Undefined if redis-py is not installed. */
async function redisPy(): Promise<PythonReader | undefined> {
  if (python === undefined) return undefined;
  const expected = new Map(keys.slice(0, 300).map((key) => [key, rows.value(key, 1)]));
  const ports = NODES.map((id) => cluster.node(id).resp);
  return startPythonReader(python, cluster.folder, expected, ports);
}

test('a killed datanode is gone for all within 1.2 s, and none asks it after that', async () => {
  const clients = await clusterClients();
  for (const { get } of clients) expect(await get('key-1')).toBe(rows.value('key-1', 1));
  const askers = [cluster.master, cluster.node('node-0'), cluster.node('node-2')].map(({ resp }) =>
    connect(resp),
  );
  const pythonReader = await redisPy();
  const deadPort = cluster.node('node-1').resp;
  const killedMs = performance.now();
  await cluster.kill('node-1');
  const troubles = clients.map((client) => lastTrouble(client, killedMs, killedMs + 3000));
  const learned = await Promise.all(askers.map((asker) => unnamed(asker, deadPort, killedMs)));
  const readers = await Promise.all(troubles);
  readers.push((await pythonReader?.lastTrouble(killedMs)) ?? 0);
  console.log(
    `  told after ${learned.map(Math.round).join(', ')} ms; last failed read after ${readers.map(Math.round).join(', ')} ms`,
  );
  for (const ms of [...learned, ...readers]) expect(ms).toBeLessThan(SEEN_MS_MAX);
  const lines = String(await (askers[1] as Redis).call('CLUSTER', 'NODES'));
  expect(lines).toMatch(new RegExp(`${HOST}:${deadPort}@\\d+ \\S*fail`));
  await cluster.startNode('node-1');
  await cluster.nodesServing(3);
  await cluster.status('green');
  for (const { get } of clients) {
    for (const key of keys) expect(await get(key)).toBe(rows.value(key, 1));
  }
});

test('a stopped datanode, whose connections stay open, is no longer listed first, and reads go elsewhere', async () => {
  const seeds = NODES.map((id) => cluster.node(id));
  const client = connectCluster(seeds, 'default', 150);
  onTestFinished(() => client.disconnect());
  const reader = { name: 'ioredis', get: (key: string) => client.get(key) };
  expect(await reader.get('key-1')).toBe(rows.value('key-1', 1));
  const { resp } = cluster.node('node-2');
  const askers = [cluster.master, cluster.node('node-0')].map((each) => connect(each.resp));
  const pythonReader = await redisPy();
  const stoppedMs = performance.now();
  cluster.pause('node-2');
  try {
    const trouble = lastTrouble(reader, stoppedMs, stoppedMs + 3000);
    const learned = await Promise.all(askers.map((asker) => unnamed(asker, resp, stoppedMs)));
    const readers = [await trouble, (await pythonReader?.lastTrouble(stoppedMs)) ?? 0];
    console.log(
      `  told after ${learned.map(Math.round).join(', ')} ms; last failed read after ${readers.map(Math.round).join(', ')} ms`,
    );
    for (const ms of [...learned, ...readers]) expect(ms).toBeLessThan(SEEN_MS_MAX);
    for (const key of keys.slice(0, 200)) expect(await reader.get(key)).toBe(rows.value(key, 1));
  } finally {
    cluster.resume('node-2');
  }
  await cluster.nodesServing(3);
  await cluster.status('green');
});
