// The memory that segments may take: what is held, and what is reserved for segments on their way
// into memory, whether they arrive, are read at a start, or return from a suspension.
//
// Memory of released segments (dropped, refused, abandoned) is not free at once: the garbage
// collector, which does not see shared memory, has to run first. So it is counted, and a collection
// is forced when it would take memory use above the limit.
//
// Invariant: what is held, reserved and not yet collected is at most the limit and `LEFT_BYTES_MIN`
// together.

import { SteleError } from '../../base/errors.ts';
import { collectGarbage } from '../../base/process/free-memory.ts';
import { formatBytes } from '../../base/units.ts';
import type { Holdings } from './holdings.ts';

/** A collection stops readers for some milliseconds, so it must free at least this much. */
const LEFT_BYTES_MIN = 16 * 1024 ** 2;

export class MemoryBudget {
  readonly #holdings: Holdings;
  readonly #maxBytes: number;
  readonly #collect: () => void;
  #promisedBytes = 0;
  /** The sum of all reservations that were released: their bytes are held now, or were let go. */
  #releasedBytes = 0;
  /** The part of these that was collected. */
  #collectedBytes = 0;

  constructor(holdings: Holdings, maxBytes: number, collect = collectGarbage) {
    this.#holdings = holdings;
    this.#maxBytes = maxBytes;
    this.#collect = collect;
  }

  /** Upper bound of the bytes let go since the last collection. */
  get leftBytes(): number {
    return this.#releasedBytes - this.#collectedBytes - this.#holdings.segmentBytes;
  }

  /**
   * Reserves memory for `byteCount` bytes. The returned function releases the reservation: call it
   * once the bytes are held or abandoned; further calls do nothing. Throws MEMORY_LIMIT.
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

  /** Collects the memory of released segments if there is enough of it. */
  collect(): void {
    if (this.leftBytes <= LEFT_BYTES_MIN) return;
    this.#collect();
    this.#collectedBytes += this.leftBytes;
  }
}
