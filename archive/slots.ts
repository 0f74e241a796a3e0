// A bounded number of things at the same time, first come, first served.

import { unwatchAbort, watchAbort } from '../base/abort.ts';
import { SteleError } from '../base/errors.ts';

export class Slots {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  /**
   * Resolves with the function that releases the slot, once. Rejects with CANCELLED when `signal`
   * aborts.
   */
  async acquire(signal?: AbortSignal): Promise<() => void> {
    if (signal?.aborted === true) throw cancelled();
    if (this.#free > 0) this.#free--;
    else await this.#wait(signal);
    let isHeld = true;
    return () => {
      if (isHeld) this.#release();
      isHeld = false;
    };
  }

  #wait(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const take = (): void => {
        if (signal !== undefined) unwatchAbort(signal, leave);
        resolve();
      };
      const leave = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(take), 1);
        reject(cancelled());
      };
      this.#waiting.push(take);
      if (signal !== undefined) watchAbort(signal, leave);
    });
  }

  #release(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free++;
    else next();
  }
}

function cancelled(): SteleError {
  return new SteleError('CANCELLED', 'The call was cancelled.');
}
