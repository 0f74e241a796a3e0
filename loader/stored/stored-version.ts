// A version whose segments are finished and lie in a store.

import type { ArchivedSegment, ArchivedTotals } from '../../archive/archived.ts';

/** A segment, and the name of its object below the URL. */
export interface StoredSegment extends ArchivedSegment {
  readonly object: string;
}

export interface StoredVersion {
  readonly keyspaceUid: string;
  readonly shardCount: number;
  /** At most one for a shard, unless `whole` is set; shards without one have no records. */
  readonly segments: readonly StoredSegment[];
  readonly totals: ArchivedTotals;
  /** Rows that were read to make the segments, those that were left out included. */
  readonly rows: number;
  readonly rejected: number;
  readonly duplicates: number;
  /** Of `duplicates`, those with another value. */
  readonly overruled: number;
  /** How it was made, for people. */
  readonly input: string;
  /**
   * Of a version of another cluster, whose shards may have a base and then its deltas, oldest first:
   * what it came from, for people, and the number that it gets if that is free.
   */
  readonly whole?: { readonly source: string; readonly number: number };
}
