// A DatanodeLink over gRPC: orders and bulk bytes on one connection, lookups on another, so that a
// segment in transfer never delays a read.

import { connectivityState, credentials } from '@grpc/grpc-js';
import { SteleError } from '../base/errors.ts';
import { callUnary, CHANNEL_OPTIONS } from './grpc-channel.ts';
import { steleErrorFromGrpc } from './grpc-errors.ts';
import { GrpcLookupChannel } from './lookup-stream.ts';
import { DatanodeServiceClient } from './gen/stele/v1/datanode.ts';
import type {
  ApplyViewRequest,
  ApplyViewResponse,
  CopySegmentsRequest,
  CopySegmentsResponse,
  DiffShardsRequest,
  DiffShardsResponse,
  DropSegmentsRequest,
  DropSegmentsResponse,
  FetchSegmentRequest,
  FetchSegmentResponse,
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
import { LookupServiceClient } from './gen/stele/v1/lookup.ts';
import type { CallOptions, DatanodeLink, LinkFactory, LinkTarget, LookupChannel } from './ports.ts';

/** `host:port` of an address's gRPC side, with brackets around IPv6. */
function grpcAddress(address: { readonly host: string; readonly grpcPort: number }): string {
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return `${host}:${address.grpcPort}`;
}

export class GrpcLinkFactory implements LinkFactory {
  connect(target: LinkTarget): DatanodeLink {
    return new GrpcDatanodeLink(target);
  }
}

class GrpcDatanodeLink implements DatanodeLink {
  readonly lookups: LookupChannel;
  readonly #peer: string;
  readonly #client: DatanodeServiceClient;
  readonly #lookupClient: LookupServiceClient;

  constructor(target: LinkTarget) {
    const address = grpcAddress(target.address);
    this.#peer = `datanode ${target.nodeId} at ${address}`;
    this.#client = new DatanodeServiceClient(
      address,
      credentials.createInsecure(),
      CHANNEL_OPTIONS,
    );
    this.#lookupClient = new LookupServiceClient(
      address,
      credentials.createInsecure(),
      CHANNEL_OPTIONS,
    );
    this.lookups = new GrpcLookupChannel(this.#lookupClient, {
      peer: this.#peer,
      expectNode: target.nodeId,
    });
  }

  heartbeat(request: HeartbeatRequest, options: CallOptions): Promise<HeartbeatResponse> {
    return callUnary(this.#client.heartbeat.bind(this.#client), request, this.#peer, options);
  }

  listHoldings(request: ListHoldingsRequest, options: CallOptions): Promise<ListHoldingsResponse> {
    return callUnary(this.#client.listHoldings.bind(this.#client), request, this.#peer, options);
  }

  applyView(request: ApplyViewRequest, options: CallOptions): Promise<ApplyViewResponse> {
    return callUnary(this.#client.applyView.bind(this.#client), request, this.#peer, options);
  }

  putManifest(request: PutManifestRequest, options: CallOptions): Promise<PutManifestResponse> {
    return callUnary(this.#client.putManifest.bind(this.#client), request, this.#peer, options);
  }

  copySegments(request: CopySegmentsRequest, options: CallOptions): Promise<CopySegmentsResponse> {
    return callUnary(this.#client.copySegments.bind(this.#client), request, this.#peer, options);
  }

  restart(request: RestartRequest, options: CallOptions): Promise<RestartResponse> {
    return callUnary(this.#client.restart.bind(this.#client), request, this.#peer, options);
  }

  dropSegments(request: DropSegmentsRequest, options: CallOptions): Promise<DropSegmentsResponse> {
    return callUnary(this.#client.dropSegments.bind(this.#client), request, this.#peer, options);
  }

  scanKeys(request: ScanKeysRequest, options: CallOptions): Promise<ScanKeysResponse> {
    return callUnary(this.#client.scanKeys.bind(this.#client), request, this.#peer, options);
  }

  listSlotKeys(request: ListSlotKeysRequest, options: CallOptions): Promise<ListSlotKeysResponse> {
    return callUnary(this.#client.listSlotKeys.bind(this.#client), request, this.#peer, options);
  }

  measureDeltas(
    request: MeasureDeltasRequest,
    options: CallOptions,
  ): Promise<MeasureDeltasResponse> {
    return callUnary(this.#client.measureDeltas.bind(this.#client), request, this.#peer, options);
  }

  mergeSegments(
    request: MergeSegmentsRequest,
    options: CallOptions,
  ): Promise<MergeSegmentsResponse> {
    return callUnary(this.#client.mergeSegments.bind(this.#client), request, this.#peer, options);
  }

  diffShards(request: DiffShardsRequest, options: CallOptions): Promise<DiffShardsResponse> {
    return callUnary(this.#client.diffShards.bind(this.#client), request, this.#peer, options);
  }

  async *fetchSegment(
    request: FetchSegmentRequest,
    options: CallOptions,
  ): AsyncGenerator<Uint8Array> {
    if (options.signal?.aborted === true) throw new SteleError('CANCELLED', 'Cancelled.');
    const call = this.#client.fetchSegment(request, { deadline: Date.now() + options.deadlineMs });
    const cancel = (): void => call.cancel();
    options.signal?.addEventListener('abort', cancel, { once: true });
    try {
      for await (const response of call as AsyncIterable<FetchSegmentResponse>) {
        yield response.chunk;
      }
    } catch (thrown) {
      throw steleErrorFromGrpc(thrown, this.#peer);
    } finally {
      options.signal?.removeEventListener('abort', cancel);
      call.cancel();
    }
  }

  isConnected(): boolean {
    return this.#lookupClient.getChannel().getConnectivityState(true) === connectivityState.READY;
  }

  close(): void {
    this.lookups.close();
    this.#lookupClient.close();
    this.#client.close();
  }
}
