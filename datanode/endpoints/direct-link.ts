// A DatanodeLink to a Datanode in the same process: the same messages and errors, without sockets.

import { monotonicNowMs } from '../../base/clock.ts';
import { SteleError } from '../../base/errors.ts';
import type { DatanodeLink, FetchTarget, LookupBatch, LookupChannel } from '../../proto/ports.ts';
import type { SegmentWish } from '../../proto/segment-transfer.ts';
import { fillTarget } from '../../transport/fetch-target.ts';
import { DiskAnswers } from '../reads/disk-answers.ts';
import type { Datanode } from '../node.ts';
import { hotKeysHere } from './hot-keys.ts';
import { countReads } from './count-reads.ts';
import { measureRecords } from './measure-records.ts';
import { scanKeys } from './scan-keys.ts';

/** A link to `node`. Lookups in memory are answered at once; no deadline passes. */
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
    measureRecords: (request) => measureRecords(node, request),
    countReads: (request) => countReads(node, request),
    fetchSegment: (wish, into) => fetchDirectly(node, wish, into),
    lookups: new DirectLookups(node),
    close: () => undefined,
  };
}

async function fetchDirectly(node: Datanode, wish: SegmentWish, into: FetchTarget): Promise<void> {
  const segment = await node.outgoing(wish);
  if (segment.byteLength !== into.byteLength) {
    const text = `The peer has ${segment.byteLength} bytes of a segment of ${into.byteLength}.`;
    throw new SteleError('CORRUPT', text);
  }
  for await (const piece of segment.pieces()) await fillTarget(into, piece);
}

class DirectLookups implements LookupChannel {
  readonly #node: Datanode;

  constructor(node: Datanode) {
    this.#node = node;
  }

  send(batch: LookupBatch): void {
    const { counters, tables } = this.#node;
    counters.lookups += batch.keys.length;
    const collected = new DiskAnswers(() => {
      for (const { status, value } of collected.answers) {
        batch.onAnswer(status, value, 0, value.length);
      }
    });
    for (const { target, key } of batch.keys) {
      const table = tables.get(target.keyspaceUid, target.version);
      collected.ask(this.#node.disk, table, key, 0, key.length);
    }
    collected.start();
  }

  close(): void {
    // There is nothing to close.
  }
}
