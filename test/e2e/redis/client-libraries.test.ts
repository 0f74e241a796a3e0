// Client libraries as users install them, old and new: plain through the master and as cluster
// clients on the datanodes, over RESP2 and RESP3. Each reads, reads in a transaction, scans,
// counts, and is refused a write.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  ClientSideCache,
  GlideClient,
  GlideClusterClient,
  Logger,
  ProtocolVersion,
} from '@valkey/valkey-glide';
import * as iovalkey from 'iovalkey';
import * as ioredis from 'ioredis';
import * as nodeRedis from 'redis';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { callbackClient, glideClient, ioredisClient, nodeRedisClient } from './library-clients.ts';
import type { CallbackClient, Ioredis, NodeRedis, LibraryClient } from './library-clients.ts';
import { TestCluster } from '../../support/process/cluster.ts';
import { PROJECT, until } from '../../support/process/stele-process.ts';
import type { Addresses } from '../../support/process/stele-process.ts';
import { hasLibrary, runTool } from '../../support/tools.ts';

const require = createRequire(import.meta.url);
const folder = mkdtempSync(join(tmpdir(), 'stele-libraries-'));
const NODES = ['node-0', 'node-1', 'node-2'];
const TAGGED = ['{tag}1', '{tag}2', '{tag}none'];
const expected = new Map<string, string>([
  ...Array.from({ length: 3000 }, (_, at) => [`key-${at}`, `value-${at}`] as const),
  ['{tag}1', '1'] as const,
  ['{tag}2', '2'] as const,
]);
let cluster: TestCluster;
// It would print every expected error.
Logger.init('off');

beforeAll(async () => {
  cluster = await TestCluster.borrow();
  await load(expected);
  writeFileSync(join(folder, 'expected.json'), JSON.stringify(Object.fromEntries(expected)));
}, 60_000);

afterAll(async () => {
  await cluster?.close();
  rmSync(folder, { recursive: true, force: true });
});

async function load(rows: Iterable<readonly [string, string]>): Promise<void> {
  const file = join(folder, 'rows.data');
  writeFileSync(file, [...rows].map(([key, value]) => `${key} ${value}\n`).join(''));
  await cluster.load('default', [file]);
}

async function expectAll(open: LibraryClient | Promise<LibraryClient>): Promise<void> {
  const reader = await open;
  onTestFinished(() => void reader.close());
  const values = TAGGED.map((key) => expected.get(key) ?? null);
  const some = [...expected.keys()].slice(0, 300);
  expect(await Promise.all(some.map((key) => reader.get(key)))).toEqual(
    some.map((key) => expected.get(key)),
  );
  expect(await reader.mget(TAGGED)).toEqual(values);
  expect(await reader.transaction(TAGGED)).toEqual(values);
  expect((await reader.scan()).sort()).toEqual([...expected.keys()].sort());
  expect(await reader.size()).toBe(expected.size);
  await expect(reader.set('a', 'b')).rejects.toThrow(/immutable/);
}

const portOf = (node: Addresses): number => node.resp;
const nodes = (): Addresses[] => NODES.map((id) => cluster.node(id));

const old = require('ioredis4') as Ioredis['Redis'] & { Cluster: Ioredis['Cluster'] };
const IOREDIS: [string, Ioredis, object][] = [
  ['ioredis 6, RESP2', ioredis as unknown as Ioredis, { protocol: 2 }],
  ['ioredis 6, RESP3', ioredis as unknown as Ioredis, { protocol: 3 }],
  ['ioredis 4', { Redis: old, Cluster: old.Cluster }, {}],
  ['iovalkey', iovalkey as unknown as Ioredis, {}],
];

describe.each(IOREDIS)('%s', (_, library, options) => {
  test('plain', async () => {
    await expectAll(ioredisClient(new library.Redis({ port: portOf(cluster.master), ...options })));
  });

  test.each(['master', 'all'])('as a cluster client, reading from %s', async (scaleReads) => {
    const seeds = nodes().map(({ host, resp }) => ({ host, port: resp }));
    const client = new library.Cluster(seeds, { scaleReads, redisOptions: options });
    await expectAll(ioredisClient(client));
  });
});

const NODE_REDIS: [string, NodeRedis, unknown, object][] = [
  ['node-redis 6, RESP2', nodeRedis, '0', { RESP: 2 }],
  ['node-redis 6, RESP3', nodeRedis, '0', { RESP: 3 }],
  ['node-redis 4', require('redis4') as NodeRedis, 0, {}],
];

describe.each(NODE_REDIS)('%s', (_, library, firstCursor, options) => {
  test('plain', async () => {
    const socket = { port: portOf(cluster.master) };
    await expectAll(nodeRedisClient(library.createClient({ socket, ...options }), firstCursor));
  });

  test.each([false, true])('as a cluster client, replicas: %s', async (useReplicas) => {
    const rootNodes = nodes().map(({ host, resp }) => ({ socket: { host, port: resp } }));
    const client = library.createCluster({ rootNodes, useReplicas, ...options });
    await expectAll(nodeRedisClient(client, firstCursor));
  });
});

test('node-redis 3', async () => {
  const redis = require('redis3') as { createClient(options: object): CallbackClient };
  await expectAll(callbackClient(redis.createClient({ port: portOf(cluster.master) })));
});

describe.each([
  ['RESP2', ProtocolVersion.RESP2],
  ['RESP3', ProtocolVersion.RESP3],
] as const)('GLIDE, %s', (_, protocol) => {
  const settings = { protocol, requestTimeout: 5000 };

  test('plain', async () => {
    const addresses = [{ host: '127.0.0.1', port: portOf(cluster.master) }];
    await expectAll(glideClient(await GlideClient.createClient({ addresses, ...settings })));
  });

  test.each(['primary', 'preferReplica'] as const)('cluster, reading from %s', async (readFrom) => {
    const addresses = nodes().map(({ host, resp }) => ({ host, port: resp }));
    const client = await GlideClusterClient.createClient({ addresses, readFrom, ...settings });
    await expectAll(glideClient(client));
  });
});

describe('other languages', () => {
  const script = (name: string): string => join(PROJECT, 'test', 'e2e', 'redis', 'clients', name);
  const ports = (): string[] => [cluster.master, ...nodes()].map((node) => String(node.resp));
  const withArguments = (name: string): string[] => [
    script(name),
    join(folder, 'expected.json'),
    ...ports(),
  ];
  const ruby = hasLibrary('redis-rb', 'ruby', ['-e', "require 'redis'"], 'ruby-redis');
  const php = hasLibrary('phpredis', 'php', ['-r', 'new Redis();'], 'php-cli php-redis');
  const perl = hasLibrary("Perl's Redis", 'perl', ['-MRedis', '-e1'], 'libredis-perl');
  const hiredis = hasLibrary(
    'hiredis',
    'sh',
    ['-c', 'echo "#include <hiredis/hiredis.h>" | cc -E - >/dev/null'],
    'gcc libc6-dev libhiredis-dev',
  );

  test.runIf(ruby)('redis-rb', async () => {
    expect(await runTool('ruby', withArguments('client.rb'))).toBe('as expected\n');
  });

  test.runIf(php)('phpredis', async () => {
    expect(await runTool('php', withArguments('client.php'))).toBe('as expected\n');
  });

  test.runIf(perl)("Perl's Redis", async () => {
    expect(await runTool('perl', withArguments('client.pl'))).toBe('as expected\n');
  });

  test.runIf(hiredis)('hiredis', async () => {
    const program = join(folder, 'client');
    const built = await runTool('cc', ['-o', program, script('client.c'), '-lhiredis']);
    expect(built).toBe('');
    const [master = ''] = ports();
    const wanted = [master, 'key-7', 'value-7', String(expected.size)];
    expect(await runTool(program, wanted)).toBe('as expected\n');
  });
});

// Last, because these load other values.
describe('client-side caching', () => {
  const changed = new Map([...expected].map(([key, value]) => [key, `${value} changed`]));

  test('of node-redis and GLIDE answers from memory, and never with outdated values', async () => {
    const cache = new nodeRedis.BasicClientSideCache();
    const socket = { port: portOf(cluster.master) };
    const redis = nodeRedis.createClient({ RESP: 3, socket, clientSideCache: cache });
    redis.on('error', () => undefined);
    await redis.connect();
    const glide = await GlideClient.createClient({
      addresses: [{ host: '127.0.0.1', port: portOf(cluster.master) }],
      protocol: ProtocolVersion.RESP3,
      clientSideCache: new ClientSideCache({
        maxCacheKb: 1000,
        entryTtlMs: 0,
        serverAssisted: true,
      }),
    });
    onTestFinished(() => {
      redis.destroy();
      glide.close();
    });
    const clients = [redis, glide];
    for (const client of [...clients, ...clients]) {
      expect(await client.get('key-1')).toBe(expected.get('key-1'));
    }
    expect(cache.stats().hitCount).toBeGreaterThan(0);
    const tracking = async (): Promise<string | undefined> =>
      /^tracking_clients:(\d+)/m.exec(await redis.info('clients'))?.[1];
    expect(Number(await tracking())).toBeGreaterThanOrEqual(2);
    await load(changed);
    for (const client of clients) {
      await until(
        'the new value',
        async () => (await client.get('key-1')) === changed.get('key-1'),
      );
    }
  });
});
