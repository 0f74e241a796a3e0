// Many asynchronous pieces of work, a bounded number at a time.

/**
 * Calls `run` for each item, at most `limit` at once; items are pulled from the iterator only when
 * there is room, one in a turn of the event loop: what the iterator does meanwhile (cutting a file)
 * keeps nobody waiting for longer than that one item. The first failure aborts `stop`; once it is
 * aborted, by that or by anybody, nothing more is pulled, what is running is waited for, and the first
 * failure is thrown. Returns false if it was stopped without one.
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
  const lane = async (): Promise<void> => {
    while (!isDone && !stop.signal.aborted) {
      try {
        lastPull = lastPull.then(nextTurn);
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
  await Promise.all(Array.from({ length: limit }, lane));
  if (!isDone) iterator.return?.();
  if (failures.length > 0) throw failures[0];
  return isDone;
}

/** Lets timers, signals and sockets have their turn. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** As long as a loop may keep timers, signals and sockets waiting. */
const TURN_MS_MAX = 20;

/**
 * For loops over as many files as somebody has: what it returns is awaited after each of them, and waits for
 * the next turn once this one has lasted TURN_MS_MAX. A connection that answers no ping for seconds is closed.
 */
export function turnKeeper(): () => Promise<void> | undefined {
  let endsAtMs = performance.now() + TURN_MS_MAX;
  return () => {
    if (performance.now() < endsAtMs) return undefined;
    return nextTurn().then(() => {
      endsAtMs = performance.now() + TURN_MS_MAX;
    });
  };
}

/** How much of something (bytes, threads) may be taken at once; one larger than all of it may pass alone. */
export class Budget {
  #max: number;
  #taken = 0;
  readonly #waiting: { readonly amount: number; readonly grant: () => void }[] = [];

  constructor(max: number) {
    this.#max = max;
  }

  /** What is taken is not called back when less may be. */
  set max(max: number) {
    this.#max = max;
    this.#admit();
  }

  /** Resolves when `amount` is free, in the order of the calls. */
  async take(amount: number): Promise<void> {
    if (this.#waiting.length === 0 && this.#fits(amount)) {
      this.#taken += amount;
      return;
    }
    await new Promise<void>((grant) => this.#waiting.push({ amount, grant }));
  }

  giveBack(amount: number): void {
    this.#taken -= amount;
    this.#admit();
  }

  #admit(): void {
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      if (!this.#fits(first.amount)) return;
      this.#waiting.shift();
      this.#taken += first.amount;
      first.grant();
    }
  }

  #fits(amount: number): boolean {
    return this.#taken === 0 || this.#taken + amount <= this.#max;
  }
}
