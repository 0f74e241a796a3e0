import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
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

it('rests once a stroke has been long enough, and begins the next one after it', () => {
  let nowMs = 100;
  const slept: number[] = [];
  const sleep = (ms: number): void => {
    slept.push(nowMs);
    nowMs += ms;
  };
  const strokes = new Strokes(() => nowMs, sleep);
  for (let step = 0; step < 10; step++) {
    nowMs += 0.125;
    strokes.rest();
  }
  // Strokes of three steps, rests of 0.1 ms.
  expect(slept).toEqual([100.375, 100.85, 101.325].map((atMs) => expect.closeTo(atMs, 6)));
});
