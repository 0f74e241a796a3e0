// The ports between roles, as interfaces over the messages of stele.v1.
//
// Each has two implementations: over the network between processes, and direct calls if master and
// datanodes share one process. A caller cannot tell them apart: same messages, same errors
// (SteleError), a deadline on every call.

import type { SteleError } from '../base/errors.ts';
import type {
  ApplyViewRequest,
  ApplyViewResponse,
  ArchiveSegmentsRequest,
  ArchiveSegmentsResponse,
  CopySegmentsRequest,
  CopySegmentsResponse,
  CountReadsRequest,
  CountReadsResponse,
  DiffShardsRequest,
  DiffShardsResponse,
  DropSegmentsRequest,
  DropSegmentsResponse,
  GetHotKeysRequest,
  GetHotKeysResponse,
  HeartbeatRequest,
  HeartbeatResponse,
  ListHoldingsRequest,
  ListHoldingsResponse,
  MeasureDeltasRequest,
  MeasureDeltasResponse,
  MeasureRecordsRequest,
  MeasureRecordsResponse,
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
  /** The call fails with DEADLINE_EXCEEDED after this time. */
  readonly deadlineMs: number;
  /** Aborting fails the call with CANCELLED. */
  readonly signal?: AbortSignal;
}

/** The orders of a master to one datanode. */
interface DatanodeControl {
  heartbeat(request: HeartbeatRequest, options: CallOptions): Promise<HeartbeatResponse>;
  listHoldings(request: ListHoldingsRequest, options: CallOptions): Promise<ListHoldingsResponse>;
  applyView(request: ApplyViewRequest, options: CallOptions): Promise<ApplyViewResponse>;
  putManifest(request: PutManifestRequest, options: CallOptions): Promise<PutManifestResponse>;
  copySegments(request: CopySegmentsRequest, options: CallOptions): Promise<CopySegmentsResponse>;
  dropSegments(request: DropSegmentsRequest, options: CallOptions): Promise<DropSegmentsResponse>;
  archiveSegments(
    request: ArchiveSegmentsRequest,
    options: CallOptions,
  ): Promise<ArchiveSegmentsResponse>;
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

/** One dataset to look up keys in: exactly one version, so that a batch never mixes two. */
export interface LookupTargetRef {
  readonly keyspaceUid: string;
  readonly version: number;
}

/** A dataset that no node has: a lookup in it only probes whether reads are answered. */
export const PROBE_TARGET: LookupTargetRef = { keyspaceUid: '', version: 0 };

/** One key to look up in one dataset. */
export interface LookupKey {
  readonly target: LookupTargetRef;
  readonly key: Uint8Array;
}

/** The keys of one message to one datanode, and the receiver of the answers. */
export interface LookupBatch {
  /**
   * At most LOOKUP_BATCH_KEYS_MAX; all but the last have fewer than LOOKUP_REPLY_SOFT_BYTES
   * together.
   */
  readonly keys: readonly LookupKey[];
  /**
   * Called with the answer to the next key, in the order of `keys`. `bytes` is shared with other
   * answers and, with direct calls, with the segment itself: read [start, end) at once, or copy it.
   */
  onAnswer(status: LookupStatus, bytes: Uint8Array, start: number, end: number): void;
  /** Called once if the remaining keys will not be answered. */
  onFailure(error: SteleError): void;
}

/** Reads from one datanode. */
export interface LookupChannel {
  /**
   * Sends a batch, which is answered or fails exactly once: possibly before this returns, and at
   * the latest when the datanode has been silent for two seconds. The caller enforces its own
   * deadlines and limits what is in flight.
   */
  send(batch: LookupBatch): void;
  /** Why a connection could not be made. Absent: unknown. */
  readonly failure?: SteleError | undefined;
  close(): void;
}

/** The destination of a fetched segment. */
export interface FetchTarget {
  /** Of the segment. */
  readonly byteLength: number;
  /** Where the next bytes go; not empty until all are there. Written to until the call ends. */
  readonly room: Uint8Array;
  /**
   * Notes that bytes were written to `room`, which is another one afterwards. If it returns a promise,
   * nothing may be written before that resolves. May throw, or reject: then the fetch fails with that.
   */
  filled(byteCount: number): Promise<void> | undefined;
  /** Notes bytes that have come in; returns how many ms to pause before the next. */
  pace(byteCount: number): number;
}

/** Everything that a role can ask of a datanode. */
export interface DatanodeLink extends DatanodeControl {
  readonly lookups: LookupChannel;
  /** Keys from a place on. They may be views of a segment and must not be kept. */
  scanKeys(request: ScanKeysRequest, options: CallOptions): Promise<ScanKeysResponse>;
  diffShards(request: DiffShardsRequest, options: CallOptions): Promise<DiffShardsResponse>;
  getHotKeys(request: GetHotKeysRequest, options: CallOptions): Promise<GetHotKeysResponse>;
  measureRecords(
    request: MeasureRecordsRequest,
    options: CallOptions,
  ): Promise<MeasureRecordsResponse>;
  countReads(request: CountReadsRequest, options: CallOptions): Promise<CountReadsResponse>;
  /**
   * Resolves when `into` has all bytes of a segment. Rejects with CORRUPT if the segment has
   * another size.
   */
  fetchSegment(wish: SegmentWish, into: FetchTarget, options: CallOptions): Promise<void>;
  /** Whether lookups would be sent at once; if not, a connection is being made. Absent: always. */
  isConnected?(): boolean;
  /** Calls `listener` each time an established connection is lost. Absent: never. */
  onLost?(listener: () => void): void;
  close(): void;
}

/** The addressee of a link; a process that answers as another node is refused (WRONG_NODE). */
export interface LinkTarget {
  readonly nodeId: string;
  readonly address: NodeAddress;
}

/** Makes links: over the network, or directly to the object in this process. */
export interface LinkFactory {
  connect(target: LinkTarget): DatanodeLink;
}

/** What a datanode asks of its master. */
export interface Registrar {
  registerNode(request: RegisterNodeRequest, options: CallOptions): Promise<RegisterNodeResponse>;
}
