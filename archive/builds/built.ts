// The content of a build's mark and of the manifests of its tasks and merges (docs/builds.md).

import type { ArchivedSegment, ArchivedTotals } from '../archived.ts';

/** Whose build it is. The uid seeds the hashes in its segments. */
export interface BuildMark {
  readonly keyspace: string;
  readonly keyspaceUid: string;
  readonly shardCount: number;
  readonly clusterId: string;
  /** ISO 8601. */
  readonly createdAt: string;
}

/** What all tasks of a build have in common, or their rows would not fit together. */
export interface TaskInput {
  /** Hash of names, sizes and times of all inputs, in order; 32 hex digits. */
  readonly fingerprint: string;
  /** For people. */
  readonly text: string;
  /** 0 if it is not known: each task brings its own input. */
  readonly bytes: number;
  /** Flags that decide how rows are read, by name, as text. */
  readonly flags: Readonly<Record<string, string>>;
  /** How the inputs are read; empty if this task has no row of its own input. */
  readonly dialects: readonly string[];
}

/** Rows of a chunk of input, grouped by shard: `runs/<hash>.run`. */
export interface BuiltRun {
  /** First half of the SHA-256 of its bytes. */
  readonly hash: string;
  readonly bytes: number;
  readonly rows: number;
  /** Where its rows begin, for people. */
  readonly from: string;
}

/** Per shard, all shards in order. */
export interface TaskShards {
  readonly rows: readonly number[];
  readonly keyBytes: readonly number[];
  readonly valueBytes: readonly number[];
  /** Digests of the rows, 32 hex digits each, one after the other. */
  readonly digests: string;
}

export interface BuiltTask {
  readonly keyspaceUid: string;
  readonly shardCount: number;
  /** 1 to `tasks`. */
  readonly task: number;
  readonly tasks: number;
  readonly input: TaskInput;
  /** 16 bytes, hex; in the header of each of its runs. */
  readonly binding: string;
  /** Without the rejected ones. */
  readonly rows: number;
  readonly rejected: number;
  /** The first rejected rows: sentences. */
  readonly rejects: readonly string[];
  /** In the order of the input. */
  readonly runs: readonly BuiltRun[];
  /** Of all rows, before duplicates of a key are left out. */
  readonly shards: TaskShards;
}

export interface BuiltShard {
  readonly shard: number;
  /** Rows of all tasks: the records of the segment and those that were dropped. */
  readonly rows: number;
  readonly segment: Omit<ArchivedSegment, 'shard'>;
  /** Rows left out because another one of their key was kept. */
  readonly dropped: ArchivedTotals;
  /** Of those, the rows that had another value. */
  readonly overruled: number;
}

/** The segments of a range of shards, complete. */
export interface BuiltMerge {
  readonly keyspaceUid: string;
  readonly shardCount: number;
  readonly first: number;
  /** Included. */
  readonly last: number;
  /** What was merged: `taskIdentity` of each task, in order. */
  readonly tasks: readonly string[];
  /** Which of two values of a key was kept. */
  readonly onConflict: 'error' | 'first' | 'last';
  /** Ascending; shards without rows are not in it. */
  readonly shards: readonly BuiltShard[];
}
