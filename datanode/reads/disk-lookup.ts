// A lookup in a shard of which a segment is on disk.
//
//   segment, newest first: in memory -> found, or the next
//                          on disk   -> place by the index -> cached, or read and verified
//                                                          -> key compared -> found, or the next
//
// One object per lookup. It ends by exactly one call of its receiver, at once if no read is needed.
// If a segment has been moved or merged meanwhile, the lookup begins again in what is there now.

import { SteleError, toSteleError } from '../../base/errors.ts';
import { LookupStatus } from '../../proto/gen/stele/v1/lookup.ts';
import { corruptAt } from '../../segment/header.ts';
import { findPlace, foundPlace } from '../../segment/place.ts';
import { findHashedRecord, recordBounds } from '../../segment/reader.ts';
import { decodeRecord, newRecordBounds } from '../../segment/record.ts';
import { segmentsOf } from '../storage/version-tables.ts';
import type { VersionTable } from '../storage/version-tables.ts';
import type { BlockReceiver } from '../disk/block-source.ts';
import { cached } from '../disk/record-cache.ts';
import type { RecordCache } from '../disk/record-cache.ts';
import { checkRead } from '../disk/disk-segment.ts';
import type { DiskSegment } from '../disk/disk-segment.ts';
import { isInMemory } from '../storage/holdings.ts';
import type { ReadableSegment } from '../storage/holdings.ts';
import { cachedBounds, isCachedKey } from './cached-record.ts';
import { noteHit, noteMiss } from './lookup.ts';

export interface DiskLookupReceiver {
  /**
   * The answer to key number `index`. With OK the value is `bytes[start, end)`, which stays as it is
   * only during the call if `isLent`. UNAVAILABLE: this node cannot say, `failure` says why.
   */
  answer(
    index: number,
    status: LookupStatus,
    bytes: Buffer,
    start: number,
    end: number,
    isLent: boolean,
    failure: SteleError | undefined,
  ): void;
}

/** What a lookup needs of the node. */
export interface DiskLookupHost {
  readonly cache: RecordCache;
  readonly stats: { failures: number };
  /** Reads the blocks with the bytes [start, end) of a segment whose file is open. */
  read(segment: DiskSegment, start: number, end: number, receiver: BlockReceiver): void;
  /** The present table of the same version; undefined if it is no longer here. */
  refreshed(table: VersionTable): VersionTable | undefined;
  /** Reports why a read of a segment has failed: one that is damaged is taken out of service. */
  failed(segment: DiskSegment, error: SteleError): void;
}

const NO_BYTES = Buffer.alloc(0);
const RESTARTS_MAX = 5;
const bounds = newRecordBounds();

export class DiskLookup implements BlockReceiver {
  readonly #reads: DiskLookupHost;
  #table: VersionTable;
  readonly #shard: number;
  #segments: readonly ReadableSegment[];
  /** A copy, because the request's bytes are overwritten. */
  readonly #key: Uint8Array;
  readonly #h1: number;
  readonly #h2: number;
  readonly #receiver: DiskLookupReceiver;
  readonly #index: number;
  /** Which segment is looked at, and how many of its records had another key. */
  #at = 0;
  #skipped = 0;
  #restartsLeft = RESTARTS_MAX;
  /** The record being read. */
  #start = 0;
  #end = 0;

  constructor(
    reads: DiskLookupHost,
    table: VersionTable,
    shard: number,
    key: Uint8Array,
    h1: number,
    h2: number,
    receiver: DiskLookupReceiver,
    index: number,
  ) {
    this.#reads = reads;
    this.#table = table;
    this.#shard = shard;
    this.#segments = table.diskShards[shard] ?? [];
    this.#key = key;
    this.#h1 = h1;
    this.#h2 = h2;
    this.#receiver = receiver;
    this.#index = index;
  }

  /** Goes on until a read is needed, or the answer is known. */
  proceed(): void {
    try {
      this.#proceed();
    } catch (thrown) {
      this.#fail(toSteleError(thrown));
    }
  }

  #proceed(): void {
    const key = this.#key;
    while (this.#at < this.#segments.length) {
      const segment = this.#segments[this.#at] as ReadableSegment;
      if (isInMemory(segment)) {
        const offset = findHashedRecord(segment, key, 0, key.length, this.#h1, this.#h2);
        if (offset < 0) {
          this.#nextSegment();
          continue;
        }
        const { end, valueStart } = recordBounds(segment, offset);
        return this.#found(segment.bytes, valueStart, end, false);
      }
      if (!findPlace(segment, this.#h1, this.#h2, this.#skipped)) {
        this.#nextSegment();
        continue;
      }
      if (segment.file.isClosed) return this.#restart(segment);
      const { reads } = this.#table;
      const isFound = isCachedKey(this.#reads.cache, segment, key, 0, key.length, reads);
      if (isFound === true) {
        return this.#found(cached.bytes, cachedBounds.valueStart, cachedBounds.end, true);
      }
      if (isFound === false) {
        this.#skipped++;
        continue;
      }
      reads.diskCacheMisses++;
      this.#start = foundPlace.start;
      this.#end = foundPlace.end;
      return this.#reads.read(segment, this.#start, this.#end, this);
    }
    noteMiss(this.#table, key, 0, key.length);
    this.#receiver.answer(this.#index, LookupStatus.NOT_FOUND, NO_BYTES, 0, 0, false, undefined);
  }

  #nextSegment(): void {
    this.#at++;
    this.#skipped = 0;
  }

  /** Begins again with the segments that are here now. */
  #restart({ meta }: DiskSegment): void {
    const table = this.#reads.refreshed(this.#table);
    const segments = table && segmentsOf(table, this.#shard);
    if (table === undefined || segments === undefined || this.#restartsLeft-- === 0) {
      throw new SteleError('UNAVAILABLE', `Segment ${meta.id} is no longer here; ask again.`);
    }
    this.#table = table;
    this.#segments = segments;
    this.#at = this.#skipped = 0;
    this.#proceed();
  }

  onBlocks(bytes: Buffer, at: number, crcs: ArrayLike<number>, crcAt: number): void {
    const segment = this.#segments[this.#at] as DiskSegment;
    try {
      const from = checkRead(segment, this.#start, this.#end, crcs, crcAt);
      const start = at + this.#start - from;
      const end = start + this.#end - this.#start;
      if (!decodeRecord(bytes, start, end, bounds) || bounds.end !== end) {
        throw corruptAt('there is no record at offset %d', this.#start);
      }
      // Also if it is of another key: the next lookup of this key meets it again.
      this.#reads.cache.add(segment.number, this.#start, bytes, start, end - start);
      const { keyStart, valueStart } = bounds;
      if (isKey(this.#key, bytes, keyStart, valueStart)) {
        return this.#found(bytes, valueStart, end, true);
      }
    } catch (thrown) {
      const error = toSteleError(thrown);
      this.#reads.failed(segment, error);
      return this.#fail(error);
    }
    this.#skipped++;
    this.proceed();
  }

  onReadFailed(error: SteleError): void {
    this.#reads.stats.failures++;
    this.#reads.failed(this.#segments[this.#at] as DiskSegment, error);
    this.#fail(error);
  }

  #found(bytes: Buffer, start: number, end: number, isLent: boolean): void {
    noteHit(this.#table, this.#key, 0, this.#key.length, end - start);
    this.#receiver.answer(this.#index, LookupStatus.OK, bytes, start, end, isLent, undefined);
  }

  #fail(error: SteleError): void {
    this.#receiver.answer(this.#index, LookupStatus.UNAVAILABLE, NO_BYTES, 0, 0, false, error);
  }
}

function isKey(key: Uint8Array, bytes: Buffer, start: number, end: number): boolean {
  if (key.length !== end - start) return false;
  for (let at = 0; at < key.length; at++) if (key[at] !== bytes[start + at]) return false;
  return true;
}
