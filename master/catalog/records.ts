// What the catalog holds, record by record, as it is stored: JSON with a format number.
//
//   cluster                      identity, fixed at the first start; the ring's virtual nodes
//   epoch                        the present leader's term
//   counters                     what the next new things are numbered by
//   keyspace/<uid>               one dataset: name, state, what is desired of it
//   version/<uid>/<number>       one version's summary, with the gate it was held against
//   manifest/<uid>/<number>      its segments, gone with the version's files. What they hold together
//                                never changes; which they are does when deltas are merged
//   observed/<uid>               what the control loop has found a keyspace to be; written by it alone
//   load/<id>                    one bulk load
//   event/<number>               who did what, the last of them (events.ts)
//   node/<id>                    one datanode that has ever joined and was not removed
//
// Byte strings are hex. Wall times are for people only.

import { SteleError } from '../../base/errors.ts';
import type { AppendOutcome } from '../../proto/gen/stele/v1/load.ts';
import type { Manifest, SegmentInfo } from '../../proto/gen/stele/v1/segment.ts';
import { totalsMessage } from './totals.ts';
import type { TotalsRecord } from './totals.ts';

const RECORD_FORMAT = 1;

export interface ClusterRecord {
  readonly id: string;
  readonly shardCount: number;
  /** Per unit of a datanode's weight; absent: one for each shard. */
  readonly virtualNodes?: number;
  readonly createdAt: string;
}

interface EpochRecord {
  readonly epoch: number;
  /** Names the start of a master that has taken it (ClusterView.term). Absent in catalogs of earlier releases. */
  readonly term?: string;
}

/** Numbers that are given once: what has been seen with one of them is never called by it again. */
interface CountersRecord {
  /** The index of the next new keyspace. */
  readonly nextIndex: number;
  /** How often numbers were stepped over because this catalog may have missed some (skipNumbers). */
  readonly skips: number;
}

/** What commits and operators made of it; what the control loop finds is in ObservedRecord. */
type KeyspaceState = 'INITIALIZING' | 'RUNNING' | 'DELETING';

/** A commit that was tried under `version`; the number is kept for the same content only. */
interface CommitAttempt {
  readonly version: number;
  readonly loadId: string;
  readonly fingerprint: string;
}

export interface KeyspaceRecord {
  /** 16 random hex digits; a keyspace dropped and made again has another. */
  readonly uid: string;
  readonly name: string;
  /** What RESP SELECT takes; 0 belongs to the name `default`. */
  readonly index: number;
  readonly state: KeyspaceState;
  readonly desired: {
    /** 0: nothing committed yet. */
    readonly currentVersion: number;
    /** 0: the cluster's. */
    readonly replication: number;
    /** Committed versions to keep; absent: KEEP_DEFAULT. */
    readonly keep?: number;
    /** On disk only. */
    readonly suspended?: boolean;
    /** Masters do not cache its values. */
    readonly uncached?: boolean;
  };
  readonly nextVersion: number;
  readonly attempt?: CommitAttempt;
  readonly createdAt: string;
}

/** The states of a keyspace that a loop can be in, or (REPAIRING) is repaired in. */
export type KeyspacePhase = 'INITIALIZING' | 'RUNNING' | 'SUSPENDING' | 'SUSPENDED' | 'DELETING';

/** What keeps it from going on, and how often that was tried. */
interface RepairingRecord {
  readonly from: KeyspacePhase;
  readonly error: string;
  readonly attempts: number;
  readonly nextRetryAt: string;
  readonly needsPerson: boolean;
}

/** What is desired is in KeyspaceRecord, which no loop writes. */
export interface ObservedRecord {
  readonly uid: string;
  readonly state: KeyspacePhase | 'REPAIRING';
  readonly repairing?: RepairingRecord;
}

/**
 * COMMITTED: kept everywhere. REJECTED: whole and kept, but it did not pass its gate. RETIRED: its
 * files are being dropped. BURNT: its manifest was handed out, but the commit failed and other
 * content came after it. DELETED: nothing of it is left but this record.
 */
type VersionState = 'COMMITTED' | 'REJECTED' | 'RETIRED' | 'BURNT' | 'DELETED';

/** What a version had to be like to go live; rows are its records (proto/load-gate.ts). */
export interface GateRecord {
  readonly expectRows?: number;
  /** A fraction of `expectRows`. */
  readonly expectTolerance?: number;
  readonly minRows?: number;
  /** A fraction of the rows of the version before. */
  readonly maxShrink?: number;
  readonly requireKeys: readonly RequiredKeyRecord[];
}

export interface RequiredKeyRecord {
  readonly key: string;
  readonly value?: string;
}

export interface VersionRecord {
  readonly uid: string;
  readonly number: number;
  readonly state: VersionState;
  readonly records: number;
  readonly keyBytes: number;
  readonly valueBytes: number;
  readonly segmentBytes: number;
  readonly digest: string;
  readonly source: string;
  /** How its input was read; absent in records of 0.1.0. */
  readonly input?: string;
  readonly inputFingerprint: string;
  readonly loadId: string;
  readonly committedAt: string;
  /** Names its content; absent in records of 0.1.0. */
  readonly fingerprint?: string;
  readonly gate?: GateRecord;
  /** Where REJECTED: why. */
  readonly rejection?: string;
  /** What was current before it became so: where a rollback goes. 0: nothing was. */
  readonly follows?: number;
  /** Where it came from an append: what that changed. */
  readonly append?: AppendRecord;
  /** When it last went live, or was rejected; absent in records of earlier releases. */
  readonly copies?: CopiesRecord;
}

/** Verified copies of the shard that has the fewest, and how many there should be, which are not fewer. */
export interface CopiesRecord {
  readonly least: number;
  readonly wanted: number;
}

export interface AppendRecord {
  /** The version that was appended to; 0: there was none. */
  readonly base: number;
  readonly added: number;
  readonly replaced: number;
  readonly unchanged: number;
}

export interface SegmentRecord extends TotalsRecord {
  readonly id: string;
  readonly shard: number;
  readonly fileBytes: number;
}

export interface ManifestRecord {
  readonly uid: string;
  readonly version: number;
  /** By shard, and within a shard oldest first: a base, then its deltas. */
  readonly segments: readonly SegmentRecord[];
  /** By id of a delta: the records of older segments of its shard whose keys it has. */
  readonly overwritten?: Readonly<Record<string, TotalsRecord>>;
  /** How often deltas were merged in it; absent: never. */
  readonly revision?: number;
  /** Ids of segments that were merged away, and go from the datanodes. */
  readonly merged?: readonly string[];
}

/** proto/stele/v1/load.proto says what each means. */
export type LoadState = 'RUNNING' | 'COMMITTED' | 'REJECTED' | 'FAILED' | 'CANCELLED' | 'ABANDONED';

/** The numbers of a load as it last reported them. */
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
  readonly keyspaceUid: string;
  readonly state: LoadState;
  readonly source: string;
  /** BeginLoadRequest.input; absent in records of 0.1.0. */
  readonly input?: string;
  readonly inputFingerprint: string;
  readonly minReplicas: number;
  readonly mode?: 'REPLACE' | 'APPEND';
  /** Where the mode is APPEND: the version that was current when it began, or was taken up again. */
  readonly base?: number;
  readonly owner?: { readonly host: string; readonly pid: number; readonly user: string };
  /** BeginLoadRequest.work_token; absent in records of earlier releases. */
  readonly workToken?: string;
  readonly startedAt: string;
  readonly endedAt?: string;
  readonly progress?: LoadProgressRecord;
  /** The version it became, when COMMITTED or REJECTED, with its records and digest. */
  readonly version?: number;
  readonly records?: number;
  readonly digest?: string;
  /** Why it ended without a commit, or was interrupted. */
  readonly reason?: string;
  /** Its loader has stopped in order, and may take it up again; the state is still RUNNING. */
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
  /** Size beside the others; absent: 1. */
  readonly weight?: number;
  readonly drain: boolean;
}

/** Something that was done; fields that do not apply are absent. */
/** Who asks for a change. Strings of at most 128 characters. */
export interface Actor {
  readonly door: 'grpc' | 'http' | 'master';
  /** Where the request came from, without a port; empty where the master itself acts. */
  readonly address: string;
  /** What the caller calls itself, `user@host`; empty: it does not say. Nobody has checked it. */
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
  /** Of the load's owner, where the caller does not say who it is. */
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
  readonly load: LoadRecord;
  readonly event: EventRecord;
  readonly node: NodeRecord;
}

export type TableName = keyof Tables;

/** The key of a record: its table, then its identity within it. */
export function keyOf(table: TableName, id: string): string {
  return id === '' ? table : `${table}/${id}`;
}

/** `<uid>/<number>`: a version's or manifest's identity. */
export function versionId(uid: string, number: number): string {
  return `${uid}/${number}`;
}

export function encodeRecord(record: object): string {
  return JSON.stringify({ format: RECORD_FORMAT, ...record });
}

/** Throws UNKNOWN_FORMAT for a record that a newer Stele wrote, CORRUPT for no record at all. */
export function decodeRecord(key: string, text: string): object {
  const parsed: unknown = JSON.parse(text);
  if (typeof parsed !== 'object' || parsed === null || !('format' in parsed)) {
    throw new SteleError('CORRUPT', `The catalog's entry '${key}' is not a record of Stele.`);
  }
  const { format, ...record } = parsed;
  if (format === RECORD_FORMAT) return record;
  throw new SteleError(
    'UNKNOWN_FORMAT',
    `The catalog's entry '${key}' has format ${String(format)}; this Stele reads ${RECORD_FORMAT}. Start a newer Stele on this data folder.`,
  );
}

export function segmentRecord(info: SegmentInfo): SegmentRecord {
  return { ...info, digest: info.digest.toString('hex') };
}

export function segmentInfo(record: SegmentRecord): SegmentInfo {
  return { ...record, digest: Buffer.from(record.digest, 'hex') };
}

/** Hex digits of a fingerprint as it travels. */
const FINGERPRINT_DIGITS = 16;

/**
 * Names the content of a version, and the segments that it was committed with: what has the same number and
 * another fingerprint is another version. Stays the same when deltas are merged.
 */
export function fingerprintOf({
  digest,
  fingerprint = digest,
}: Pick<VersionRecord, 'digest' | 'fingerprint'>): string {
  return fingerprint.slice(0, FINGERPRINT_DIGITS);
}

type DescribedVersion = Pick<
  VersionRecord,
  'number' | 'records' | 'keyBytes' | 'valueBytes' | 'digest' | 'fingerprint'
>;

/** The message that datanodes get. `revision`: queries.ts, revisionOf. */
export function manifestMessage(
  keyspace: KeyspaceRecord,
  version: DescribedVersion,
  manifest: ManifestRecord,
  { revision, shardCount }: { readonly revision: number; readonly shardCount: number },
): Manifest {
  return {
    keyspaceUid: keyspace.uid,
    keyspace: keyspace.name,
    version: version.number,
    fingerprint: fingerprintOf(version),
    shardCount,
    segments: manifest.segments.map(segmentInfo),
    records: version.records,
    keyBytes: version.keyBytes,
    valueBytes: version.valueBytes,
    digest: Buffer.from(version.digest, 'hex'),
    revision,
    overwritten: Object.entries(manifest.overwritten ?? {}).map(([segmentId, totals]) => ({
      segmentId,
      totals: totalsMessage(totals),
    })),
  };
}

export function appendMessage({ base, ...counts }: AppendRecord): AppendOutcome {
  return { baseVersion: base, ...counts };
}
