// The catalog's records as they are stored: JSON with a format number.
//
//   cluster                      identity, fixed at the first start; the ring's virtual nodes
//   epoch                        the present leader's term
//   counters                     the next numbers to issue
//   keyspace/<uid>               one dataset: name, state, desired settings
//   version/<uid>/<number>       one version's summary, with its gate
//   manifest/<uid>/<number>      its segments; removed with the version's files. Their combined content
//                                never changes; the segments do when deltas are merged
//   archived/<uid>/<number>      what of a version is in the deep store
//   observed/<uid>               the state that the control loop found; only the loop writes it
//   load/<id>                    one bulk load
//   event/<number>               the audit log, bounded (events.ts)
//   node/<id>                    one datanode that has joined and was not removed
//   user/<name>                  one user; its password as a hash
//   role/<name>                  one role that is not built in
//   token/<id>                   one token of a user; its secret as a hash
//
// Byte strings are hex. Wall times are for people only.

import { SteleError } from '../../base/errors.ts';
import type { Branded, KeyspaceUid } from '../../base/ids.ts';
import type { SegmentId } from '../../base/segment-name.ts';
import type { TierWord } from '../../proto/view-words.ts';
import type { TotalsRecord } from './totals.ts';

/**
 * The format of records that this release writes and reads. Format 1 named segments differently.
 */
export const RECORD_FORMAT = 2;

export interface ClusterRecord {
  readonly id: string;
  readonly shardCount: number;
  /** Per unit of a datanode's weight; absent: one per shard. */
  readonly virtualNodes?: number;
  /** Copies of keyspaces that ask for no number of their own; absent: as the master's flag says. */
  readonly replication?: number;
  /** The newest segment format that a load was asked to write; absent: 1. */
  readonly segmentFormat?: number;
  readonly createdAt: string;
}

interface EpochRecord {
  readonly epoch: number;
  /**
   * Identifies the start of the master that took the epoch (ClusterView.term). Absent in catalogs
   * of earlier releases.
   */
  readonly term?: string;
}

/** Numbers that are issued once: a number that has been seen is never reused for anything else. */
interface CountersRecord {
  /** The index of the next new keyspace. */
  readonly nextIndex: number;
  /** How often numbers were skipped because this catalog may lack some (skipNumbers). */
  readonly skips: number;
}

/** The state that commits and operators set; the control loop's findings are in ObservedRecord. */
type KeyspaceState = 'INITIALIZING' | 'RUNNING' | 'DELETING';

/** A commit that was attempted as `version`. The number stays reserved for the same content. */
interface CommitAttempt {
  readonly version: number;
  readonly loadId: string;
  readonly fingerprint: string;
}

export interface KeyspaceRecord {
  /** 16 random hex digits. A keyspace that is dropped and created again gets another uid. */
  readonly uid: KeyspaceUid;
  readonly name: string;
  /** The argument of RESP SELECT; 0 is reserved for the name `default`. */
  readonly index: number;
  readonly state: KeyspaceState;
  readonly desired: {
    /** 0: nothing committed yet. */
    readonly currentVersion: number;
    /** 0: the cluster's. */
    readonly replication: number;
    /** Committed versions to keep; absent: KEEP_DEFAULT. */
    readonly keep?: number;
    /** True if the data is on disk only. */
    readonly suspended?: boolean;
    /** True if masters do not cache its values. */
    readonly uncached?: boolean;
    /** Where datanodes keep its records; absent: in memory, and never set. */
    readonly tier?: TierWord;
  };
  readonly nextVersion: number;
  readonly attempt?: CommitAttempt;
  /** True if an operator created it: it is there without any version or load, too. */
  readonly isCreated?: true;
  readonly createdAt: string;
}

/** The states of a keyspace's control loop, and the states that it can be REPAIRING from. */
export type KeyspacePhase = 'INITIALIZING' | 'RUNNING' | 'SUSPENDING' | 'SUSPENDED' | 'DELETING';

/** The error that keeps a loop from making progress, and the number of tries. */
interface RepairingRecord {
  readonly from: KeyspacePhase;
  readonly error: string;
  readonly attempts: number;
  readonly nextRetryAt: string;
  readonly needsPerson: boolean;
}

/**
 * The state that the control loop found. The desired state is in KeyspaceRecord, which no loop
 * writes.
 */
export interface ObservedRecord {
  readonly uid: KeyspaceUid;
  readonly state: KeyspacePhase | 'REPAIRING';
  readonly repairing?: RepairingRecord;
}

/**
 * COMMITTED: kept everywhere. REJECTED: complete and kept, but it failed its gate. RETIRED: its
 * files are being dropped. BURNT: its manifest was handed out, but the commit failed and other
 * content followed. DELETED: only this record is left.
 */
type VersionState = 'COMMITTED' | 'REJECTED' | 'RETIRED' | 'BURNT' | 'DELETED';

/** The conditions for a version to become current; rows are its records (proto/load-gate.ts). */
export interface GateRecord {
  readonly expectRows?: number;
  /** A fraction of `expectRows`. */
  readonly expectTolerance?: number;
  readonly minRows?: number;
  /** A fraction of the previous version's rows. */
  readonly maxShrink?: number;
  readonly requireKeys: readonly RequiredKeyRecord[];
}

export interface RequiredKeyRecord {
  readonly key: string;
  readonly value?: string;
}

export interface VersionRecord {
  readonly uid: KeyspaceUid;
  readonly number: number;
  readonly state: VersionState;
  readonly records: number;
  readonly keyBytes: number;
  readonly valueBytes: number;
  readonly segmentBytes: number;
  readonly digest: string;
  readonly source: string;
  /** Description of the input; absent in records of 0.1.0. */
  readonly input?: string;
  readonly inputFingerprint: string;
  readonly loadId: string;
  readonly committedAt: string;
  /** Identifies its content; absent in records of 0.1.0. */
  readonly fingerprint?: string;
  readonly gate?: GateRecord;
  /** The reason, if REJECTED. */
  readonly rejection?: string;
  /** The version that was current before, that is, the target of a rollback. 0: none. */
  readonly follows?: number;
  /** Set for an append: what it changed. */
  readonly append?: AppendRecord;
  /**
   * The copies when it last became current or was rejected; absent in records of earlier releases.
   */
  readonly copies?: CopiesRecord;
}

/** Verified copies of the shard that has the fewest, and how many there should be. */
export interface CopiesRecord {
  readonly least: number;
  readonly wanted: number;
}

export interface AppendRecord {
  /** The version that was appended to; 0: none. */
  readonly base: number;
  readonly added: number;
  readonly replaced: number;
  readonly unchanged: number;
}

export interface SegmentRecord extends TotalsRecord {
  readonly id: SegmentId;
  readonly shard: number;
  readonly fileBytes: number;
}

export interface ManifestRecord {
  readonly uid: KeyspaceUid;
  readonly version: number;
  /** By shard; within a shard oldest first: a base, then its deltas. */
  readonly segments: readonly SegmentRecord[];
  /** By delta id: the totals of older records of its shard whose keys it has. */
  readonly overwritten?: Readonly<Record<string, TotalsRecord>>;
  /** Number of merges of its deltas; absent: 0. */
  readonly revision?: number;
  /** Ids of segments that were merged away; the datanodes will drop them. */
  readonly merged?: readonly SegmentId[];
}

/** A version whose segments and manifest, as of `revision`, are in a deep store. */
export interface ArchivedRecord {
  readonly uid: KeyspaceUid;
  readonly version: number;
  /** ManifestRecord.revision. */
  readonly revision: number;
  /** The URL of the deep store: in another one, the version is not. */
  readonly store: string;
  /** The name of the manifest in the store. */
  readonly manifest: string;
  readonly at: string;
}

/** For the meaning of each, see proto/stele/v1/load.proto. */
export type LoadState = 'RUNNING' | 'COMMITTED' | 'REJECTED' | 'FAILED' | 'CANCELLED' | 'ABANDONED';

/** The counters of a load as it last reported them. */
export interface LoadProgressRecord {
  readonly rows: number;
  readonly rejected: number;
  readonly bytesDone: number;
  readonly bytesTotal: number;
  readonly shardsDone: number;
  readonly shardsTotal: number;
}

export interface LoadRecord {
  readonly id: string;
  readonly keyspaceUid: KeyspaceUid;
  readonly state: LoadState;
  readonly source: string;
  /** BeginLoadRequest.input; absent in records of 0.1.0. */
  readonly input?: string;
  readonly inputFingerprint: string;
  readonly minReplicas: number;
  readonly mode?: 'REPLACE' | 'APPEND';
  /** For mode APPEND: the current version when the load began or was last resumed. */
  readonly base?: number;
  readonly owner?: { readonly host: string; readonly pid: number; readonly user: string };
  /** BeginLoadRequest.work_token; absent in records of earlier releases. */
  readonly workToken?: string;
  readonly startedAt: string;
  readonly endedAt?: string;
  readonly progress?: LoadProgressRecord;
  /** The version it became, if COMMITTED or REJECTED, with its records and digest. */
  readonly version?: number;
  readonly records?: number;
  readonly digest?: string;
  /** The reason why it ended without a commit or was interrupted. */
  readonly reason?: string;
  /** The loader has shut down cleanly and may resume the load; the state is still RUNNING. */
  readonly interruptedAt?: string;
}

export interface NodeRecord {
  readonly id: string;
  readonly incarnation: string;
  readonly address: {
    readonly host: string;
    readonly httpPort: number;
    readonly respPort: number;
    readonly grpcPort: number;
  };
  readonly zone: string;
  /** Size relative to the other datanodes; absent: 1. */
  readonly weight?: number;
  /** The newest segment format that it reads; absent: 1. */
  readonly segmentFormat?: number;
  readonly drain: boolean;
}

export interface UserRecord {
  readonly name: string;
  /** See access/passwords.ts. */
  readonly passwordHash: string;
  readonly disabled: boolean;
  readonly roles: readonly string[];
  /** Empty: none. */
  readonly defaultKeyspace: string;
  readonly createdAt: string;
}

export interface RoleRecord {
  readonly name: string;
  /** `read:geo*` */
  readonly grants: readonly string[];
}

export interface TokenRecord {
  readonly id: string;
  readonly user: string;
  /** The SHA-256 of the token, in hex (access/tokens.ts). */
  readonly hash: string;
  /** Unix time in ms; 0: never. */
  readonly expiresMs: number;
  /** Narrow what the roles of the user allow; empty: they do not. */
  readonly roles: readonly string[];
  readonly createdAt: string;
}

/** An event; fields that do not apply are absent. */
/** The caller of a change. Strings of at most 128 characters. */
export interface Actor {
  readonly door: 'grpc' | 'http' | 'master';
  /** Where the request came from, without a port; empty if the master itself acts. */
  readonly address: string;
  /** The caller's own name, `user@host`; empty if it sends none. It is not verified. */
  readonly who: string;
}

export interface EventRecord extends Actor {
  /** 1, 2, 3 ... */
  readonly number: number;
  readonly at: string;
  /** docs/operations.md lists them. */
  readonly what: string;
  readonly uid?: string;
  readonly keyspace?: string;
  readonly node?: string;
  readonly load?: string;
  readonly from?: string;
  readonly to?: string;
  readonly reason?: string;
}

/** An event before it has a number, a time and an actor. */
export type Happening = Omit<EventRecord, 'number' | 'at' | 'door' | 'address' | 'who'> & {
  /** From the load's owner, if the caller does not identify itself. */
  readonly who?: string;
};

/** The record type of each table. */
export interface Tables {
  readonly cluster: ClusterRecord;
  readonly epoch: EpochRecord;
  readonly counters: CountersRecord;
  readonly keyspace: KeyspaceRecord;
  readonly observed: ObservedRecord;
  readonly version: VersionRecord;
  readonly manifest: ManifestRecord;
  readonly archived: ArchivedRecord;
  readonly load: LoadRecord;
  readonly event: EventRecord;
  readonly node: NodeRecord;
  readonly user: UserRecord;
  readonly role: RoleRecord;
  readonly token: TokenRecord;
}

export type TableName = keyof Tables;

/** The record ids of each table; empty for a table with a single record. */
export interface TableKeys extends Record<TableName, string> {
  readonly keyspace: KeyspaceUid;
  readonly observed: KeyspaceUid;
  readonly version: VersionId;
  readonly manifest: VersionId;
  readonly archived: VersionId;
}

/** The key of a record: its table, then its id in the table. */
export function keyOf(table: TableName, id: string): string {
  return id === '' ? table : `${table}/${id}`;
}

const TABLES: readonly TableName[] = [
  'cluster',
  'epoch',
  'counters',
  'keyspace',
  'observed',
  'version',
  'manifest',
  'archived',
  'load',
  'event',
  'node',
  'user',
  'role',
  'token',
];

/**
 * Parses a key of `keyOf` into table and id. Undefined for a table that this release does not know.
 */
export function parseKey(
  key: string,
): { readonly table: TableName; readonly id: string } | undefined {
  const slash = key.indexOf('/');
  const table = TABLES.find((name) => name === (slash < 0 ? key : key.slice(0, slash)));
  return table && { table, id: slash < 0 ? '' : key.slice(slash + 1) };
}

/** `<uid>/<number>`: identifies a version and its manifest. */
export type VersionId = Branded<string, 'VersionId'>;

export function versionId(uid: string, number: number): VersionId {
  return `${uid}/${number}` as VersionId;
}

export function encodeRecord(record: object): string {
  return JSON.stringify({ format: RECORD_FORMAT, ...record });
}

/** Throws UNKNOWN_FORMAT for a record of another release, CORRUPT for text that is not a record. */
export function recordOf(key: string, parsed: unknown): object {
  if (typeof parsed !== 'object' || parsed === null || !('format' in parsed)) {
    throw new SteleError('CORRUPT', `The catalog's entry '${key}' is not a record of Stele.`);
  }
  const { format, ...record } = parsed;
  if (format === RECORD_FORMAT) return record;
  throw new SteleError(
    'UNKNOWN_FORMAT',
    Number(format) < RECORD_FORMAT
      ? `The catalog's entry '${key}' was written by an earlier release, whose segments this one does not read. Start with an empty --data-dir and load again, or go on with the earlier release.`
      : `The catalog's entry '${key}' has format ${String(format)}; this Stele reads ${RECORD_FORMAT}. Start a newer Stele on this data folder.`,
  );
}
