// The ledger of this process's memory. What it may take (--memory-max) is divided into
//
//   overhead    set aside from the start for what the process needs beside data
//                 runtime     the program, its threads and its heap
//                 reads       buffers of reads from disk
//                 replies     values on their way to clients, and requests that arrive
//   data          segments    held in memory
//                 indexes     of segments whose records are on disk
//                 work        reserved for segments that arrive, move or are merged
//                 released    of segments that were let go, until the garbage collector has run
//                 cache       lent to records that were read from disk
//
// Whatever takes memory for data reserves it first, and is refused if there is no room for it. What
// nobody needs is lent to caches, and taken back, the last loan first, when a reservation needs it.
//
// Memory of released segments (dropped, refused, abandoned) is not free at once: the garbage
// collector, which does not see shared memory, has to run first. So it is counted, and a collection
// is forced when it would take memory use above the limit.
//
// Invariant: what is held, reserved, lent and not yet collected is at most the limit for data and
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
  readonly inUse: () => number;
}

/** What the process needs beside data, in bytes. */
export interface Overhead {
  readonly setAside: number;
  /** Now in use. */
  readonly inUse: () => Readonly<Record<'runtime' | 'reads' | 'replies', number>>;
}

export type MemoryPart = keyof ReturnType<Overhead['inUse']> | DataPart;
type DataPart = 'segments' | 'indexes' | 'work' | 'released' | 'cache';

/** For a datanode that shares its process with others. */
const NO_OVERHEAD: Overhead = {
  setAside: 0,
  inUse: () => ({ runtime: 0, reads: 0, replies: 0 }),
};

export class MemoryBudget {
  readonly #holdings: Holdings;
  /** For data. */
  readonly #maxBytes: number;
  readonly #collect: () => void;
  readonly #loans: Loan[] = [];
  #lentBytes = 0;
  #reservedBytes = 0;
  /** The sum of all reservations that were released: their bytes are held now, or were let go. */
  #releasedBytes = 0;
  /** The part of these that was collected. */
  #collectedBytes = 0;

  readonly #overhead: Overhead;

  constructor(
    holdings: Holdings,
    maxBytes: number,
    collect = collectGarbage,
    overhead = NO_OVERHEAD,
  ) {
    this.#holdings = holdings;
    this.#overhead = overhead;
    this.#maxBytes = maxBytes - overhead.setAside;
    this.#collect = collect;
  }

  /** Upper bound of the bytes let go since the last collection. */
  get leftBytes(): number {
    return this.#releasedBytes - this.#collectedBytes - this.#holdings.segmentBytes;
  }

  /** Bytes of memory in use, by what they are used for. */
  get inUse(): Readonly<Record<MemoryPart, number>> {
    const { indexBytes, segmentBytes } = this.#holdings;
    const released = Math.max(0, this.leftBytes);
    const held = { segments: segmentBytes - indexBytes, indexes: indexBytes };
    // A loan counts in full against the limit; the process takes what was written of it.
    const cache = this.#loans.reduce((sum, { inUse }) => sum + inUse(), 0);
    const data = { ...held, work: this.#reservedBytes, released, cache };
    return { ...this.#overhead.inUse(), ...data };
  }

  /** All of `inUse`. */
  get accountedBytes(): number {
    return Object.values(this.inUse).reduce((sum, bytes) => sum + bytes, 0);
  }

  /** Bytes that can still be reserved, those that are lent included. */
  get freeBytes(): number {
    return Math.max(0, this.#maxBytes - this.#takenBytes);
  }

  get #takenBytes(): number {
    return this.#holdings.segmentBytes + this.#reservedBytes;
  }

  hasRoom(byteCount: number): boolean {
    return byteCount <= this.freeBytes;
  }

  /** Throws MEMORY_LIMIT if there is no room for `byteCount` bytes more. */
  requireRoom(byteCount: number): void {
    const { freeBytes } = this;
    if (byteCount <= freeBytes) return;
    const [limit, wanted] = [this.#maxBytes, this.#takenBytes + byteCount];
    throw new SteleError(
      'MEMORY_LIMIT',
      `This datanode may hold ${formatBytes(limit)} and would need ${formatBytes(wanted)}: ${formatBytes(byteCount)} more, and ${formatBytes(freeBytes)} are free; add datanodes, raise --memory-max, move a keyspace to disk (\`stele tier KEYSPACE disk\`), or drop or suspend one.`,
    );
  }

  /**
   * Reserves memory for `byteCount` bytes. The returned function releases the reservation: call it
   * once the bytes are held or abandoned; further calls do nothing. Throws MEMORY_LIMIT.
   */
  reserve(byteCount: number): () => void {
    this.requireRoom(byteCount);
    while (byteCount + this.#lentBytes > this.freeBytes) this.#takeBack();
    if (byteCount + this.#lentBytes + this.leftBytes > this.freeBytes) this.collect();
    this.#reservedBytes += byteCount;
    let isPromised = true;
    return () => {
      if (!isPromised) return;
      isPromised = false;
      this.#reservedBytes -= byteCount;
      this.#releasedBytes += byteCount;
    };
  }

  /**
   * Lends `byteCount` bytes to a cache. `takeBack` is called, at most once, if they are needed: nothing
   * may refer to them when it returns. `inUse` returns how many of them the process really takes.
   * Undefined if there are not enough. The returned function ends the loan. Memory that comes back
   * counts as released until it is collected.
   */
  lend(
    byteCount: number,
    takeBack: () => void,
    inUse: () => number = () => byteCount,
  ): (() => void) | undefined {
    const wanted = byteCount + this.#lentBytes + Math.max(0, this.leftBytes);
    if (wanted > this.freeBytes) return undefined;
    const loan = { byteCount, takeBack, inUse };
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
    this.#releasedBytes += loan.byteCount;
  }

  /** Collects the memory of released segments if there is enough of it. */
  collect(): void {
    if (this.leftBytes <= LEFT_BYTES_MIN) return;
    this.#collect();
    this.#collectedBytes += this.leftBytes;
  }
}
