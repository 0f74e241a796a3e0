// The chance of a simulation: one stream of numbers, the same for the same seed.

import { seededRandom } from '../../support/inputs/rows.ts';

export class SimRandom {
  readonly #next: () => number;

  constructor(seed: number) {
    this.#next = seededRandom(seed);
  }

  /** An integer from `from` up to, not including, `to`. */
  int(from: number, to: number): number {
    return from + Math.floor(this.#next() * (to - from));
  }

  chance(probability: number): boolean {
    return this.#next() < probability;
  }

  pick<Value>(values: readonly Value[]): Value | undefined {
    return values[this.int(0, values.length)];
  }

  /** As base/ids.ts draws them. */
  id(): string {
    const half = (): string =>
      this.int(0, 2 ** 32)
        .toString(16)
        .padStart(8, '0');
    return half() + half();
  }
}
