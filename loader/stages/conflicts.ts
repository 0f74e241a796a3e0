// The keys with two values that the shards find: how many, and the earliest of them.

import { CONFLICT_SAMPLES_MAX } from '../threads/build-task.ts';
import type { BuildOutcome, ConflictSample } from '../threads/build-task.ts';

/** When there are as many, the input is no better known by counting on. */
const COUNTED_MAX = 100_000;

/** The conflicts of all shards; conflict-error.ts says where they are. */
export class Conflicts {
  readonly #samples: ConflictSample[] = [];
  #count = 0;

  /** Rows with another value than the first of their key. */
  get count(): number {
    return this.#count;
  }

  get isFull(): boolean {
    return this.#count >= COUNTED_MAX;
  }

  /** The earliest, by chunk; some more than are told, for within a chunk only a look at it tells. */
  get samples(): readonly ConflictSample[] {
    return this.#samples;
  }

  add({ conflictCount, conflicts }: BuildOutcome): void {
    this.#count += conflictCount;
    this.#samples.push(...conflicts);
    this.#samples.sort((a, b) => a.secondChunk - b.secondChunk || Buffer.compare(a.key, b.key));
    const last = this.#samples[CONFLICT_SAMPLES_MAX - 1]?.secondChunk ?? Infinity;
    const kept = this.#samples.filter(({ secondChunk }) => secondChunk <= last);
    this.#samples.splice(0, this.#samples.length, ...kept.slice(0, 2 * CONFLICT_SAMPLES_MAX));
  }
}
