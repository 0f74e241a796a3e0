// Views as bytes, encoded once for everybody who is sent them: a view has tens of kilobytes in a large cluster,
// and changes exactly when much else is to be done.
//
// A message of protobuf may have its fields in any order, so a message around a view is the rest of it,
// encoded as usual, and the view's bytes after that.

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

/** The bytes of `view`, which must not be changed afterwards. They are shared: not for writing. */
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

/** ClusterService, as a server offers it: watchers of one view are sent the same bytes. */
export const clusterServiceDefinition: typeof ClusterServiceService = {
  ...ClusterServiceService,
  watchView: { ...ClusterServiceService.watchView, responseSerialize: encodeWatchView },
};

/** A client of datanodes that sends all of them the same bytes of a view. */
export const ViewSendingClient = makeGenericClientConstructor(
  {
    ...DatanodeServiceService,
    applyView: { ...DatanodeServiceService.applyView, requestSerialize: encodeApplyView },
  },
  'stele.v1.DatanodeService',
) as unknown as typeof DatanodeServiceClient;
