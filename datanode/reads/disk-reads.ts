// The reads of this node from disk: lookups, stretches for scans, and what becomes of damage.

import type { SteleError } from '../../base/errors.ts';
import type { BlockReceiver, BlockSource } from '../disk/block-source.ts';
import { readBlocks } from '../disk/disk-segment.ts';
import type { DiskSegment } from '../disk/disk-segment.ts';
import { hashKey, lastHash2 } from '../../segment/hash.ts';
import { findPlace, foundPlace } from '../../segment/place.ts';
import { findHashedRecord, valueEnd } from '../../segment/reader.ts';
import { isInMemory } from '../storage/holdings.ts';
import type { ReadableSegment } from '../storage/holdings.ts';
import type { VersionTable, VersionTables } from '../storage/version-tables.ts';
import { DiskLookup } from './disk-lookup.ts';
import type { DiskLookupHost, DiskLookupReceiver } from './disk-lookup.ts';
import { noteMiss } from './lookup.ts';

export interface DiskReadsOptions {
  readonly source: BlockSource;
  readonly tables: Pick<VersionTables, 'get'>;
  /** Called for each read that finds a segment damaged; it must take it out of service. */
  readonly onDamage: (segment: DiskSegment, error: SteleError) => void;
}

export class DiskReads implements DiskLookupHost {
  readonly source: BlockSource;
  readonly stats = { reads: 0, bytes: 0, failures: 0 };
  readonly #options: DiskReadsOptions;
  /** Bytes of the record that `mayHave` has found, in memory or as the index says. */
  recordBytes = 0;
  /** The hash of the key that `mayHave` has looked at. */
  #h1 = 0;
  #h2 = 0;

  constructor(options: DiskReadsOptions) {
    this.#options = options;
    this.source = options.source;
  }

  /**
   * Whether key[start, end) may be in a shard that is in `diskShards`, by what is in memory. If not, it
   * is counted as a miss; if so, `lookup` finds out.
   */
  mayHave(
    table: VersionTable,
    shard: number,
    key: Uint8Array,
    start: number,
    end: number,
  ): boolean {
    const segments = table.diskShards[shard] ?? [];
    // All segments of a keyspace have the same seeds, and a shard on disk has at least one.
    const { seed1, seed2 } = segments[0] as ReadableSegment;
    const h1 = (this.#h1 = hashKey(key, start, end, seed1, seed2));
    const h2 = (this.#h2 = lastHash2());
    for (const segment of segments) {
      if (isInMemory(segment)) {
        const offset = findHashedRecord(segment, key, start, end, h1, h2);
        if (offset < 0) continue;
        this.recordBytes = valueEnd(segment, offset) - offset;
        return true;
      }
      if (!findPlace(segment, h1, h2, 0)) continue;
      this.recordBytes = foundPlace.end - foundPlace.start;
      return true;
    }
    noteMiss(table, key, start, end);
    return false;
  }

  /**
   * Looks up the key for which `mayHave` has just returned true; a copy of it is made. The receiver
   * gets the answer to key number `index`, at once or later.
   */
  lookup(
    table: VersionTable,
    shard: number,
    key: Uint8Array,
    start: number,
    end: number,
    receiver: DiskLookupReceiver,
    index: number,
  ): void {
    const copy = Buffer.allocUnsafe(end - start);
    copy.set(key.subarray(start, end));
    new DiskLookup(this, table, shard, copy, this.#h1, this.#h2, receiver, index).proceed();
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
