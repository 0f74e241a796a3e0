import { once } from 'node:events';
import { connect } from 'node:net';
import { Redis } from 'ioredis';
import { createClient } from 'redis';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../base/log.ts';
import { startFront } from '../../../master/front/front.ts';
import type { Front } from '../../../master/front/front.ts';
import { FakeCluster } from '../../support/peers/fake-cluster.ts';

let cluster: FakeCluster;
let front: Front;
let redis: Redis;

async function start(cacheMaxBytes = 0): Promise<void> {
  front = await startFront({
    settings: {
      host: '127.0.0.1',
      httpPort: 0,
      respPort: 0,
      cacheMaxBytes,
      maxConnections: 50,
      lookupDeadlineMs: 150,
    },
    operations: cluster,
    links: cluster.links,
    log: silentLogger,
  });
  redis = new Redis(front.respPort, '127.0.0.1', { lazyConnect: true, retryStrategy: null });
}

beforeEach(async () => {
  cluster = new FakeCluster();
  for (let number = 0; number < 200; number++) cluster.put(`k${number}`, `v${number}`);
  cluster.put('empty', '');
  cluster.change((view) => {
    view.keyspaces[0]!.records = 201;
    view.keyspaces.push({
      uid: 'bb',
      name: 'prices',
      index: 1,
      currentVersion: 3,
      versions: [2, 3],
      fingerprints: [],
      records: 1,
    });
  });
  cluster.versions.set('bb/3', new Map([['k1', Buffer.from('price')]]));
  await start();
});

afterEach(async () => {
  redis.disconnect();
  await front.close(1000);
});

/** Sends bytes, ends the connection, and returns everything received. */
async function exchange(request: string): Promise<string> {
  const socket = connect(front.respPort, '127.0.0.1');
  let answer = '';
  socket.setEncoding('latin1').on('data', (part: string) => (answer += part));
  socket.end(request);
  await once(socket, 'close');
  return answer;
}

describe('reads over RESP', () => {
  it('serve ioredis with its ready check: values, misses, empty and binary ones', async () => {
    cluster.put(Buffer.from([0xff, 0]), Buffer.from([0xfe, 0x0d, 0x0a]));
    expect(await redis.get('k7')).toBe('v7');
    expect(await redis.get('none')).toBeNull();
    expect(await redis.get('empty')).toBe('');
    expect(await redis.getBuffer(Buffer.from([0xff, 0]))).toEqual(Buffer.from([0xfe, 0x0d, 0x0a]));
  });

  it('serve node-redis, which fails on anything unexpected in HELLO', async () => {
    const client = createClient({ socket: { host: '127.0.0.1', port: front.respPort } });
    await client.connect();
    expect(await client.get('k1')).toBe('v1');
    expect(await client.mGet(['k1', 'none'])).toEqual(['v1', null]);
    await client.close();
  });

  it('span all shards in MGET and EXISTS', async () => {
    const names = Array.from({ length: 200 }, (_, number) => `k${number}`);
    const values = await redis.mget(...names, 'none', 'k0');
    expect(values).toEqual([...names.map((name) => `v${name.slice(1)}`), null, 'v0']);
    expect(await redis.exists(...names, 'none', 'k0', 'k0')).toBe(202);
  });

  it('answer the questions about one key', async () => {
    expect(await redis.strlen('k10')).toBe(3);
    expect(await redis.strlen('none')).toBe(0);
    expect(await redis.type('k10')).toBe('string');
    expect(await redis.type('none')).toBe('none');
    expect(await redis.ttl('k10')).toBe(-1);
    expect(await redis.pttl('none')).toBe(-2);
    expect(await redis.object('ENCODING', 'k10')).toBe('embstr');
    expect(await redis.getrange('k100', 1, -1)).toBe('100');
    expect(await redis.getrange('k100', -2, -1)).toBe('00');
    expect(await redis.getrange('k100', 3, 1)).toBe('');
    expect(await redis.getrange('none', 0, -1)).toBe('');
    expect(await redis.memory('USAGE', 'k10')).toBe(16);
    expect(await redis.dbsize()).toBe(201);
    await expect(redis.call('GETRANGE', 'k100', 'x', '1')).rejects.toThrow(/not an integer/);
  });

  it('keep the order of pipelined commands, answered at once or later', async () => {
    await front.close(100);
    await start(1024 * 1024);
    await redis.get('k1');
    const answer = await exchange(
      'GET k1\r\nPING\r\nGET k2\r\nPING a\r\nMGET k1 k3 none\r\nGET k1\r\nTYPE k4\r\nGET none\r\n',
    );
    expect(answer).toBe(
      '$2\r\nv1\r\n+PONG\r\n$2\r\nv2\r\n$1\r\na\r\n*3\r\n$2\r\nv1\r\n$2\r\nv3\r\n$-1\r\n$2\r\nv1\r\n+string\r\n$-1\r\n',
    );
  });

  it('take a pipeline of 5,000 commands in few messages to each datanode', async () => {
    const pipeline = redis.pipeline();
    for (let number = 0; number < 5000; number++) pipeline.get(`k${number % 200}`);
    const replies = (await pipeline.exec())!;
    replies.forEach(([error, value], number) => {
      expect(error).toBeNull();
      expect(value).toBe(`v${number % 200}`);
    });
    const calls = [...cluster.nodes.values()].reduce((sum, node) => sum + node.calls, 0);
    expect(calls).toBeLessThan(300);
  });

  it('follow SELECT by name and by index', async () => {
    await redis.call('SELECT', 'prices');
    expect(await redis.get('k1')).toBe('price');
    await redis.select(0);
    expect(await redis.get('k1')).toBe('v1');
    await redis.select(1);
    expect(await redis.dbsize()).toBe(1);
    await expect(redis.call('SELECT', 'none')).rejects.toThrow(/ERR/);
  });
});

describe('what cannot be known over RESP', () => {
  it('is CLUSTERDOWN for the whole command, never nil', async () => {
    const dead = cluster.shardOf('k1');
    cluster.change((view) => {
      view.routes[dead]!.nodes = [];
      view.ready = false;
    });
    await expect(redis.get('k1')).rejects.toThrow(/^CLUSTERDOWN /);
    await expect(redis.exists('k1')).rejects.toThrow(/^CLUSTERDOWN /);
    await expect(redis.mget('k1', 'none', 'k2')).rejects.toThrow(/^CLUSTERDOWN /);
    const alive = Array.from({ length: 200 }, (_, number) => `k${number}`).find(
      (name) => cluster.shardOf(name) !== dead,
    )!;
    expect(await redis.get(alive)).toBe(`v${alive.slice(1)}`);
  });

  it('is LOADING before readiness, and INFO says loading', async () => {
    await front.close(100);
    cluster.restart();
    await start();
    const answer = await exchange('GET k1\r\nMGET k1 k2\r\nDBSIZE\r\nPING\r\nSELECT prices2\r\n');
    expect(answer).toMatch(
      /^-LOADING .*\r\n-LOADING .*\r\n-LOADING .*\r\n\+PONG\r\n-LOADING .*\r\n$/,
    );
    expect(await exchange('INFO persistence\r\n')).toContain('loading:1');
    cluster.becomeReady();
    expect(await redis.get('k1')).toBe('v1');
  });

  it('is LOADING for the shards alone that were not heard of yet, and INFO says so of no others', async () => {
    await front.close(100);
    cluster.change((view) => view.keyspaces.push({ ...view.keyspaces[0]!, uid: 'ff', name: 'b' }));
    cluster.restart([cluster.shardOf('k1')]);
    await start();
    const alive = Array.from({ length: 200 }, (_, number) => `k${number}`).find(
      (name) => cluster.shardOf(name) !== cluster.shardOf('k1'),
    )!;
    expect(await exchange(`GET k1\r\nGET ${alive}\r\n`)).toMatch(
      new RegExp(
        `^-LOADING .*shard \\d+ of keyspace 'default'.*\r\n\\$\\d+\r\nv${alive.slice(1)}\r\n$`,
      ),
    );
    expect(await exchange('INFO persistence\r\n')).toContain('loading:0');
  });

  it('is an error that names the keyspaces for a keyspace that is not there', async () => {
    cluster.change((view) => view.keyspaces.shift());
    expect(await exchange('GET k1\r\n')).toMatch(/^-ERR .*'default'.*\r\n$/);
  });
});

describe('the cluster over RESP', () => {
  it('is described by CLUSTER SLOTS as the datanodes, all slots covered', async () => {
    const slots = await redis.cluster('SLOTS');
    const total = slots.reduce((sum, [first, last]) => sum + last - first + 1, 0);
    expect(total).toBe(16_384);
    const ports = new Set(slots.flatMap(([, , ...nodes]) => nodes.map(([, port]) => port)));
    expect([...ports].sort((left, right) => left - right)).toEqual([7401, 7402, 7403]);
    // It is no node of the cluster, and must not be taken for one.
    expect(await redis.cluster('INFO')).toMatch(
      /^cluster_enabled:0\r\ncluster_slots_assigned:16384/,
    );
    expect(await redis.cluster('KEYSLOT', 'foo')).toBe(12_182);
    expect(await redis.cluster('MYID')).toMatch(/^[0-9a-f]{40}$/);
    expect(
      String(await redis.cluster('NODES'))
        .trim()
        .split('\n'),
    ).toHaveLength(4);
    expect(String(await redis.cluster('NODES'))).toMatch(/ myself,slave,noaddr /);
    expect(await redis.cluster('SHARDS')).toHaveLength(3);
  });

  it('puts a suspect behind those that serve, and leaves uncovered slots out', async () => {
    cluster.change((view) => {
      view.nodes[0]!.state = 5;
      view.routes[15]!.nodes = [];
    });
    const slots = await redis.cluster('SLOTS');
    for (const [, , primary] of slots) expect(primary?.[1]).not.toBe(7401);
    expect(Math.max(...slots.map(([, last]) => last))).toBe(15 * 1024 - 1);
    expect(await redis.cluster('INFO')).toContain('cluster_slots_assigned:15360');
  });

  it('shows INFO as clients expect it, with keyspaces by name', async () => {
    const info = await redis.info();
    for (const line of [
      'redis_version:7.4.0',
      'redis_mode:standalone',
      'role:master',
      'loading:0',
      'cluster_enabled:0',
      'db0:keys=201,expires=0,avg_ttl=0',
      'db1:keys=1,expires=0,avg_ttl=0',
      'stele_keyspace_0:name=default,version=1,keys=201',
      'stele_keyspace_1:name=prices,version=3,keys=1',
    ]) {
      expect(info.split('\r\n')).toContain(line);
    }
    expect(info).toMatch(/uptime_in_seconds:\d/);
    expect(info).toMatch(/connected_clients:1\r/);
    expect(await redis.info('keyspace')).not.toContain('redis_version');
  });

  it('is told by the STELE commands', async () => {
    const resp3 = await redis.call('STELE', 'HEALTH');
    expect(JSON.stringify(resp3)).toMatch(/green/);
    expect(JSON.stringify(await redis.call('STELE', 'KEYSPACES'))).toMatch(/prices|default/);
    expect(JSON.stringify(await redis.call('STELE', 'NODES'))).toMatch(/datanode-2/);
    expect(JSON.stringify(await redis.call('STELE', 'VERSION'))).toMatch(/"default"/);
    expect(JSON.stringify(await redis.call('STELE', 'EXPLAIN', 'k1'))).toMatch(/served_by/);
  });

  it('refuses writes', async () => {
    await expect(redis.set('k', 'v')).rejects.toThrow(/immutable/);
    expect(await redis.ping()).toBe('PONG');
  });
});

describe('the front as a whole', () => {
  it('counts RESP reads and connections in /metrics', async () => {
    await redis.get('k1');
    await redis.mget('k1', 'none');
    const reply = await fetch(`http://127.0.0.1:${front.httpPort}/metrics`);
    const lines = (await reply.text()).split('\n');
    expect(lines).toContain('stele_reads_total{protocol="resp",result="found"} 2');
    expect(lines).toContain('stele_reads_total{protocol="resp",result="not_found"} 1');
    expect(lines).toContain('stele_read_seconds_count{protocol="resp"} 2');
    expect(lines).toContain('stele_connections{protocol="resp"} 1');
    expect(lines).toContain('stele_connections{protocol="http"} 1');
  });

  it('says which port is in use, and leaves nothing open', async () => {
    const settings = {
      host: '127.0.0.1',
      httpPort: front.httpPort,
      respPort: 0,
      cacheMaxBytes: 0,
      maxConnections: 5,
      lookupDeadlineMs: 100,
    };
    const options = { operations: cluster, links: cluster.links, log: silentLogger };
    await expect(startFront({ ...options, settings })).rejects.toMatchObject({
      code: 'PORT_IN_USE',
      message: expect.stringContaining('--http-port'),
    });
    await expect(
      startFront({ ...options, settings: { ...settings, httpPort: 0, respPort: front.respPort } }),
    ).rejects.toMatchObject({
      code: 'PORT_IN_USE',
      message: expect.stringContaining('--resp-port'),
    });
  });

  it('closes within its deadline while a client is connected and a read waits', async () => {
    for (const node of cluster.nodes.values()) node.silent = true;
    await redis.ping();
    const reading = redis.get('k1').catch((thrown: unknown) => thrown);
    const idle = connect(front.httpPort, '127.0.0.1');
    await once(idle, 'connect');
    const begin = performance.now();
    await front.close(500);
    expect(performance.now() - begin).toBeLessThan(1500);
    expect(await reading).toBeInstanceOf(Error);
    idle.destroy();
  });
});
