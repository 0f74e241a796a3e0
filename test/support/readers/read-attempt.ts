// One read as the fault tests count it: it has one second in total (by default), including retries.
// It has failed if it is wrong or missing at any time (these are never retried), or if it is still
// an error at the end of that time.

import { setTimeout as pause } from 'node:timers/promises';

const BUDGET_MS_DEFAULT = 1000;
const RETRY_PAUSE_MS = 10;

/** One way to read some keys; throws if the answer is an error. Missing keys are null. */
export interface Source {
  readonly name: string;
  read(keys: readonly string[], budgetMs: number): Promise<Values>;
  close(): void | Promise<void>;
}

/** In the order of their keys. */
export type Values = readonly (Buffer | string | null | undefined)[];

/** undefined: right. Otherwise what is wrong with the values that were read. */
type Check = (values: Values) => string | undefined;

/** What a source throws where the answer itself is wrong, which is never tried again. */
export class WrongAnswer extends Error {}

export interface ReadEnd {
  /** The cause of the failure. */
  readonly problem: string | undefined;
  /** Whether the answer was wrong or missing, not late or an error. */
  readonly wrong: boolean;
  readonly retries: number;
}

export interface ReadOptions {
  /** In all; one second by default. */
  readonly budgetMs?: number | undefined;
  /** False: the first error is what it failed of. */
  readonly mayRetry?: boolean | undefined;
}

/** Reads `keys` once as a patient client does; never rejects. */
export async function readOnce(
  source: Source,
  keys: readonly string[],
  check: Check,
  { budgetMs: inAllMs = BUDGET_MS_DEFAULT, mayRetry = true }: ReadOptions = {},
): Promise<ReadEnd> {
  const deadlineAtMs = performance.now() + inAllMs;
  for (let retries = 0; ; retries++) {
    const budgetMs = Math.max(1, deadlineAtMs - performance.now());
    let problem: string | undefined;
    try {
      problem = check(await within(budgetMs, source.read(keys, budgetMs)));
      return { problem, wrong: problem !== undefined, retries };
    } catch (thrown) {
      problem = String(thrown);
      if (thrown instanceof WrongAnswer) return { problem, wrong: true, retries };
    }
    if (!mayRetry || performance.now() >= deadlineAtMs) return { problem, wrong: false, retries };
    await pause(RETRY_PAUSE_MS);
  }
}

/** Rejects if `promise` has not settled after `budgetMs`. */
function within<T>(budgetMs: number, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`out of its ${Math.round(budgetMs)} ms`)),
      budgetMs,
    );
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
