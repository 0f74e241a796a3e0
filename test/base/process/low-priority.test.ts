import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { CooperativeYield } from '../../../base/process/low-priority.ts';
import { builtModule } from '../../support/process/stele-process.ts';

const MODULE = builtModule('base/process/low-priority.ts');

it.runIf(process.platform === 'linux')(
  'lowers every thread of the process, including those of the engine and later ones',
  () => {
    const script = `
      import { readFileSync, readdirSync } from 'node:fs';
      import { Worker } from 'node:worker_threads';
      import { lowerPriority } from '${MODULE}';
      lowerPriority();
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

it('sleeps after each time slice, and starts the next one afterwards', () => {
  let nowMs = 100;
  const slept: number[] = [];
  const sleep = (ms: number): void => {
    slept.push(nowMs);
    nowMs += ms;
  };
  const yielding = new CooperativeYield(() => nowMs, sleep);
  for (let step = 0; step < 10; step++) {
    nowMs += 0.125;
    yielding.yieldIfDue();
  }
  // Three steps of work, then a pause of 0.1 ms.
  expect(slept).toEqual([100.375, 100.85, 101.325].map((atMs) => expect.closeTo(atMs, 6)));
});
