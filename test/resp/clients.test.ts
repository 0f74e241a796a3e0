// Real clients against a listener over a Map: ioredis, node-redis, redis-cli, redis-benchmark.

import { Cluster, Redis } from 'ioredis';
import { createClient, createCluster } from 'redis';
import { describe, expect, it, onTestFinished } from 'vitest';
import { hasTool, runTool, withoutColours } from '../support/tools.ts';
import { MapBackend } from './map-backend.ts';
import { listenFor } from './raw-client.ts';

const ENTRIES = Array.from({ length: 1000 }, (_, i) => [`key:${i}`, `välue ${i}\r\n`] as const);

async function startServer(): Promise<number> {
  const { port } = await listenFor(new MapBackend(ENTRIES));
  return port;
}

describe('ioredis', () => {
  it.each([2, 3])('reads over RESP%i, singly and pipelined', async (protocol) => {
    const redis = new Redis({ port: await startServer(), protocol: protocol as 2 | 3 });
    onTestFinished(() => redis.disconnect());
    expect(await redis.get('key:7')).toBe('välue 7\r\n');
    expect(await redis.get('none')).toBeNull();
    const all = await Promise.all(ENTRIES.map(([key]) => redis.get(key)));
    expect(all).toEqual(ENTRIES.map(([, value]) => value));
    expect(await redis.mget('key:1', 'none', 'key:2')).toEqual([
      'välue 1\r\n',
      null,
      'välue 2\r\n',
    ]);
    await expect(redis.set('a', 'b')).rejects.toThrow('immutable');
    expect(await redis.config('GET', 'save')).toEqual(['save', '']);
  });

  it('reads in cluster mode', async () => {
    const cluster = new Cluster([{ host: '127.0.0.1', port: await startServer() }]);
    onTestFinished(() => cluster.disconnect());
    const all = await Promise.all(ENTRIES.map(([key]) => cluster.get(key)));
    expect(all).toEqual(ENTRIES.map(([, value]) => value));
  });
});

describe('node-redis', () => {
  it.each([2, 3] as const)('reads over RESP%i', async (RESP) => {
    const client = createClient({ RESP, socket: { port: await startServer(), host: '127.0.0.1' } });
    await client.connect();
    onTestFinished(() => client.destroy());
    expect(await client.get('key:7')).toBe('välue 7\r\n');
    expect(await client.get('none')).toBeNull();
    const all = await Promise.all(ENTRIES.map(([key]) => client.get(key)));
    expect(all).toEqual(ENTRIES.map(([, value]) => value));
    await client.select(1);
    expect(await client.configGet('appendonly')).toEqual({ appendonly: 'no' });
    await expect(client.set('a', 'b')).rejects.toThrow('immutable');
    await expect(client.sendCommand(['NOPE'])).rejects.toThrow('unknown command');
  });

  it('reads in cluster mode', async () => {
    const port = await startServer();
    const cluster = createCluster({ rootNodes: [{ url: `redis://127.0.0.1:${port}` }] });
    await cluster.connect();
    onTestFinished(() => cluster.destroy());
    const all = await Promise.all(ENTRIES.map(([key]) => cluster.get(key)));
    expect(all).toEqual(ENTRIES.map(([, value]) => value));
  });
});

describe.runIf(hasTool('redis-cli'))('redis-cli', () => {
  const cli = (port: number, args: readonly string[], input?: string | Buffer): Promise<string> =>
    runTool('redis-cli', ['-p', String(port), ...args], input);

  it('runs single commands over RESP2 and RESP3', async () => {
    const port = await startServer();
    expect(await cli(port, ['GET', 'key:3'])).toBe('välue 3\r\n\n');
    expect(await cli(port, ['-3', 'GET', 'none'])).toBe('\n');
    expect(await cli(port, ['-3', 'CONFIG', 'GET', 'save'])).toBe('save \n');
    expect(await cli(port, ['-n', '1', 'PING'])).toBe('PONG\n');
    expect(await cli(port, ['SET', 'a', 'b'])).toContain('immutable');
  });

  it('gets help and hints from COMMAND DOCS', async () => {
    const port = await startServer();
    const asked = 'help getrange\nhelp client setname\nhelp stele explain\n';
    const help = withoutColours(await cli(port, [], asked));
    expect(help).toContain('GETRANGE key start end');
    expect(help).toContain('CLIENT SETNAME connection-name');
    expect(help).toContain('STELE EXPLAIN key');
  });

  it('loads through --pipe and counts the refusals', async () => {
    const port = await startServer();
    const output = await cli(port, ['--pipe'], 'SET a b\r\nPING\r\nSET c d\r\n');
    expect(output).toContain('errors: 2, replies: 3');
  });

  it('accepts a whole cluster in --cluster check', async () => {
    const port = await startServer();
    const args = ['--cluster', 'check', `127.0.0.1:${port}`];
    const output = withoutColours(await runTool('redis-cli', args));
    expect(output).toContain('[OK] All 16384 slots covered.');
    expect(output).toContain('[OK] 1000 keys in 1 masters');
  });
});

describe.runIf(hasTool('redis-benchmark'))('redis-benchmark', () => {
  it.each([['1'], ['64']])('gets and pings at pipeline depth %s', async (depth) => {
    const port = await startServer();
    const common = ['-p', String(port), '-n', '5000', '-c', '10', '-P', depth, '--csv'];
    const output = await runTool('redis-benchmark', [...common, '-t', 'ping,get,mset']);
    expect(output).toMatch(/"GET","\d+/);
    expect(output).toMatch(/"PING_MBULK","\d+/);
    expect(output).toContain('immutable');
  });
});
