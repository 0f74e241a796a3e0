import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { forEachBounded } from '../../../loader/bytes/bounded.ts';

function* count(to: number, onPull: (item: number) => void = () => undefined): Generator<number> {
  for (let item = 0; item < to; item++) {
    onPull(item);
    yield item;
  }
}

describe('work on many items', () => {
  it('never has more of them running than it may, and does all', async () => {
    let running = 0;
    let runningMax = 0;
    const done: number[] = [];
    const isComplete = await forEachBounded(count(50), 4, new AbortController(), async (item) => {
      runningMax = Math.max(runningMax, ++running);
      for (let turn = 0; turn < 5 + (item % 5); turn++) await nextTurn();
      running--;
      done.push(item);
    });
    expect(isComplete).toBe(true);
    expect(runningMax).toBe(4);
    expect(done.sort((a, b) => a - b)).toEqual([...count(50)]);
  });

  it('pulls one item in a turn of the event loop, so that timers and sockets have theirs', async () => {
    const clock = { turn: 0, isOver: false };
    const counting = (async () => {
      while (!clock.isOver) {
        await nextTurn();
        clock.turn++;
      }
    })();
    const turns: number[] = [];
    const items = count(20, () => turns.push(clock.turn));
    await forEachBounded(items, 8, new AbortController(), () => Promise.resolve());
    clock.isOver = true;
    await counting;
    expect(new Set(turns).size).toBe(20);
  });

  it('stops at the first failure, waits for what runs, and throws it', async () => {
    const stop = new AbortController();
    const ended: number[] = [];
    const work = forEachBounded(count(100), 3, stop, async (item) => {
      if (item === 5) throw new Error('five');
      await nextTurn();
      ended.push(item);
    });
    await expect(work).rejects.toThrow('five');
    expect(stop.signal.aborted).toBe(true);
    expect(ended.length).toBeLessThan(10);
  });

  it('pulls nothing more once it was stopped, and says so', async () => {
    const stop = new AbortController();
    const pulled: number[] = [];
    const items = count(100, (item) => pulled.push(item));
    const isComplete = await forEachBounded(items, 3, stop, async (item) => {
      await nextTurn();
      if (item === 4) stop.abort();
    });
    expect(isComplete).toBe(false);
    expect(pulled.length).toBeLessThan(12);
  });
});
