// Sends bytes to a port of a process, from many clients at a time, and checks the process
// afterwards.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { expect } from 'vitest';
import { TestCluster } from '../process/cluster.ts';
import { until } from '../process/stele-process.ts';

const CLIENTS = 40;
const TICK_MS = 1000;
const CONVERSATION_TICKS_MAX = 20;
const REPLY_BYTES_MAX = 1 << 20;
/** The additional memory that a process may use afterwards. */
const GROWTH_BYTES_MAX = 64 * 1024 ** 2;

/**
 * Calls `onLate` after this many seconds of the process's own running time, so that a stalled
 * machine makes nobody late. Returns a function that stops it.
 */
function whenLate(onLate: () => void): () => void {
  let ticks = 0;
  const timer = setInterval(() => {
    if (++ticks >= CONVERSATION_TICKS_MAX) onLate();
  }, TICK_MS);
  return () => clearInterval(timer);
}

/** The peers: a master and a datanode with the keys `key-1` and `key-2` in keyspace default. */
export async function startTarget(): Promise<TestCluster> {
  const cluster = await TestCluster.start({ datanodes: 1, replication: 1 });
  const file = join(cluster.folder, 'rows.data');
  writeFileSync(file, 'key-1 value-1\nkey-2 value-2\n');
  await cluster.load('default', [file]);
  await cluster.status('green');
  return cluster;
}

/**
 * Sends `pieces`, closes its side, and resolves to the start of the reply once the server has
 * closed too. The server must also close after an incomplete command, which can never be completed.
 * With `patienceMs` the connection is cut after that time, because an HTTP/2 server waits for the
 * rest of a frame until a ping shows that the peer is gone. With `endAfterMs` its side is closed
 * when the reply begins, or after that time: Node.js drops an HTTP request whose client has closed
 * before the answer.
 */
export function converse(
  port: number,
  pieces: readonly Buffer[],
  { endAfterMs, patienceMs }: { readonly endAfterMs?: number; readonly patienceMs?: number } = {},
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const received: Buffer[] = [];
    let receivedBytes = 0;
    const socket = connect({ port, host: '127.0.0.1' });
    const stopClock = whenLate(() => {
      reject(new Error(`no end to ${JSON.stringify(Buffer.concat(pieces).toString('latin1'))}`));
      socket.destroy();
    });
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      if (receivedBytes < REPLY_BYTES_MAX) received.push(chunk);
      receivedBytes += chunk.length;
    });
    const cut =
      patienceMs === undefined ? undefined : setTimeout(() => socket.destroy(), patienceMs);
    socket.on('close', () => {
      stopClock();
      clearTimeout(cut);
      clearTimeout(ending);
      resolve(Buffer.concat(received));
    });
    for (const piece of pieces) socket.write(piece);
    const end = (): void => void socket.end();
    const ending = endAfterMs === undefined ? undefined : setTimeout(end, endAfterMs);
    if (ending === undefined) end();
    else socket.once('data', end);
  });
}

/** Has `count` conversations, forty at a time. */
export async function converseMany(count: number, one: () => Promise<void>): Promise<void> {
  let left = count;
  await Promise.all(
    Array.from({ length: CLIENTS }, async () => {
      while (left-- > 0) await one();
    }),
  );
}

export function residentBytes(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * 4096;
}

const openFiles = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;

/**
 * Checks that the process runs on in bounded memory and holds none of the connections that
 * `talk(share)` has made.
 */
export async function expectUnharmed(
  pid: number,
  talk: (share: number) => Promise<void>,
): Promise<void> {
  // First the memory that the heap of a busy process takes in any case.
  await talk(0.25);
  const before = residentBytes(pid);
  const filesBefore = openFiles(pid);
  await talk(1);
  const grownBytes = residentBytes(pid) - before;
  console.log(`  resident memory grew by ${(grownBytes / 1024 ** 2).toFixed(1)} MiB`);
  expect(grownBytes).toBeLessThan(GROWTH_BYTES_MAX);
  await until('its connections to be closed', () => openFiles(pid) <= filesBefore + CLIENTS / 4);
}
