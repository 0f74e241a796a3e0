// Bounded concurrency for asynchronous work.

/**
 * Calls `run` for each item, at most `limit` at once. Items are pulled from the iterator only when
 * there is room, and one per event-loop tick, so that a slow iterator (cutting a file) blocks the
 * loop for one item at most. The first failure aborts `stop`. After an abort, by this or anybody
 * else, nothing more is pulled; running calls are awaited, and the first failure is thrown. Returns
 * false if it was stopped without a failure.
 */
export async function forEachBounded<Item>(
  items: Iterable<Item>,
  limit: number,
  stop: AbortController,
  run: (item: Item) => Promise<void>,
): Promise<boolean> {
  const iterator = items[Symbol.iterator]();
  const failures: unknown[] = [];
  let isDone = false;
  let lastPull = Promise.resolve();
  const worker = async (): Promise<void> => {
    while (!isDone && !stop.signal.aborted) {
      try {
        lastPull = lastPull.then(nextTick);
        await lastPull;
        if (isDone || stop.signal.aborted) break;
        const next = iterator.next();
        if (next.done === true) isDone = true;
        else await run(next.value);
      } catch (thrown) {
        failures.push(thrown);
        stop.abort();
      }
    }
  };
  await Promise.all(Array.from({ length: limit }, worker));
  if (!isDone) iterator.return?.();
  if (failures.length > 0) throw failures[0];
  return isDone;
}

/** Lets timers, signals and sockets be processed. */
function nextTick(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** Time for which a loop may block timers, signals and sockets. */
const TICK_MS_MAX = 20;

/**
 * For loops over any number of files: await its result after each of them. It waits for the next
 * event-loop tick once this one has lasted TICK_MS_MAX, because a connection without a ping reply
 * for seconds is closed.
 */
export function tickLimiter(): () => Promise<void> | undefined {
  let endsAtMs = performance.now() + TICK_MS_MAX;
  return () => {
    if (performance.now() < endsAtMs) return undefined;
    return nextTick().then(() => {
      endsAtMs = performance.now() + TICK_MS_MAX;
    });
  };
}

/** A FIFO weighted semaphore. An amount above the maximum is granted when nothing else is held. */
export class Semaphore {
  #max: number;
  #held = 0;
  readonly #waiting: { readonly amount: number; readonly grant: () => void }[] = [];

  constructor(max: number) {
    this.#max = max;
  }

  /** Lowering the maximum does not revoke amounts that are held. */
  set max(max: number) {
    this.#max = max;
    this.#grant();
  }

  /** Resolves when `amount` is available, in the order of the calls. */
  async acquire(amount: number): Promise<void> {
    if (this.#waiting.length === 0 && this.#fits(amount)) {
      this.#held += amount;
      return;
    }
    await new Promise<void>((grant) => this.#waiting.push({ amount, grant }));
  }

  release(amount: number): void {
    this.#held -= amount;
    this.#grant();
  }

  #grant(): void {
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      if (!this.#fits(first.amount)) return;
      this.#waiting.shift();
      this.#held += first.amount;
      first.grant();
    }
  }

  #fits(amount: number): boolean {
    return this.#held === 0 || this.#held + amount <= this.#max;
  }
}
