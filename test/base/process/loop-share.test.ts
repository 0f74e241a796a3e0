import { expect, it } from 'vitest';
import { LITTLE_BYTES, LoopShare } from '../../../base/process/loop-share.ts';

const MUCH = LITTLE_BYTES + 1;

/** Work of one millisecond on a clock that only the work advances. */
class Busy {
  turns = 0;
  readonly #left: { nowMs: number };
  constructor(clock: { nowMs: number }) {
    this.#left = clock;
  }
  runTurn(): void {
    this.turns++;
    this.#left.nowMs++;
  }
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it('runs at most its share in an event-loop tick, in FIFO order', async () => {
  const clock = { nowMs: 0 };
  const share = new LoopShare(4, () => clock.nowMs);
  const all = Array.from({ length: 3000 }, () => new Busy(clock));
  for (const each of all) share.later(each, 1);
  let turns = 0;
  for (; all.at(-1)?.turns === 0; turns++) {
    const before = clock.nowMs;
    await nextTurn();
    expect(clock.nowMs - before).toBeLessThanOrEqual(4);
  }
  expect(turns).toBeGreaterThanOrEqual(749);
  expect(all.every((each) => each.turns === 1)).toBe(true);
});

it('work that is queued again goes to the end', async () => {
  const clock = { nowMs: 0 };
  const share = new LoopShare(4, () => clock.nowMs);
  const order: string[] = [];
  const turnOf = (name: string, again: number) => ({
    runTurn(): void {
      order.push(name);
      clock.nowMs++;
      if (again-- > 0) share.later(this, MUCH);
    },
  });
  for (const name of ['a', 'b', 'c']) share.later(turnOf(name, 2), MUCH);
  while (order.length < 9) await nextTurn();
  expect(order.join('')).toBe('abcabcabc');
});

it('work with little input goes before the rest', async () => {
  const share = new LoopShare(4, () => 0);
  const order: string[] = [];
  for (const [name, byteCount] of [
    ['a', MUCH],
    ['b', 1],
    ['c', MUCH],
    ['d', 1],
  ] as const) {
    share.later({ runTurn: () => void order.push(name) }, byteCount);
  }
  await nextTurn();
  expect(order.join('')).toBe('bdac');
});

it('has time again in the next event-loop tick', async () => {
  const share = new LoopShare(4, () => 0);
  expect([10, 13, 14].map((nowMs) => share.hasTime(nowMs, MUCH))).toEqual([true, true, false]);
  expect([14, 18].map((nowMs) => share.hasTime(nowMs, 1))).toEqual([true, false]);
  await nextTurn();
  await nextTurn();
  expect(share.hasTime(20, MUCH)).toBe(true);
});
