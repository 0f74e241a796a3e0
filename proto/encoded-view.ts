// Encodes each view once for all recipients: a view has tens of kilobytes in a large cluster, and
// changes exactly when much else has to be done.
//
// The fields of a protobuf message may be in any order, so a message with a view is its other
// fields, encoded as usual, followed by the view's bytes.

import { makeGenericClientConstructor } from '@grpc/grpc-js';
import { ClusterServiceService } from './gen/stele/v1/cluster.ts';
import type { WatchViewResponse } from './gen/stele/v1/cluster.ts';
import {
  ApplyViewRequest,
  DatanodeServiceClient,
  DatanodeServiceService,
} from './gen/stele/v1/datanode.ts';
import { ClusterView } from './gen/stele/v1/view.ts';

const WIRE_TYPE_BYTES = 2;
/** Numbers of the field `view` in the messages that carry one. */
const VIEW_OF_WATCH = 1;
const VIEW_OF_APPLY = 2;

const encoded = new WeakMap<ClusterView, Buffer>();

/**
 * The bytes of `view`, which must not change afterwards. They are shared and must not be modified.
 */
export function encodedView(view: ClusterView): Buffer {
  let bytes = encoded.get(view);
  if (bytes === undefined) {
    bytes = Buffer.from(ClusterView.encode(view).finish());
    encoded.set(view, bytes);
  }
  return bytes;
}

function encodeWatchView({ view }: WatchViewResponse): Buffer {
  return view === undefined ? Buffer.alloc(0) : withView(new Uint8Array(0), VIEW_OF_WATCH, view);
}

function encodeApplyView({ header, view }: ApplyViewRequest): Buffer {
  const rest = ApplyViewRequest.encode({ header, view: undefined }).finish();
  return view === undefined ? Buffer.from(rest) : withView(rest, VIEW_OF_APPLY, view);
}

function withView(rest: Uint8Array, field: number, view: ClusterView): Buffer {
  const bytes = encodedView(view);
  const head = Uint8Array.from([(field << 3) | WIRE_TYPE_BYTES, ...varint(bytes.length)]);
  return Buffer.concat([rest, head, bytes]);
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let left = value;
  for (; left >= 0x80; left >>>= 7) bytes.push((left & 0x7f) | 0x80);
  return [...bytes, left];
}

/** ClusterService for a server: all watchers of a view are sent the same bytes. */
export const clusterServiceDefinition: typeof ClusterServiceService = {
  ...ClusterServiceService,
  watchView: { ...ClusterServiceService.watchView, responseSerialize: encodeWatchView },
};

/** A client class for datanodes that sends the same bytes of a view to all of them. */
export const ViewSendingClient = makeGenericClientConstructor(
  {
    ...DatanodeServiceService,
    applyView: { ...DatanodeServiceService.applyView, requestSerialize: encodeApplyView },
  },
  'stele.v1.DatanodeService',
) as unknown as typeof DatanodeServiceClient;
