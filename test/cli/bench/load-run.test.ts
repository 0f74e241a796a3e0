import { expect, it } from 'vitest';
import { LoadRun } from '../../../cli/bench/load-run.ts';
import type { LoadOptions } from '../../../cli/bench/load-run.ts';
import { MISS, failed } from '../../../cli/bench/read-target.ts';
import type { OnOutcome, ReadOutcome, ReadTarget } from '../../../cli/bench/read-target.ts';

const HIT: ReadOutcome = { status: 'hit', value: Buffer.from('abc') };

/** Answers in the next event-loop tick, with what `answer` says of a key. */
class Target implements ReadTarget {
  readonly name = 'test';
  reads = 0;
  inFlight = 0;
  most = 0;
  readonly #answer: (key: number, read: number) => ReadOutcome;

  constructor(answer: (key: number, read: number) => ReadOutcome) {
    this.#answer = answer;
  }

  read(_slot: number, key: number, done: OnOutcome): void {
    this.most = Math.max(this.most, ++this.inFlight);
    const read = ++this.reads;
    setImmediate(() => {
      const outcome = this.#answer(key, read);
      this.inFlight--;
      done(outcome);
    });
  }

  close(): void {
    // Nothing is open.
  }
}

/** The clock goes on by a tenth of a millisecond each time it is looked at. */
function run(target: Target, more: Partial<LoadOptions> = {}) {
  let nowMs = 0;
  return new LoadRun({
    ...{ target, slots: 3, keyCount: 4, rate: 0, warmUpMs: 0, durationMs: 60 },
    ...{ signal: new AbortController().signal, nowMs: () => (nowMs += 0.1) },
    random: Math.random,
    ...more,
  }).run();
}

it('closed loop: as many reads in flight as there are slots, all of them counted', async () => {
  const target = new Target((key) => (key === 0 ? MISS : HIT));
  const result = await run(target);
  expect(target.most).toBe(3);
  expect(result.hits + result.misses).toBe(target.reads);
  expect(result.latency.total).toBe(target.reads);
  expect(result.misses).toBeGreaterThan(0);
  expect(result.valueBytes).toBe(3 * result.hits);
  expect(result).toMatchObject({ changed: 0, unsent: 0 });
  expect(result.errors.size).toBe(0);
});

it('counts errors by their text, and answers that differ from earlier ones', async () => {
  const target = new Target((_key, read) => {
    if (read % 5 === 0) return failed(`ERR ${read % 10}`);
    return read === 7 ? { status: 'hit', value: Buffer.from('other') } : HIT;
  });
  const { changed, errors, hits } = await run(target, { keyCount: 1 });
  expect([...errors.keys()].toSorted()).toEqual(['ERR 0', 'ERR 5']);
  expect(hits).toBeGreaterThan(0);
  expect(changed).toBe(2);
});

it('open loop: charges a stall to all reads that were due meanwhile', async () => {
  // One read of the first takes 50 ms; at 1,000 reads a second 50 others are due in that time.
  const clock = { nowMs: 0 };
  const target = new Target((_key, read) => {
    clock.nowMs += read === 1 ? 50 : 0.1;
    return HIT;
  });
  const options = { slots: 1, rate: 1000, durationMs: 100, nowMs: () => (clock.nowMs += 0.01) };
  const { hits, latency, unsent } = await run(target, options);
  expect({ hits, unsent }).toEqual({ hits: 100, unsent: 0 });
  expect(latency.maxMs).toBeGreaterThanOrEqual(50);
  // In a closed loop only one of a hundred would be slow.
  expect(latency.quantileMs(0.5)).toBeGreaterThan(1);
  expect(latency.quantileMs(0.75)).toBeGreaterThan(20);
});

it('open loop: says how many reads were due and could not be sent', async () => {
  const clock = { nowMs: 0 };
  const target = new Target(() => {
    clock.nowMs += 50;
    return HIT;
  });
  const stopping = new AbortController();
  const options = { slots: 1, rate: 1000, durationMs: 200, nowMs: () => clock.nowMs };
  const running = run(target, { ...options, signal: stopping.signal });
  while (clock.nowMs < 200) await new Promise((resolve) => setImmediate(resolve));
  stopping.abort();
  const { unsent } = await running;
  expect(unsent).toBeGreaterThan(190);
});

it('does not count the warm-up', async () => {
  const target = new Target(() => HIT);
  const { hits } = await run(target, { warmUpMs: 30, durationMs: 30 });
  expect(hits).toBeGreaterThan(0);
  expect(hits).toBeLessThan(target.reads);
});
