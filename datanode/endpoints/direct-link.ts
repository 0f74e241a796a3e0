// A DatanodeLink straight to a Datanode in this process: the same messages and errors, no sockets.

import { monotonicNowMs } from '../../base/clock.ts';
import { SteleError } from '../../base/errors.ts';
import { LookupStatus } from '../../proto/gen/stele/v1/lookup.ts';
import type {
  DatanodeLink,
  FetchTarget,
  LookupChannel,
  LookupSink,
  LookupTargetRef,
} from '../../proto/ports.ts';
import type { SegmentWish } from '../../proto/segment-transfer.ts';
import { found, lookupInTable } from '../reads/lookup.ts';
import type { Datanode } from '../node.ts';
import { listSlotKeys, scanKeys } from './peer-scans.ts';

const NO_BYTES = Buffer.alloc(0);

/** A link to `node`; it answers at once, so deadlines cannot pass. */
export function directLink(node: Datanode): DatanodeLink {
  return {
    heartbeat: (request) => node.heartbeat(request, monotonicNowMs()),
    listHoldings: (request) => node.listHoldings(request),
    applyView: (request) => node.applyView(request),
    putManifest: (request) => node.putManifest(request),
    copySegments: (request) => node.copySegments(request),
    dropSegments: (request) => node.dropSegments(request),
    restart: (request) => node.restart(request),
    scanKeys: (request) => scanKeys(node, request),
    listSlotKeys: (request) => listSlotKeys(node, request),
    measureDeltas: (request, { signal }) => node.measureDeltas(request, signal),
    mergeSegments: (request) => node.mergeSegments(request),
    diffShards: (request, { signal }) => node.diffShards(request, signal),
    fetchSegment: (wish, into) => fetchDirectly(node, wish, into),
    lookups: new DirectLookups(node),
    close: () => undefined,
  };
}

async function fetchDirectly(node: Datanode, wish: SegmentWish, into: FetchTarget): Promise<void> {
  const segment = await node.outgoing(wish);
  if (segment.byteLength !== into.bytes.length) {
    const text = `The peer has ${segment.byteLength} bytes of a segment of ${into.bytes.length}.`;
    throw new SteleError('CORRUPT', text);
  }
  let at = 0;
  for await (const piece of segment.pieces()) {
    into.bytes.set(piece, at);
    at += piece.length;
  }
}

class DirectLookups implements LookupChannel {
  readonly inFlight = 0;
  readonly #node: Datanode;

  constructor(node: Datanode) {
    this.#node = node;
  }

  async lookup(
    target: LookupTargetRef,
    keys: readonly Uint8Array[],
    sink: LookupSink,
  ): Promise<void> {
    const table = this.#node.tables.get(target.keyspaceUid, target.version);
    this.#node.counters.lookups += keys.length;
    for (const [index, key] of keys.entries()) {
      const status =
        table === undefined ? LookupStatus.UNAVAILABLE : lookupInTable(table, key, 0, key.length);
      if (status === LookupStatus.OK) sink(index, status, found.bytes, found.start, found.end);
      else sink(index, status, NO_BYTES, 0, 0);
    }
  }

  close(): void {
    // Nothing is open.
  }
}
