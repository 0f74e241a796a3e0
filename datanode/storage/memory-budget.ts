// The memory that segments may take: what is held, and what is promised to segments that are on their way
// into memory, whether they arrive, are read at a start, or come back from a suspension.
//
// Memory of segments that were let go of (dropped, refused, given up) is not free yet: the garbage collector, which
// does not see shared memory, has to come by. So it is counted, and collected when it would take what
// is held above the limit.
//
// Invariant: what is held, promised and not yet collected is at most the limit and `LEFT_BYTES_MIN` together.

import { SteleError } from '../../base/errors.ts';
import { collectGarbage } from '../../base/free-memory.ts';
import { formatBytes } from '../../base/units.ts';
import type { Holdings } from './holdings.ts';

/** A collection stops readers for some milliseconds: not for less. */
const LEFT_BYTES_MIN = 16 * 1024 ** 2;

export class MemoryBudget {
  readonly #holdings: Holdings;
  readonly #maxBytes: number;
  readonly #collect: () => void;
  #promisedBytes = 0;
  /** Of all promises that were given back: what they were for is held now, or was let go of. */
  #releasedBytes = 0;
  /** Of these, what was collected. */
  #collectedBytes = 0;

  constructor(holdings: Holdings, maxBytes: number, collect = collectGarbage) {
    this.#holdings = holdings;
    this.#maxBytes = maxBytes;
    this.#collect = collect;
  }

  /** Bytes that were let go of since the last collection; at most that. */
  get leftBytes(): number {
    return this.#releasedBytes - this.#collectedBytes - this.#holdings.segmentBytes;
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
    if (wanted + this.leftBytes > this.#maxBytes) this.collect();
    this.#promisedBytes += byteCount;
    let isPromised = true;
    return () => {
      if (!isPromised) return;
      isPromised = false;
      this.#promisedBytes -= byteCount;
      this.#releasedBytes += byteCount;
    };
  }

  /** Gives back to the system what was let go of, where that is worth it. */
  collect(): void {
    if (this.leftBytes <= LEFT_BYTES_MIN) return;
    this.#collect();
    this.#collectedBytes += this.leftBytes;
  }
}
