// One read as the tests of faults count it: it has one second in all (unless told otherwise), retries included. It has failed
// when it is wrong or missing at any time (those are never retried), or when it is still an error at
// the end of that time.

import { setTimeout as pause } from 'node:timers/promises';

const READ_BUDGET_MS = 1000;
const RETRY_PAUSE_MS = 10;

/** One way to read some keys; throws where the answer is an error. Missing keys are null. */
export interface Source {
  readonly name: string;
  read(keys: readonly string[], budgetMs: number): Promise<(Buffer | string | null | undefined)[]>;
  close(): void | Promise<void>;
}

type Values = readonly (Buffer | string | null | undefined)[];

/** undefined: right. Otherwise what is wrong with the values read for `keys`. */
export type Check = (keys: readonly string[], values: Values) => string | undefined;

export interface ReadEnd {
  /** What it failed of. */
  readonly problem: string | undefined;
  /** The answer was wrong or missing, not late or an error. */
  readonly wrong: boolean;
  readonly retries: number;
}

/** Reads `keys` once as a patient client does; never rejects. */
export async function readOnce(
  source: Source,
  keys: readonly string[],
  check: Check,
  inAllMs = READ_BUDGET_MS,
): Promise<ReadEnd> {
  const deadlineAtMs = performance.now() + inAllMs;
  for (let retries = 0; ; retries++) {
    const budgetMs = Math.max(1, deadlineAtMs - performance.now());
    let problem: string | undefined;
    try {
      problem = check(keys, await within(budgetMs, source.read(keys, budgetMs)));
      return { problem, wrong: problem !== undefined, retries };
    } catch (thrown) {
      problem = String(thrown);
    }
    if (performance.now() >= deadlineAtMs) return { problem, wrong: false, retries };
    await pause(RETRY_PAUSE_MS);
  }
}

/** Rejects when `promise` has not settled after `budgetMs`. */
function within<T>(budgetMs: number, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`out of its ${Math.round(budgetMs)} ms`)),
      budgetMs,
    );
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
