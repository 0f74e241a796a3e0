// Common client libraries against a real cluster: ioredis, node-redis and redis-py, plain through
// the master and as cluster clients on the datanodes; every kind of key and value; scans;
// keyspaces.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cluster, Redis } from 'ioredis';
import { createClient, createCluster, RESP_TYPES } from 'redis';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { TestCluster } from '../../support/process/cluster.ts';
import { EDGES, writeEdges } from '../../support/inputs/edge-rows.ts';
import { VersionedRows } from '../../support/inputs/rows.ts';
import { expectRows } from '../../support/readers/doors.ts';
import { connectCluster, connectRedis, credentialsOf } from '../../support/readers/sources.ts';
import { PROJECT } from '../../support/process/stele-process.ts';
import type { Addresses } from '../../support/process/stele-process.ts';
import { pythonWith, runTool } from '../../support/tools.ts';

const ROWS = new VersionedRows(3000);
const KEYS = Array.from({ length: ROWS.count }, (_, index) => ROWS.key(index));
const VALUES = KEYS.map((key) => ROWS.value(key, 1));
const folder = mkdtempSync(join(tmpdir(), 'stele-clients-'));
const sorted = (keys: Iterable<string>): string[] => [...keys].sort();
let cluster: TestCluster;
let nodes: Addresses[];

beforeAll(async () => {
  cluster = await TestCluster.borrow();
  nodes = ['node-0', 'node-1', 'node-2'].map((id) => cluster.node(id));
  await ROWS.write(join(folder, 'rows.data'), 1);
  await writeEdges(join(folder, 'edges.jsonl'));
  await cluster.load('default', [join(folder, 'rows.data')]);
  await cluster.load('edges', [join(folder, 'edges.jsonl')]);
}, 60_000);

afterAll(async () => {
  await cluster?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Clients are closed when their test ends; connection errors appear in the commands. */
function closing<Client extends { on(event: 'error', listener: () => void): unknown }>(
  client: Client,
  close: (client: Client) => unknown,
): Client {
  client.on('error', () => undefined);
  onTestFinished(() => void close(client));
  return client;
}

function ioredis(protocol: 2 | 3, node = cluster.master): Redis {
  const options = { port: node.resp, protocol, enableAutoPipelining: true };
  return closing(new Redis(options), (client) => client.disconnect());
}

function ioredisCluster(keyspace = 'default'): Cluster {
  const seeds = nodes.map(({ host, resp }) => ({ host, port: resp }));
  const redisOptions = credentialsOf(keyspace);
  const options = { redisOptions, enableAutoPipelining: true, slotsRefreshInterval: 1000 };
  return closing(new Cluster(seeds, options), (client) => client.disconnect());
}

async function nodeRedis(RESP: 2 | 3, keyspace = 'default') {
  const client = closing(
    createClient({ RESP, socket: { port: cluster.master.resp }, ...credentialsOf(keyspace) }),
    (each) => each.destroy(),
  );
  await client.connect();
  return client;
}

async function nodeRedisCluster(keyspace = 'default') {
  const client = closing(
    createCluster({
      rootNodes: nodes.map(({ host, resp }) => ({ socket: { host, port: resp } })),
      defaults: credentialsOf(keyspace),
      useReplicas: true,
    }),
    (each) => each.destroy(),
  );
  await client.connect();
  return client;
}

describe('ioredis', () => {
  test.each([2, 3] as const)('plain, over RESP%i, with automatic pipelining', async (protocol) => {
    const redis = ioredis(protocol);
    expect(await Promise.all(KEYS.map((key) => redis.get(key)))).toEqual(VALUES);
    expect(await redis.mget(KEYS)).toEqual(VALUES);
    expect(await redis.exists(...KEYS, 'none')).toBe(KEYS.length);
    expect(await redis.dbsize()).toBe(KEYS.length);
    expect(KEYS).toContain(await redis.randomkey());
    expect(await redis.getrange('key-7', 0, 4)).toBe('key-7');
    expect(await redis.strlen('key-7')).toBe(Buffer.byteLength(VALUES[7] ?? ''));
    expect(await redis.memory('USAGE', 'key-7')).toBeGreaterThan(30);
    const found: string[] = [];
    for await (const page of redis.scanStream({ count: 100 })) found.push(...(page as string[]));
    expect(sorted(found)).toEqual(sorted(KEYS));
    await expect(redis.set('a', 'b')).rejects.toThrow(/immutable/);
    await expect(redis.subscribe('a')).rejects.toThrow(/no channels/);
    await expect(redis.eval('return 1', 0)).rejects.toThrow(/no scripting/);
    expect(await redis.multi().get('key-1').get('none').exec()).toEqual([
      [null, VALUES[1]],
      [null, null],
    ]);
  });

  test('as a cluster client, with automatic pipelining', async () => {
    const redis = ioredisCluster();
    expect(await Promise.all(KEYS.map((key) => redis.get(key)))).toEqual(VALUES);
    const found: string[] = [];
    let size = 0;
    for (const node of redis.nodes('master')) {
      size += await node.dbsize();
      for await (const page of node.scanStream()) found.push(...(page as string[]));
    }
    expect(size).toBe(KEYS.length);
    expect(sorted(found)).toEqual(sorted(KEYS));
    const several = closing(connectCluster(nodes, 'default'), (client) => client.disconnect());
    await expect(several.mget('key-1', 'key-2')).rejects.toThrow(/^CROSSSLOT/);
    await expect(redis.set('a', 'b')).rejects.toThrow(/immutable/);
  });
});

describe('node-redis', () => {
  test.each([2, 3] as const)('plain, over RESP%i', async (protocol) => {
    const redis = await nodeRedis(protocol);
    expect(await Promise.all(KEYS.map((key) => redis.get(key)))).toEqual(VALUES);
    expect(await redis.mGet(KEYS)).toEqual(VALUES);
    const found: string[] = [];
    for await (const page of redis.scanIterator({ COUNT: 500, MATCH: 'key-*' }))
      found.push(...page);
    expect(sorted(found)).toEqual(sorted(KEYS));
    expect(await redis.dbSize()).toBe(KEYS.length);
    expect(await redis.clientInfo()).toMatchObject({ libName: 'node-redis' });
    expect(await redis.commandCount()).toBeGreaterThan(30);
    expect((await redis.commandInfo(['get']))[0]).toMatchObject({ name: 'get', arity: 2 });
    await expect(redis.set('a', 'b')).rejects.toThrow(/immutable/);
    expect(await redis.multi().get('key-1').get('none').exec()).toEqual([VALUES[1], null]);
  });

  test('as a cluster client, replicas included', async () => {
    const redis = await nodeRedisCluster();
    expect(await Promise.all(KEYS.map((key) => redis.get(key)))).toEqual(VALUES);
    const found: string[] = [];
    for (const master of redis.masters) {
      const client = await redis.nodeClient(master);
      for await (const page of client.scanIterator()) found.push(...page);
    }
    expect(sorted(found)).toEqual(sorted(KEYS));
    expect(await redis.mGet(['{key}1', '{key}2'])).toEqual([null, null]);
  });
});

describe('redis-py', () => {
  const python = pythonWith('redis', 'python3-redis');

  test.runIf(python !== undefined)('plain and as a cluster client', async () => {
    const script = join(PROJECT, 'test', 'e2e', 'redis', 'clients', 'client.py');
    const file = join(folder, 'expected.json');
    writeFileSync(
      file,
      JSON.stringify(Object.fromEntries(KEYS.map((key, at) => [key, VALUES[at]]))),
    );
    const ports = [cluster.master.resp, nodes[0]?.resp ?? 0].map(String);
    expect(await runTool(python ?? '', [script, file, ...ports])).toBe('as expected\n');
  });
});

describe('keys and values of every kind', () => {
  const names = [...EDGES.keys()];

  test('by ioredis', async () => {
    const plain = closing(connectRedis(cluster.master, 'edges'), (client) => client.disconnect());
    const direct = closing(connectCluster(nodes, 'edges'), (client) => client.disconnect());
    await expectRows(EDGES, (key) => plain.getBuffer(key));
    await expectRows(EDGES, (key) => direct.getBuffer(key));
    expect((await plain.scan(0, 'COUNT', 1000))[1].sort()).toEqual(sorted(names));
    expect(await direct.mget('{tag}of a key', 'another of {tag}')).toEqual(['1', '2']);
    const large = EDGES.get('large')!.toString('latin1');
    expect(await direct.strlen('large')).toBe(large.length);
    expect(await direct.getrange('large', -6, -1)).toBe(large.slice(-6));
  });

  test('by node-redis', async () => {
    const typeMapping = { [RESP_TYPES.BLOB_STRING]: Buffer };
    const plain = (await nodeRedis(3, 'edges')).withTypeMapping(typeMapping);
    const direct = (await nodeRedisCluster('edges')).withTypeMapping(typeMapping);
    await expectRows(EDGES, (key) => plain.get(key));
    await expectRows(EDGES, (key) => direct.get(key));
  });

  test('a key over the limit fails only that command', async () => {
    const redis = closing(connectRedis(cluster.master, 'edges'), (client) => client.disconnect());
    await expect(redis.get('k'.repeat(65_537))).rejects.toThrow(/at most 65536/);
    expect(await redis.get('another of {tag}')).toBe('2');
  });
});

describe('keyspaces', () => {
  test('are selected by the user name on every connection a cluster client opens', async () => {
    const redis = ioredisCluster('edges');
    expect(await redis.get('schlüssel ☃')).toBe('5');
    expect(await redis.get('key-1')).toBeNull();
    const other = await nodeRedisCluster('edges');
    expect(await other.get('schlüssel ☃')).toBe('5');
  });

  test('are selected by name or index if a client can SELECT', async () => {
    const redis = ioredis(3);
    await redis.call('SELECT', 'edges');
    expect(await redis.get('another of {tag}')).toBe('2');
    const index = /^stele_keyspace_(\d+):name=edges,/m.exec(await redis.info('stele'))?.[1] ?? '';
    await redis.select(0);
    expect(await redis.get('another of {tag}')).toBeNull();
    await redis.select(Number(index));
    expect(await redis.get('another of {tag}')).toBe('2');
    const direct = ioredis(2, nodes[0]);
    await direct.call('SELECT', 'edges');
    expect(await direct.call('CLIENT', 'INFO')).toContain(` db=${index} `);
  });

  test('that do not exist are refused at the login', async () => {
    const client = connectRedis(cluster.master, 'nowhere');
    closing(client, (each) => each.disconnect());
    const refused = new Promise((resolve) => client.once('error', resolve));
    expect(String(await refused)).toMatch(/WRONGPASS/);
  });
});

test('a scan stays with its version when others come, and must start again when it is gone', async () => {
  const file = join(folder, 'swap.data');
  const load = async (version: number, rows: VersionedRows): Promise<void> => {
    await rows.write(file, version);
    await cluster.load('swapped', [file]);
  };
  await load(1, ROWS);
  const readers = [cluster.master, ...nodes].map((node) =>
    closing(connectRedis(node, 'swapped'), (client) => client.disconnect()),
  );
  const begun = await Promise.all(readers.map((reader) => reader.scan(0, 'COUNT', 20)));
  await load(2, new VersionedRows(2900));
  const pages = await Promise.all(
    readers.map(async (reader, at) => {
      const keys = [...(begun[at]?.[1] ?? [])];
      for (let cursor = begun[at]?.[0] ?? '0'; cursor !== '0';) {
        const [next, more] = await reader.scan(cursor, 'COUNT', 20);
        keys.push(...more);
        cursor = next;
      }
      return keys;
    }),
  );
  const all = sorted(KEYS);
  expect(sorted(pages[0] ?? [])).toEqual(all);
  expect(sorted(pages.slice(1).flat())).toEqual(all);
  await load(3, new VersionedRows(2950));
  for (const [at, reader] of readers.entries()) {
    await expect(reader.scan(begun[at]?.[0] ?? '')).rejects.toThrow(/begin again with cursor 0/);
    expect((await reader.scan(0, 'COUNT', 10_000))[0]).toBe('0');
  }
});
