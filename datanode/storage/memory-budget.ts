// The memory that segments may take: what is held, and what is promised to segments that are on their way
// into memory, whether they arrive, are read at a start, or come back from a suspension.

import { SteleError } from '../../base/errors.ts';
import { formatBytes } from '../../base/units.ts';
import type { Holdings } from './holdings.ts';

export class MemoryBudget {
  readonly #holdings: Holdings;
  readonly #maxBytes: number;
  #promisedBytes = 0;

  constructor(holdings: Holdings, maxBytes: number) {
    this.#holdings = holdings;
    this.#maxBytes = maxBytes;
  }

  /**
   * Promises memory for `byteCount` bytes. The returned function gives the promise back: call it once the
   * bytes are held or given up; further calls do nothing. Throws MEMORY_LIMIT.
   */
  reserve(byteCount: number): () => void {
    const wanted = this.#holdings.segmentBytes + this.#promisedBytes + byteCount;
    if (wanted > this.#maxBytes) {
      throw new SteleError(
        'MEMORY_LIMIT',
        `This datanode may hold ${formatBytes(this.#maxBytes)} and would need ${formatBytes(wanted)}; add datanodes, raise --memory-max, or drop or suspend a keyspace.`,
      );
    }
    this.#promisedBytes += byteCount;
    let isPromised = true;
    return () => {
      if (isPromised) this.#promisedBytes -= byteCount;
      isPromised = false;
    };
  }
}
