import { describe, expect, test } from 'vitest';
import { SteleError } from '../../../base/errors.ts';
import { silentLogger } from '../../../base/log.ts';
import { ChangeQueue } from '../../../master/metadata/change-queue.ts';
import { until } from '../control-plane.ts';

interface Held {
  readonly change: () => Promise<string>;
  /** Whether it has begun. */
  begun: boolean;
  end: (outcome: string | Error) => void;
}

/** A change that ends on request. */
function held(): Held {
  const made: Held = {
    begun: false,
    end: () => undefined,
    change: () => {
      made.begun = true;
      return new Promise((resolve, reject) => {
        made.end = (outcome) => (outcome instanceof Error ? reject(outcome) : resolve(outcome));
      });
    },
  };
  return made;
}

function newQueue(more = {}): ChangeQueue {
  return new ChangeQueue({ log: silentLogger, waitMsMax: 40, answerMsMax: 60, ...more });
}

describe('changes of the catalog', () => {
  test('are made one after the other, and each has its own outcome', async () => {
    const queue = newQueue();
    const [first, second, third] = [held(), held(), held()];
    const outcomes = [first, second, third].map((one) => queue.run(one.change));
    expect([first.begun, second.begun]).toEqual([true, false]);
    first.end(new Error('refused'));
    await expect(outcomes[0]).rejects.toThrow('refused');
    await until(() => second.begun, 'the second');
    expect(third.begun).toBe(false);
    second.end('two');
    await until(() => third.begun, 'the third');
    third.end('three');
    expect(await Promise.all(outcomes.slice(1))).toEqual(['two', 'three']);
  });

  test('whose store does not answer have no known outcome, and those behind them were not begun', async () => {
    const queue = newQueue();
    const [silent, behind] = [held(), held()];
    const outcome = queue.run(silent.change);
    const refused = queue.run(behind.change);
    await expect(refused).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(
        /not begun and nothing was changed; look at the disk/,
      ) as string,
    });
    await expect(outcome).rejects.toMatchObject({
      code: 'OUTCOME_UNKNOWN',
      retryable: false,
      message: expect.stringMatching(/not known whether the change was made, or will be/) as string,
    });
    expect(behind.begun).toBe(false);
  });

  test('go on, in order, when the store has answered after all', async () => {
    const queue = newQueue();
    const [silent, later] = [held(), held()];
    await expect(queue.run(silent.change)).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    const next = queue.run(later.change);
    expect(later.begun).toBe(false);
    silent.end('made');
    await until(() => later.begun, 'the next change');
    later.end('next');
    expect(await next).toBe('next');
  });

  test('are refused at once where too many wait', async () => {
    const queue = newQueue({ waitingMax: 2 });
    const silent = held();
    const outcomes = [queue.run(silent.change), queue.run(held().change), queue.run(held().change)];
    const codes = outcomes.map((one) => one.catch((error: unknown) => error));
    await expect(queue.run(held().change)).rejects.toMatchObject({
      code: 'OVERLOADED',
      message: expect.stringMatching(/^2 changes wait/) as string,
    });
    expect(await Promise.all(codes)).toMatchObject([
      { code: 'OUTCOME_UNKNOWN' },
      { code: 'UNAVAILABLE' },
      { code: 'UNAVAILABLE' },
    ]);
  });

  test('are not begun while the store is in trouble, and what is under way has no known outcome', async () => {
    let trouble: SteleError | undefined;
    const queue = newQueue({ trouble: () => trouble, answerMsMax: 60_000, waitMsMax: 400 });
    const [silent, behind, later] = [held(), held(), held()];
    const outcomes = [queue.run(silent.change), queue.run(behind.change)];
    trouble = new SteleError('UNAVAILABLE', 'etcd is away.');
    outcomes.push(queue.run(later.change));
    const ends = await Promise.all(outcomes.map((one) => one.catch((error: unknown) => error)));
    expect(ends).toMatchObject([
      { code: 'OUTCOME_UNKNOWN', message: expect.stringContaining('etcd is away.') as string },
      { code: 'UNAVAILABLE', message: expect.stringMatching(/not begun.*etcd is away/) as string },
      { code: 'UNAVAILABLE', message: expect.stringMatching(/not begun.*etcd is away/) as string },
    ]);
    expect([behind.begun, later.begun]).toEqual([false, false]);
    trouble = undefined;
    silent.end('made');
    const next = held();
    const outcome = queue.run(next.change);
    await until(() => next.begun, 'the next change');
    next.end('next');
    expect(await outcome).toBe('next');
  });

  test('are not given up for a pause of this process', async () => {
    const queue = newQueue({ answerMsMax: 300 });
    const slow = held();
    const outcome = queue.run(slow.change);
    // Its answer can be read when the pause is over.
    setTimeout(() => slow.end('made'), 250);
    const endMs = performance.now() + 600;
    while (performance.now() < endMs);
    expect(await outcome).toBe('made');
  });
});
