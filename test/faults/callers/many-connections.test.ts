// As many clients as a datanode accepts, a tenth of which send commands and never read the replies.

import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ReplyDecoder } from '../../../resp/wire/reply-decoder.ts';
import { multibulk } from '../../resp/split.ts';
import { TestCluster } from '../../support/process/cluster.ts';
import { handOver } from '../../support/faults/fault-table.ts';
import { SHORT } from '../../support/faults/faults.ts';
import { until } from '../../support/process/stele-process.ts';

const WANTED = SHORT ? 2000 : 10_000;
/** Each side needs a file descriptor per connection; Node.js raises its limit as far as it may. */
const CONNECTIONS = Math.min(WANTED, Number(execFileSync('sh', ['-c', 'ulimit -Hn'])) - 500);
const DEAF = CONNECTIONS / 10;
const OPENING_AT_A_TIME = 200;
const ROUNDS = SHORT ? 5 : 8;
const VALUE = 'v'.repeat(7000);
const sockets: Socket[] = [];
let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.start({
    datanodes: 1,
    replication: 1,
    datanodeFlags: ['--connections-max', String(CONNECTIONS)],
  });
  const file = join(cluster.folder, 'rows.data');
  writeFileSync(file, `key-1 ${VALUE}\n`);
  await cluster.load('default', [file]);
  await cluster.status('green');
});

afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  await cluster?.close();
});

function open(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' }, () => resolve(socket));
    socket.on('error', reject);
    sockets.push(socket);
  });
}

async function openMany(port: number, count: number): Promise<Socket[]> {
  const opened: Socket[] = [];
  while (opened.length < count) {
    const batch = Math.min(OPENING_AT_A_TIME, count - opened.length);
    opened.push(...(await Promise.all(Array.from({ length: batch }, () => open(port)))));
  }
  return opened;
}

/** Sends one command; resolves to the latency in milliseconds. */
function ask(socket: Socket): Promise<number> {
  const startedMs = performance.now();
  return new Promise((resolve, reject) => {
    const decoder = new ReplyDecoder();
    const onData = (chunk: Buffer): void => {
      decoder.push(chunk);
      const reply = decoder.next();
      if (reply === undefined) return;
      socket.off('data', onData);
      const isRight = reply.type === 'bulk' && reply.bytes.toString() === VALUE;
      if (isRight) resolve(performance.now() - startedMs);
      else reject(new Error(`answered ${JSON.stringify(reply)}`));
    };
    socket.on('data', onData);
    socket.write(multibulk('GET', 'key-1'));
  });
}

function residentMiB(pid: number): number {
  return (Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * 4096) / 1024 ** 2;
}

/**
 * Every one of `readers` asks ROUNDS times, a hundred at a time; returns their latencies in order.
 */
async function measure(readers: readonly Socket[]): Promise<number[]> {
  const latencies: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    for (let at = 0; at < readers.length; at += 100) {
      latencies.push(...(await Promise.all(readers.slice(at, at + 100).map(ask))));
    }
  }
  return latencies.sort((a, b) => a - b);
}

const p99Of = (sorted: readonly number[]): number => sorted[Math.floor(sorted.length * 0.99)] ?? 0;

test(`${CONNECTIONS} clients, ${DEAF} of which never read, are served in bounded memory`, async () => {
  const { pid, resp } = cluster.node('node-0');
  const before = residentMiB(pid);
  const readers = await openMany(resp, CONNECTIONS - DEAF);
  await measure(readers);
  const alone = p99Of(await measure(readers));
  const deaf = await openMany(resp, DEAF);
  const pipeline = Buffer.concat(Array.from({ length: 1500 }, () => multibulk('GET', 'key-1')));
  for (const socket of deaf) {
    socket.pause();
    socket.write(pipeline);
  }
  // First while they are served, and then when nothing more is sent.
  const arriving = await measure(readers);
  const beside = await measure(readers);
  const grownMiB = residentMiB(pid) - before;
  handOver({
    row: '23',
    fault: `${CONNECTIONS.toLocaleString('en-US')} clients of a datanode, ${DEAF.toLocaleString('en-US')} of which ask for 10 MB each and never read`,
    trials: 1,
    reads: beside.length,
    failed: 0,
    p99Ms: Math.round(p99Of(beside)),
    seen: `p99 of the others: ${alone.toFixed(0)} ms before these came, ${p99Of(arriving).toFixed(0)} ms while they came; memory grew by ${grownMiB.toFixed(0)} MiB in all`,
  });
  expect(beside).toHaveLength(readers.length * ROUNDS);
  // 256 MiB unread in total, 128 KiB for each client that reads nothing, and the connections
  // themselves.
  expect(grownMiB).toBeLessThan(400 + DEAF / 8 + CONNECTIONS / 32);
  // The goal is half of this; the rest allows for other load on the machine.
  expect(p99Of(beside)).toBeLessThan(2 * alone + 100);
}, 300_000);

test('one client more is refused with the error of Redis, and accepted when one has left', async () => {
  const { resp } = cluster.node('node-0');
  const refused = connect({ port: resp, host: '127.0.0.1' });
  expect((await refused.toArray()).join('')).toBe('-ERR max number of clients reached\r\n');
  sockets.pop()?.destroy();
  await until('a place', async () => {
    const socket = await open(resp);
    const answered = await ask(socket).then(
      () => true,
      () => false,
    );
    if (!answered) socket.destroy();
    return answered;
  });
});
