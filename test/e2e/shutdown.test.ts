// SIGTERM ends every process cleanly while clients are connected; no process outlives its
// supervisor.

import { Agent, get } from 'node:http';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { SteleClient } from '../../client/stele-client.ts';
import { TestCluster } from '../support/process/cluster.ts';
import { connectCluster, connectRedis } from '../support/readers/sources.ts';
import {
  ANY_PORTS,
  childrenOf,
  flags,
  isRunning,
  SteleProcess,
  until,
} from '../support/process/stele-process.ts';
import type { Addresses, Finished } from '../support/process/stele-process.ts';

const CLOSE_MS_MAX = 10_000;
const folder = mkdtempSync(join(tmpdir(), 'stele-shutdown-'));
const sample = join(folder, 'rows.data');

beforeAll(() => writeFileSync(sample, 'a one\nb two\nc three\n'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A keep-alive connection that has answered once and stays open. */
async function openHttp({ host, http }: Addresses): Promise<void> {
  const agent = new Agent({ keepAlive: true });
  onTestFinished(() => agent.destroy());
  const status = await new Promise<number | undefined>((resolve, reject) => {
    get({ host, port: http, path: '/livez', agent }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode));
    }).once('error', reject);
  });
  expect(status).toBe(200);
}

/** An idle RESP connection, and one in the middle of a command that never ends. */
async function openResp({ host, resp }: Addresses): Promise<void> {
  for (const text of ['PING\r\n', 'PING\r\n*2\r\n$3\r\nGET\r\n$100\r\nhalf']) {
    const socket = createConnection({ host, port: resp });
    onTestFinished(() => void socket.destroy());
    socket.on('error', () => undefined);
    await new Promise((resolve) => {
      socket.once('data', resolve);
      socket.write(text);
    });
  }
}

async function openGrpc({ grpc }: Addresses, keyspace: string): Promise<void> {
  const client = new SteleClient({ seeds: [`127.0.0.1:${grpc}`], deadlineMs: 5000 });
  onTestFinished(() => client.close());
  // Opens the watch of the view on the master and a lookup connection to a datanode.
  for (const key of ['a', 'b', 'c']) expect(await client.get(keyspace, key)).not.toBeNull();
}

async function timed(what: string, ending: Promise<Finished>): Promise<Finished> {
  const startMs = performance.now();
  const done = await ending;
  const elapsedMs = Math.round(performance.now() - startMs);
  console.log(`  ${what} ended in ${elapsedMs} ms`);
  expect(elapsedMs).toBeLessThan(CLOSE_MS_MAX);
  return done;
}

describe('separate processes', () => {
  let cluster: TestCluster;

  beforeAll(async () => {
    cluster = await TestCluster.start();
    await cluster.load('letters', [sample]);
    await cluster.status('green');
  });
  afterAll(() => cluster?.close());

  test('a datanode and the master end with 0 on SIGTERM, with RESP, HTTP and gRPC open', async () => {
    const nodes = ['node-0', 'node-1', 'node-2'];
    for (const address of [cluster.master, ...nodes.map((id) => cluster.node(id))]) {
      await openHttp(address);
      await openResp(address);
    }
    await openGrpc(cluster.master, 'letters');
    const redis = connectRedis(cluster.master, 'letters');
    const direct = connectCluster(
      nodes.map((id) => cluster.node(id)),
      'letters',
    );
    onTestFinished(() => {
      redis.disconnect();
      direct.disconnect();
    });
    expect([await redis.get('a'), await direct.get('b')]).toEqual(['one', 'two']);
    for (const id of ['node-0', 'master', 'node-1', 'node-2']) {
      const done = await timed(id, cluster.kill(id, 'SIGTERM'));
      expect({ id, code: done.code, signal: done.signal }).toEqual({ id, code: 0, signal: null });
      expect(done.stderr).not.toMatch(/^ {4}at /m);
    }
  });
});

describe('stele up', () => {
  async function startUp(name: string): Promise<SteleProcess> {
    const up = new SteleProcess([
      'up',
      ...flags({ 'data-dir': join(folder, name), load: `letters=${sample}`, shards: 16 }),
      ...ANY_PORTS,
    ]);
    onTestFinished(async () => void (await up.kill()));
    await up.printed(/^ready$/m, 60_000);
    return up;
  }

  test('ends with 0 on SIGTERM with connections open, and leaves no process', async () => {
    const up = await startUp('terminated');
    const [master, ...nodes] = up.addresses();
    expect(nodes).toHaveLength(3);
    if (master === undefined) return;
    for (const address of [master, ...nodes]) {
      await openHttp(address);
      await openResp(address);
    }
    await openGrpc(master, 'letters');
    const done = await timed('stele up', up.kill('SIGTERM'));
    expect({ code: done.code, signal: done.signal }).toEqual({ code: 0, signal: null });
    expect(done.stderr).not.toMatch(/^ {4}at /m);
    expect([master, ...nodes].filter(({ pid }) => isRunning(pid))).toEqual([]);
  });

  test.each([
    ['the master', 1],
    ['a datanode', 2],
  ])('killed with -9 while %s starts, it leaves no orphan', async (_what, count) => {
    const words = flags({ 'data-dir': join(folder, `starting-${count}`), datanodes: 1 });
    const up = new SteleProcess(['up', ...words, ...ANY_PORTS]);
    let pids: number[] = [];
    onTestFinished(async () => {
      // The children first, because the streams that they inherit keep those of `up` open.
      up.child.kill('SIGKILL');
      for (const pid of pids.filter(isRunning)) process.kill(pid, 'SIGKILL');
      await up.finished();
    });
    const isStarted = (): boolean => (pids = childrenOf(up.pid)).length === count;
    await until('the last child', isStarted, 30_000, 5);
    up.child.kill('SIGKILL');
    // Until its start, before which the kill came, and until its end.
    await until('all children to end', () => !pids.some(isRunning), 2 * CLOSE_MS_MAX);
  });

  test('killed with -9, it leaves no orphan', async () => {
    const up = await startUp('killed');
    const pids = up.addresses().map(({ pid }) => pid);
    onTestFinished(() => {
      for (const pid of pids.filter(isRunning)) process.kill(pid, 'SIGKILL');
    });
    expect(pids.filter(isRunning)).toHaveLength(4);
    up.child.kill('SIGKILL');
    await until('all children to end', () => !pids.some(isRunning), CLOSE_MS_MAX);
  });
});
