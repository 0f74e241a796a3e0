import { connect } from 'node:net';
import { Worker } from 'node:worker_threads';
import { once } from 'node:events';
import { describe, expect, it, onTestFinished } from 'vitest';
import { monotonicNowMs } from '../../base/clock.ts';
import { Sweeper } from '../../base/sweeper.ts';
import { until } from '../support/process/stele-process.ts';

const ECHO = `
  const { createServer } = require('node:net');
  const { parentPort } = require('node:worker_threads');
  const server = createServer((socket) => socket.pipe(socket));
  server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));
`;

/** Blocks this thread for that long, like a long garbage collection. */
function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

describe('a check for overdue work', () => {
  it('runs until there is nothing to watch, and again when it is asked to', async () => {
    let left = 3;
    const sweeper = new Sweeper({ intervalMs: 1, sweep: () => --left > 0 });
    onTestFinished(() => sweeper.stop());
    sweeper.ensure();
    sweeper.ensure();
    await until('the last sweep', () => left === 0);
    left = 1;
    sweeper.ensure();
    await until('one more sweep', () => left === 0);
  });

  it('reads what arrived during a stall of this process before it counts anything as overdue', async () => {
    const worker = new Worker(ECHO, { eval: true });
    onTestFinished(async () => void (await worker.terminate()));
    const [port] = (await once(worker, 'message')) as [number];
    const socket = connect(port, '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    await once(socket, 'connect');
    const seen: string[] = [];
    const deadlineAtMs = monotonicNowMs() + 100;
    const sweeper = new Sweeper({
      intervalMs: 10,
      onStall: () => seen.push('stall'),
      sweep: (nowMs) => {
        if (nowMs < deadlineAtMs) return true;
        seen.push('late');
        return false;
      },
    });
    onTestFinished(() => sweeper.stop());
    const answered = once(socket, 'data').then(() => seen.push('answer'));
    socket.write('question');
    sweeper.ensure();
    // Long enough for the other thread to answer, and for the deadline to pass.
    standStill(500);
    await answered;
    await until('the sweep after the deadline', () => seen.includes('late'));
    expect(seen.indexOf('answer')).toBeLessThan(seen.indexOf('late'));
    expect(seen.filter((what) => what === 'stall')).toHaveLength(1);
  });
});
