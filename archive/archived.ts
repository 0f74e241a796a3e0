// The content of marks, manifests and snapshots (docs/archive-format.md).

/** Whose archive it is. */
export interface ArchiveMark {
  readonly clusterId: string;
  readonly shardCount: number;
  /** ISO 8601. */
  readonly createdAt: string;
}

/** Counts and the digest (32 hex digits) of a set of records. */
export interface ArchivedTotals {
  readonly records: number;
  readonly keyBytes: number;
  readonly valueBytes: number;
  readonly digest: string;
}

export interface ArchivedSegment extends ArchivedTotals {
  readonly id: string;
  readonly shard: number;
  readonly fileBytes: number;
}

interface ArchivedVersion extends ArchivedTotals {
  readonly number: number;
  /** A rejected version is kept, and never was current. */
  readonly isRejected: boolean;
  /** Describes the load and its input, for people. */
  readonly source: string;
  readonly input: string;
  readonly inputFingerprint: string;
  /** ISO 8601. */
  readonly committedAt: string;
}

/** One version of one keyspace, complete. */
export interface ArchivedManifest {
  readonly keyspaceUid: string;
  readonly shardCount: number;
  readonly version: ArchivedVersion;
  /** By shard; within a shard oldest first: a base, then its deltas. */
  readonly segments: readonly ArchivedSegment[];
  /** By delta id: the totals of older records of its shard whose keys it has. */
  readonly overwritten: Readonly<Record<string, ArchivedTotals>>;
}

export interface ArchivedKeyspace {
  readonly uid: string;
  readonly name: string;
  /** 0: none. */
  readonly currentVersion: number;
  /** Settings of its own; absent: as the cluster's. */
  readonly replication?: number;
  readonly keep?: number;
  readonly suspended?: boolean;
  readonly uncached?: boolean;
  /** Where datanodes keep its records; absent: in memory. */
  readonly tier?: 'memory' | 'disk';
  /** Ascending. */
  readonly versions: readonly {
    readonly number: number;
    readonly segmentBytes: number;
    readonly records: number;
    /** The name of its manifest. */
    readonly manifest: string;
  }[];
}

/** Keyspaces of a cluster at one moment of its catalog. */
export interface Snapshot {
  readonly clusterId: string;
  readonly shardCount: number;
  /** ISO 8601. */
  readonly createdAt: string;
  readonly keyspaces: readonly ArchivedKeyspace[];
}
