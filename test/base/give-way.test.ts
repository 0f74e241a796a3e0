import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { monotonicNowMs } from '../../base/clock.ts';
import { Strokes } from '../../base/give-way.ts';

const MODULE = new URL('../../dist/base/give-way.js', import.meta.url).href;

it.runIf(process.platform === 'linux')(
  'takes every thread of the process with it, those of the engine and later ones, too',
  () => {
    const script = `
      import { readFileSync, readdirSync } from 'node:fs';
      import { Worker } from 'node:worker_threads';
      import { giveWay } from '${MODULE}';
      giveWay();
      const worker = new Worker('setInterval(() => {}, 1000)', { eval: true });
      worker.once('online', () => {
        const nices = readdirSync('/proc/self/task').map((thread) => {
          const stat = readFileSync('/proc/self/task/' + thread + '/stat', 'latin1');
          return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16];
        });
        console.log(nices.length > 3, [...new Set(nices)].join());
        process.exit(0);
      });`;
    const done = spawnSync(process.execPath, ['--input-type=module', '-e', script]);
    expect(done.stdout.toString()).toBe('true 19\n');
  },
);

it('rests once a stroke has been long enough, and not before', () => {
  const strokes = new Strokes();
  const slept: number[] = [];
  const endsAtMs = monotonicNowMs() + 20;
  for (let beforeMs = monotonicNowMs(); beforeMs < endsAtMs; beforeMs = monotonicNowMs()) {
    strokes.rest();
    const tookMs = monotonicNowMs() - beforeMs;
    if (tookMs >= 0.1) slept.push(beforeMs);
  }
  // Not asleep all the time, and not awake all the time: a stroke is 0.3 ms, a rest 0.1 or more.
  expect(slept.length).toBeGreaterThan(1);
  const shortest = Math.min(...slept.slice(1).map((atMs, index) => atMs - slept[index]!));
  expect(shortest).toBeGreaterThan(0.3);
});
