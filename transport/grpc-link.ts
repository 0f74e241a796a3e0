// A DatanodeLink between processes: orders over gRPC; lookups (lookup-channel.ts) and segments
// (segment-fetch.ts) over separate connections to the HTTP port.

import { connectivityState } from '@grpc/grpc-js';
import { linkAbort } from '../base/abort.ts';
import { hostAndPort } from '../base/address.ts';
import type { DialIdentity } from './dial-identity.ts';
import { callUnary, openClient } from './grpc-channel.ts';
import type { UnaryMethod } from './grpc-channel.ts';
import { ViewSendingClient } from '../proto/encoded-view.ts';
import type { DatanodeServiceClient } from '../proto/gen/stele/v1/datanode.ts';
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
} from '../proto/gen/stele/v1/datanode.ts';
import { ConnectedLookups } from './lookup-channel.ts';
import type {
  CallOptions,
  DatanodeLink,
  FetchTarget,
  LinkFactory,
  LinkTarget,
} from '../proto/ports.ts';
import { SegmentFetches } from './segment-fetch.ts';
import type { SegmentWish } from '../proto/segment-transfer.ts';

export class GrpcLinkFactory implements LinkFactory {
  readonly #identity: DialIdentity;

  constructor(identity: DialIdentity = {}) {
    this.#identity = identity;
  }

  connect(target: LinkTarget): DatanodeLink {
    return new GrpcDatanodeLink(target, this.#identity);
  }
}

class GrpcDatanodeLink implements DatanodeLink {
  readonly lookups: ConnectedLookups;
  readonly #peer: string;
  readonly #client: DatanodeServiceClient;
  readonly #fetches: SegmentFetches;
  readonly #closing = new AbortController();

  constructor(target: LinkTarget, identity: DialIdentity) {
    const address = hostAndPort(target.address.host, target.address.grpcPort);
    this.#peer = `datanode ${target.nodeId} at ${address}`;
    this.#client = openClient(ViewSendingClient, address, identity);
    this.#fetches = new SegmentFetches(target, identity);
    this.lookups = new ConnectedLookups(target, identity);
  }

  heartbeat(request: HeartbeatRequest, options: CallOptions): Promise<HeartbeatResponse> {
    return this.#call(this.#client.heartbeat.bind(this.#client), request, options);
  }

  listHoldings(request: ListHoldingsRequest, options: CallOptions): Promise<ListHoldingsResponse> {
    return this.#call(this.#client.listHoldings.bind(this.#client), request, options);
  }

  applyView(request: ApplyViewRequest, options: CallOptions): Promise<ApplyViewResponse> {
    return this.#call(this.#client.applyView.bind(this.#client), request, options);
  }

  putManifest(request: PutManifestRequest, options: CallOptions): Promise<PutManifestResponse> {
    return this.#call(this.#client.putManifest.bind(this.#client), request, options);
  }

  copySegments(request: CopySegmentsRequest, options: CallOptions): Promise<CopySegmentsResponse> {
    return this.#call(this.#client.copySegments.bind(this.#client), request, options);
  }

  restart(request: RestartRequest, options: CallOptions): Promise<RestartResponse> {
    return this.#call(this.#client.restart.bind(this.#client), request, options);
  }

  dropSegments(request: DropSegmentsRequest, options: CallOptions): Promise<DropSegmentsResponse> {
    return this.#call(this.#client.dropSegments.bind(this.#client), request, options);
  }

  getHotKeys(request: GetHotKeysRequest, options: CallOptions): Promise<GetHotKeysResponse> {
    return this.#call(this.#client.getHotKeys.bind(this.#client), request, options);
  }

  measureRecords(
    request: MeasureRecordsRequest,
    options: CallOptions,
  ): Promise<MeasureRecordsResponse> {
    return this.#call(this.#client.measureRecords.bind(this.#client), request, options);
  }

  scanKeys(request: ScanKeysRequest, options: CallOptions): Promise<ScanKeysResponse> {
    return this.#call(this.#client.scanKeys.bind(this.#client), request, options);
  }

  measureDeltas(
    request: MeasureDeltasRequest,
    options: CallOptions,
  ): Promise<MeasureDeltasResponse> {
    return this.#call(this.#client.measureDeltas.bind(this.#client), request, options);
  }

  archiveSegments(
    request: ArchiveSegmentsRequest,
    options: CallOptions,
  ): Promise<ArchiveSegmentsResponse> {
    return this.#call(this.#client.archiveSegments.bind(this.#client), request, options);
  }

  mergeSegments(
    request: MergeSegmentsRequest,
    options: CallOptions,
  ): Promise<MergeSegmentsResponse> {
    return this.#call(this.#client.mergeSegments.bind(this.#client), request, options);
  }

  diffShards(request: DiffShardsRequest, options: CallOptions): Promise<DiffShardsResponse> {
    return this.#call(this.#client.diffShards.bind(this.#client), request, options);
  }

  countReads(request: CountReadsRequest, options: CallOptions): Promise<CountReadsResponse> {
    return this.#call(this.#client.countReads.bind(this.#client), request, options);
  }

  fetchSegment(wish: SegmentWish, into: FetchTarget, options: CallOptions): Promise<void> {
    return this.#fetches.fetch(wish, into, options);
  }

  isConnected(): boolean {
    return this.lookups.isConnected();
  }

  onLost(listener: () => void): void {
    const channel = this.#client.getChannel();
    const watch = (wasReady: boolean): void => {
      // Closing is a change of state as well.
      if (this.#closing.signal.aborted) return;
      const state = channel.getConnectivityState(false);
      const isReady = state === connectivityState.READY;
      channel.watchConnectivityState(state, Number.POSITIVE_INFINITY, () => watch(isReady));
      if (wasReady && !isReady) listener();
    };
    watch(false);
  }

  /**
   * grpc-js lets calls in flight run to their deadlines when a client closes, so they are cancelled
   * here.
   */
  async #call<Request, Response>(
    method: UnaryMethod<Request, Response>,
    request: Request,
    { deadlineMs, signal }: CallOptions,
  ): Promise<Response> {
    const linked = linkAbort(signal, this.#closing.signal);
    try {
      return await callUnary(method, request, this.#peer, { deadlineMs, signal: linked.signal });
    } finally {
      linked.end();
    }
  }

  close(): void {
    this.#closing.abort();
    this.lookups.close();
    this.#fetches.close();
    this.#client.close();
  }
}
