// The named background runner, for promises that nobody awaits.
//
// Nothing is swallowed: a failure is logged with the task's name and counted. `settled()` lets a
// role wait at shutdown until all its loops have ended.

import { sleep, systemTime } from './clock.ts';
import type { Time } from './clock.ts';
import { toSteleError } from './errors.ts';
import type { Logger } from './log.ts';

export class BackgroundTasks {
  readonly #log: Logger;
  readonly #time: Time;
  readonly #running = new Set<Promise<void>>();
  readonly #failuresByName = new Map<string, number>();

  constructor(log: Logger, time = systemTime) {
    this.#log = log;
    this.#time = time;
  }

  /** Runs `task` now; logs and counts its failure under `name`. Never throws. */
  run(name: string, task: () => Promise<unknown>): void {
    const promise = this.#guard(name, task);
    this.#running.add(promise);
    void promise.finally(() => this.#running.delete(promise));
  }

  /**
   * Runs `task` every `intervalMs`, first after one interval, until `stop` aborts. A failure is
   * counted and does not end the repetition.
   */
  repeat(name: string, intervalMs: number, stop: AbortSignal, task: () => Promise<unknown>): void {
    this.run(name, async () => {
      for (;;) {
        await sleep(intervalMs, stop, this.#time);
        if (stop.aborted) return;
        await this.#guard(name, task);
      }
    });
  }

  /** Calls `work` now; logs and counts an error under `name`. Returns false if `work` threw. */
  guard(name: string, work: () => void): boolean {
    try {
      work();
      return true;
    } catch (thrown) {
      this.fault(name, thrown);
      return false;
    }
  }

  /** Logs (with its stack) and counts an error in a part of `name` that continues to run. */
  fault(name: string, thrown: unknown): void {
    const error = toSteleError(thrown);
    this.#failuresByName.set(name, (this.#failuresByName.get(name) ?? 0) + 1);
    this.#log.error({ task: name, code: error.code, err: error }, 'background task failed');
  }

  async #guard(name: string, task: () => Promise<unknown>): Promise<void> {
    try {
      await task();
    } catch (thrown) {
      this.fault(name, thrown);
    }
  }

  /** Failures so far, by task name. */
  failures(): ReadonlyMap<string, number> {
    return this.#failuresByName;
  }

  /** Resolves when every task that was running has ended, successful or not. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled(this.#running);
  }
}
