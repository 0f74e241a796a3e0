// A DatanodeLink to a Datanode in the same process: the same messages and errors, without sockets.

import { monotonicNowMs } from '../../base/clock.ts';
import { SteleError } from '../../base/errors.ts';
import { LookupStatus } from '../../proto/gen/stele/v1/lookup.ts';
import type { DatanodeLink, FetchTarget, LookupBatch, LookupChannel } from '../../proto/ports.ts';
import type { SegmentWish } from '../../proto/segment-transfer.ts';
import { lastHit, lookupInTable } from '../reads/lookup.ts';
import type { Datanode } from '../node.ts';
import { hotKeysHere } from './hot-keys.ts';
import { countReads } from './count-reads.ts';
import { scanKeys } from './scan-keys.ts';

const NO_BYTES = Buffer.alloc(0);

/** A link to `node`. It answers at once, so deadlines cannot pass. */
export function directLink(node: Datanode, nowMs = monotonicNowMs): DatanodeLink {
  return {
    heartbeat: (request) => node.heartbeat(request, nowMs()),
    listHoldings: (request) => node.listHoldings(request),
    applyView: (request) => node.applyView(request),
    putManifest: (request) => node.putManifest(request),
    copySegments: (request) => node.copySegments(request),
    dropSegments: (request) => node.dropSegments(request),
    restart: (request) => node.restart(request),
    scanKeys: (request) => scanKeys(node, request),
    measureDeltas: (request, { signal }) => node.measureDeltas(request, signal),
    archiveSegments: (request) => node.archiveSegments(request),
    mergeSegments: (request) => node.mergeSegments(request),
    diffShards: (request, { signal }) => node.diffShards(request, signal),
    getHotKeys: async (request) => hotKeysHere(node, request),
    countReads: (request) => countReads(node, request),
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
  readonly #node: Datanode;

  constructor(node: Datanode) {
    this.#node = node;
  }

  send(batch: LookupBatch): void {
    const { counters, tables } = this.#node;
    counters.lookups += batch.keys.length;
    for (const { target, key } of batch.keys) {
      const table = tables.get(target.keyspaceUid, target.version);
      const status =
        table === undefined ? LookupStatus.UNAVAILABLE : lookupInTable(table, key, 0, key.length);
      if (status === LookupStatus.OK)
        batch.onAnswer(status, lastHit.bytes, lastHit.start, lastHit.end);
      else batch.onAnswer(status, NO_BYTES, 0, 0);
    }
  }

  close(): void {
    // There is nothing to close.
  }
}
