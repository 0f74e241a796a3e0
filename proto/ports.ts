// What the roles ask of each other, as interfaces over the messages of stele.v1.
//
// Each has two implementations: over the network between processes, and direct calls where master and
// datanodes share one process. A caller cannot tell them apart: same messages, same errors
// (SteleError), a deadline on every call.

import type { SteleError } from '../base/errors.ts';
import type {
  ApplyViewRequest,
  ApplyViewResponse,
  CopySegmentsRequest,
  CopySegmentsResponse,
  DiffShardsRequest,
  DiffShardsResponse,
  DropSegmentsRequest,
  DropSegmentsResponse,
  HeartbeatRequest,
  HeartbeatResponse,
  ListHoldingsRequest,
  ListHoldingsResponse,
  ListSlotKeysRequest,
  ListSlotKeysResponse,
  MeasureDeltasRequest,
  MeasureDeltasResponse,
  MergeSegmentsRequest,
  MergeSegmentsResponse,
  PutManifestRequest,
  PutManifestResponse,
  RestartRequest,
  RestartResponse,
  ScanKeysRequest,
  ScanKeysResponse,
} from './gen/stele/v1/datanode.ts';
import type { RegisterNodeRequest, RegisterNodeResponse } from './gen/stele/v1/cluster.ts';
import type { LookupStatus } from './gen/stele/v1/lookup.ts';
import type { NodeAddress } from './gen/stele/v1/view.ts';
import type { SegmentWish } from './segment-transfer.ts';

export interface CallOptions {
  /** The call fails with DEADLINE_EXCEEDED after this. */
  readonly deadlineMs: number;
  /** Aborting fails the call with CANCELLED. */
  readonly signal?: AbortSignal;
}

/** The orders that a master gives to one datanode. */
interface DatanodeControl {
  heartbeat(request: HeartbeatRequest, options: CallOptions): Promise<HeartbeatResponse>;
  listHoldings(request: ListHoldingsRequest, options: CallOptions): Promise<ListHoldingsResponse>;
  applyView(request: ApplyViewRequest, options: CallOptions): Promise<ApplyViewResponse>;
  putManifest(request: PutManifestRequest, options: CallOptions): Promise<PutManifestResponse>;
  copySegments(request: CopySegmentsRequest, options: CallOptions): Promise<CopySegmentsResponse>;
  dropSegments(request: DropSegmentsRequest, options: CallOptions): Promise<DropSegmentsResponse>;
  restart(request: RestartRequest, options: CallOptions): Promise<RestartResponse>;
  measureDeltas(
    request: MeasureDeltasRequest,
    options: CallOptions,
  ): Promise<MeasureDeltasResponse>;
  mergeSegments(
    request: MergeSegmentsRequest,
    options: CallOptions,
  ): Promise<MergeSegmentsResponse>;
}

/** One dataset to look keys up in: exactly one version, so that a batch never mixes two. */
export interface LookupTargetRef {
  readonly keyspaceUid: string;
  readonly version: number;
}

/** A dataset that no node has: who looks a key up in it only wants to know whether reads are answered. */
export const PROBE_TARGET: LookupTargetRef = { keyspaceUid: '', version: 0 };

/**
 * The answer to one key. `bytes` is shared with other answers and, with direct calls, with the
 * segment itself: read [start, end) at once, or copy it. Not for keeping.
 */
export type LookupSink = (
  index: number,
  status: LookupStatus,
  bytes: Uint8Array,
  start: number,
  end: number,
) => void;

/** Reads from one datanode. */
export interface LookupChannel {
  /**
   * Looks `keys` up; calls `sink` once for each key, in any order, then resolves. Rejects with a
   * SteleError when the datanode could not be asked; keys already answered stay answered.
   * All calls made in one turn of the event loop travel in one message.
   */
  lookup(
    target: LookupTargetRef,
    keys: readonly Uint8Array[],
    sink: LookupSink,
    options: CallOptions,
  ): Promise<void>;
  /** Keys asked for and not yet answered. */
  readonly inFlight: number;
  /** Why there is no connection, where one could not be made. Absent: not known. */
  readonly failure?: SteleError | undefined;
  close(): void;
}

/** Where a fetched segment goes. */
export interface FetchTarget {
  /** As long as the segment; written to until the call is over. */
  readonly bytes: Uint8Array;
  /** Told of bytes that have come in; returns for how many ms no more are to be taken. */
  pace(byteCount: number): number;
}

/** Everything one role can ask of a datanode. */
export interface DatanodeLink extends DatanodeControl {
  readonly lookups: LookupChannel;
  /** Keys from a place on. They may be views of a segment: not for keeping. */
  scanKeys(request: ScanKeysRequest, options: CallOptions): Promise<ScanKeysResponse>;
  /** The keys of a slot; takes as long as reading a whole shard. Views of a segment as well. */
  listSlotKeys(request: ListSlotKeysRequest, options: CallOptions): Promise<ListSlotKeysResponse>;
  diffShards(request: DiffShardsRequest, options: CallOptions): Promise<DiffShardsResponse>;
  /** Resolves when `into` has the bytes of a segment. Rejects with CORRUPT where they are not so many. */
  fetchSegment(wish: SegmentWish, into: FetchTarget, options: CallOptions): Promise<void>;
  /** Whether lookups would go out at once; where not, a connection is being made. Absent: always. */
  isConnected?(): boolean;
  /** Calls `listener` each time that a connection which was there is lost. Absent: never. */
  onLost?(listener: () => void): void;
  close(): void;
}

/** Whom a link is for; a process that answers as somebody else is refused (WRONG_NODE). */
export interface LinkTarget {
  readonly nodeId: string;
  readonly address: NodeAddress;
}

/** Makes links: over the network, or straight to the object in this process. */
export interface LinkFactory {
  connect(target: LinkTarget): DatanodeLink;
}

/** What a datanode asks of its master. */
export interface Registrar {
  registerNode(request: RegisterNodeRequest, options: CallOptions): Promise<RegisterNodeResponse>;
}
