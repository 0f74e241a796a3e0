// The reads of this node from disk: lookups, stretches for scans, and what becomes of damage.

import type { SteleError } from '../../base/errors.ts';
import { LookupStatus } from '../../proto/gen/stele/v1/lookup.ts';
import { REFERENCE_BYTES_MIN } from '../../resp/wire/encoder.ts';
import type { BlockReceiver, BlockSource } from '../disk/block-source.ts';
import { cached } from '../disk/record-cache.ts';
import type { RecordCache } from '../disk/record-cache.ts';
import { readBlocks } from '../disk/disk-segment.ts';
import type { DiskSegment } from '../disk/disk-segment.ts';
import { shardOfSlot } from '../../ring/shard.ts';
import { slotOfKey } from '../../ring/slot.ts';
import { hashKey, lastHash2 } from '../../segment/hash.ts';
import { findPlace, foundPlace } from '../../segment/place.ts';
import { findHashedRecord, recordBounds } from '../../segment/reader.ts';
import { isInMemory } from '../storage/holdings.ts';
import type { ReadableSegment } from '../storage/holdings.ts';
import type { VersionTable, VersionTables } from '../storage/version-tables.ts';
import { DiskLookup } from './disk-lookup.ts';
import type { DiskLookupHost, DiskLookupReceiver } from './disk-lookup.ts';
import { cachedBounds, isCachedKey } from './cached-record.ts';
import { lookupInShard, noteHit, noteMiss, releaseLastHit, setLastHit } from './lookup.ts';

export interface DiskReadsOptions {
  readonly source: BlockSource;
  readonly cache: RecordCache;
  readonly tables: Pick<VersionTables, 'get'>;
  /** Called for each read that finds a segment damaged; it must take it out of service. */
  readonly onDamage: (segment: DiskSegment, error: SteleError) => void;
}

export class DiskReads implements DiskLookupHost {
  readonly source: BlockSource;
  readonly stats = { reads: 0, bytes: 0, failures: 0 };
  readonly #options: DiskReadsOptions;
  readonly cache: RecordCache;
  /** Bytes of the record that `lookUpNow` has found, in memory or as the index says. */
  recordBytes = 0;
  /** Whether the value that `lookUpNow` has found is only valid until the next call. */
  isLent = false;
  /** Where `lookUpNow` has looked, and the hash of the key. */
  #table: VersionTable | undefined;
  #shard = 0;
  #h1 = 0;
  #h2 = 0;

  constructor(options: DiskReadsOptions) {
    this.#options = options;
    this.source = options.source;
    this.cache = options.cache;
    this.cache.onRelease = releaseLastHit;
  }

  /**
   * Looks up key[start, end) in a version by what is in memory: as `lookUpNow` if its shard is on disk.
   * UNAVAILABLE if the shard or the version is not here.
   */
  answerNow(
    table: VersionTable | undefined,
    key: Uint8Array,
    start: number,
    end: number,
  ): LookupStatus | undefined {
    if (table === undefined) return LookupStatus.UNAVAILABLE;
    const shard = shardOfSlot(slotOfKey(key, start, end), table.shards.length);
    if (table.diskShards[shard] !== undefined) return this.lookUpNow(table, shard, key, start, end);
    this.isLent = false;
    return lookupInShard(table, shard, key, start, end);
  }

  /**
   * Looks up key[start, end) in a shard that is in `diskShards`, by what is in memory: segments, indexes
   * and the cache. OK: `lastHit` says where the value lies, and `isLent` whether it stays as it is only
   * until the next call. Undefined: a record must be read, which `lookup` does.
   */
  lookUpNow(
    table: VersionTable,
    shard: number,
    key: Uint8Array,
    start: number,
    end: number,
  ): LookupStatus.OK | LookupStatus.NOT_FOUND | undefined {
    const segments = table.diskShards[shard] ?? [];
    this.#table = table;
    this.#shard = shard;
    // All segments of a keyspace have the same seeds, and a shard on disk has at least one.
    const { seed1, seed2 } = segments[0] as ReadableSegment;
    const h1 = (this.#h1 = hashKey(key, start, end, seed1, seed2));
    const h2 = (this.#h2 = lastHash2());
    for (const segment of segments) {
      if (isInMemory(segment)) {
        const offset = findHashedRecord(segment, key, start, end, h1, h2);
        if (offset < 0) continue;
        const bounds = recordBounds(segment, offset);
        this.recordBytes = bounds.end - offset;
        this.isLent = false;
        setLastHit(segment.bytes, segment.view, bounds.valueStart, bounds.end);
        noteHit(table, key, start, end, bounds.end - bounds.valueStart);
        return LookupStatus.OK;
      }
      for (let skipped = 0; findPlace(segment, h1, h2, skipped); skipped++) {
        this.recordBytes = foundPlace.end - foundPlace.start;
        const isFound = isCachedKey(this.cache, segment, key, start, end, table.reads);
        if (isFound === undefined) return undefined;
        if (!isFound) continue;
        const { end: valueEnd, valueStart } = cachedBounds;
        noteHit(table, key, start, end, valueEnd - valueStart);
        this.#lend(valueStart, valueEnd);
        return LookupStatus.OK;
      }
    }
    noteMiss(table, key, start, end);
    return LookupStatus.NOT_FOUND;
  }

  /**
   * Looks up the key for which `lookUpNow` or `answerNow` has just returned undefined; a copy of it is made. The
   * receiver gets the answer to key number `index`, at once or later.
   */
  lookup(
    key: Uint8Array,
    start: number,
    end: number,
    receiver: DiskLookupReceiver,
    index: number,
  ): void {
    const copy = Buffer.allocUnsafe(end - start);
    copy.set(key.subarray(start, end));
    const table = this.#table as VersionTable;
    this.#table = undefined;
    new DiskLookup(this, table, this.#shard, copy, this.#h1, this.#h2, receiver, index).proceed();
  }

  /** Sets `lastHit` to a value in the cache. Writers of replies only refer to large ones, which are copied. */
  #lend(start: number, end: number): void {
    this.isLent = end - start < REFERENCE_BYTES_MIN;
    if (this.isLent) return setLastHit(cached.bytes, cached.view, start, end);
    const copy = Buffer.from(cached.bytes.subarray(start, end));
    const view = new DataView(copy.buffer, copy.byteOffset, copy.length);
    setLastHit(copy, view, 0, copy.length);
  }

  refreshed({ keyspaceUid, version }: VersionTable): VersionTable | undefined {
    return this.#options.tables.get(keyspaceUid, version);
  }

  read(segment: DiskSegment, start: number, end: number, receiver: BlockReceiver): void {
    this.stats.reads++;
    this.stats.bytes += end - start;
    readBlocks(this.source, segment, start, end, receiver);
  }

  failed(segment: DiskSegment, error: SteleError): void {
    if (error.code === 'CORRUPT') this.#options.onDamage(segment, error);
  }
}
