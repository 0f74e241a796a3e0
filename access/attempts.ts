// Failed logins make the next ones of the same user, and of the same address, wait: 100 ms after
// the first failure, twice as long after each further one, 5 s at most. A login that succeeds ends
// the wait of both.

const DELAY_MS = 100;
const DELAY_MS_MAX = 5_000;
const FORGOTTEN_MS = 600_000;
/** Names and addresses that are remembered; the oldest are forgotten first. */
const REMEMBERED_MAX = 10_000;

interface Failures {
  readonly count: number;
  readonly lastMs: number;
}

export class Attempts {
  readonly #failures = new Map<string, Failures>();

  /** How long a login from `address` as `user` has to wait, in ms. */
  waitMs(user: string, address: string, nowMs: number): number {
    const waits = keysOf(user, address).map((key) => {
      const failures = this.#at(key, nowMs);
      return failures === undefined ? 0 : failures.lastMs + delayOf(failures.count) - nowMs;
    });
    return Math.max(0, ...waits);
  }

  failed(user: string, address: string, nowMs: number): void {
    for (const key of keysOf(user, address)) {
      const count = (this.#at(key, nowMs)?.count ?? 0) + 1;
      this.#failures.delete(key);
      this.#failures.set(key, { count, lastMs: nowMs });
      const [oldest] = this.#failures.keys();
      if (this.#failures.size > REMEMBERED_MAX && oldest !== undefined) {
        this.#failures.delete(oldest);
      }
    }
  }

  succeeded(user: string, address: string): void {
    for (const key of keysOf(user, address)) this.#failures.delete(key);
  }

  #at(key: string, nowMs: number): Failures | undefined {
    const failures = this.#failures.get(key);
    return failures === undefined || nowMs - failures.lastMs > FORGOTTEN_MS ? undefined : failures;
  }
}

function delayOf(count: number): number {
  return Math.min(DELAY_MS_MAX, DELAY_MS * 2 ** (count - 1));
}

function keysOf(user: string, address: string): string[] {
  return [`user ${user}`, `address ${address}`];
}
