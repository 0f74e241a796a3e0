import { expect, test } from 'vitest';
import { SimClock, SimProcess } from './clock.ts';

class Process extends SimProcess {
  restart(): void {
    this.beginLife();
  }
}

function run(clock: SimClock): void {
  while (clock.step(1_000)) void 0;
}

test('a process that stood still fires its timers first, and then reads what has come', () => {
  const clock = new SimClock();
  const process = new Process('p');
  process.restart();
  const seen: string[] = [];
  clock.after(10, process, () => seen.push('message'), 'message');
  clock.after(20, process, () => seen.push('timer'));
  process.paused = true;
  run(clock);
  expect(seen).toEqual([]);
  clock.unpause(process);
  run(clock);
  expect(seen).toEqual(['timer', 'message']);
});

test('what a process has planned dies with it', () => {
  const clock = new SimClock();
  const process = new Process('p');
  process.restart();
  const seen: string[] = [];
  clock.after(10, process, () => seen.push('before'));
  process.restart();
  clock.after(20, process, () => seen.push('after'));
  run(clock);
  expect(seen).toEqual(['after']);
});
