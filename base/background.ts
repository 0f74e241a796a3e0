// The named background runner: where a promise goes that nobody awaits.
//
// Nothing is swallowed: a failure is logged with the task's name and counted. `settled()` lets a
// role wait at shutdown until all its loops have ended.

import { sleep } from './clock.ts';
import { toSteleError } from './errors.ts';
import type { Logger } from './log.ts';

export class BackgroundTasks {
  readonly #log: Logger;
  readonly #running = new Set<Promise<void>>();
  readonly #failuresByName = new Map<string, number>();

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Runs `task` now; logs and counts its failure under `name`. Never throws. */
  run(name: string, task: () => Promise<unknown>): void {
    const promise = this.#guard(name, task);
    this.#running.add(promise);
    void promise.finally(() => this.#running.delete(promise));
  }

  /** Runs `task` every `intervalMs`, first after one of them, until `stop` aborts; a failure is counted and ends nothing. */
  repeat(name: string, intervalMs: number, stop: AbortSignal, task: () => Promise<unknown>): void {
    this.run(name, async () => {
      for (;;) {
        await sleep(intervalMs, stop);
        if (stop.aborted) return;
        await this.#guard(name, task);
      }
    });
  }

  /** Calls `work` now; logs and counts what it throws under `name`. False where it threw. */
  guard(name: string, work: () => void): boolean {
    try {
      work();
      return true;
    } catch (thrown) {
      this.fault(name, thrown);
      return false;
    }
  }

  /** Logs (with its stack) and counts what was thrown by a part of `name` that goes on. */
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
