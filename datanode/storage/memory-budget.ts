// The memory that segments may take: what is held, and what is reserved for segments on their way
// into memory, whether they arrive, are read at a start, or return from a suspension.
//
// Memory of released segments (dropped, refused, abandoned) is not free at once: the garbage
// collector, which does not see shared memory, has to run first. So it is counted, and a collection
// is forced when it would take memory use above the limit.
//
// What nobody needs is lent to caches, and taken back, the last loan first, when a reservation needs it.
//
// Invariant: what is held, reserved, lent and not yet collected is at most the limit and
// `LEFT_BYTES_MIN` together.

import { SteleError } from '../../base/errors.ts';
import { collectGarbage } from '../../base/process/free-memory.ts';
import { formatBytes } from '../../base/units.ts';
import type { Holdings } from './holdings.ts';

/** A collection stops readers for some milliseconds, so it must free at least this much. */
const LEFT_BYTES_MIN = 16 * 1024 ** 2;

interface Loan {
  readonly byteCount: number;
  readonly takeBack: () => void;
}

export class MemoryBudget {
  readonly #holdings: Holdings;
  readonly #maxBytes: number;
  readonly #collect: () => void;
  readonly #loans: Loan[] = [];
  #lentBytes = 0;
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
    while (wanted + this.#lentBytes > this.#maxBytes) this.#takeBack();
    if (wanted + this.#lentBytes + this.leftBytes > this.#maxBytes) this.collect();
    this.#promisedBytes += byteCount;
    let isPromised = true;
    return () => {
      if (!isPromised) return;
      isPromised = false;
      this.#promisedBytes -= byteCount;
      this.#releasedBytes += byteCount;
    };
  }

  /**
   * Lends `byteCount` bytes to a cache, whose memory is freed at once when it is released. `takeBack`
   * is called, at most once, if they are needed: they must be free when it returns. Undefined if there
   * are not enough. The returned function ends the loan.
   */
  lend(byteCount: number, takeBack: () => void): (() => void) | undefined {
    const used = this.#holdings.segmentBytes + this.#promisedBytes + Math.max(0, this.leftBytes);
    if (used + this.#lentBytes + byteCount > this.#maxBytes) return undefined;
    const loan = { byteCount, takeBack };
    this.#loans.push(loan);
    this.#lentBytes += byteCount;
    return () => this.#end(loan);
  }

  #takeBack(): void {
    const loan = this.#loans.at(-1) as Loan;
    this.#end(loan);
    loan.takeBack();
  }

  #end(loan: Loan): void {
    const at = this.#loans.indexOf(loan);
    if (at < 0) return;
    this.#loans.splice(at, 1);
    this.#lentBytes -= loan.byteCount;
  }

  /** Collects the memory of released segments if there is enough of it. */
  collect(): void {
    if (this.leftBytes <= LEFT_BYTES_MIN) return;
    this.#collect();
    this.#collectedBytes += this.leftBytes;
  }
}
