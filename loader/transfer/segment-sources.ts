// The datanodes that segments are fetched from. Each segment is checked in full.

import { SteleError, toSteleError } from '../../base/errors.ts';
import type { NodeView } from '../../proto/gen/stele/v1/view.ts';
import { targetOf } from '../../transport/fetch-target.ts';
import { SegmentFetches, segmentDeadlineMs } from '../../transport/segment-fetch.ts';
import type { HeldSegment } from './cluster-client.ts';
import type { Transfer } from './open-transfer.ts';

export interface SourcedSegment extends Pick<HeldSegment, 'holders' | 'info'> {
  readonly keyspaceUid: string;
}

type Sourcing = Pick<Transfer, 'dialAs' | 'log' | 'pace' | 'settings' | 'stop'>;

/** `close` must be called. */
export class SegmentSources {
  readonly #transfer: Sourcing;
  readonly #fetches = new Map<string, SegmentFetches>();

  constructor(transfer: Sourcing) {
    this.#transfer = transfer;
  }

  /**
   * Tries the holders one after the other until `check` resolves for what one of them has sent.
   * Rejects with the failure of the last.
   */
  async fetch<Checked>(
    segment: SourcedSegment,
    check: (bytes: SharedArrayBuffer) => Promise<Checked>,
  ): Promise<Checked> {
    const { holders, info, keyspaceUid } = segment;
    let failure = new SteleError(
      'REPLICAS_MISSING',
      `No datanode that answers holds segment ${info.id} of keyspace ${keyspaceUid}; bring the datanodes back (\`stele nodes\`) and run it again.`,
    );
    // The first holder differs from shard to shard, so that all datanodes have a part of the work.
    const first = info.shard % Math.max(1, holders.length);
    for (const node of [...holders.slice(first), ...holders.slice(0, first)]) {
      try {
        return await check(await this.#fetchFrom(node, segment));
      } catch (thrown) {
        if (this.#transfer.stop.signal.aborted) throw thrown;
        failure = toSteleError(thrown);
        // Another holder would not be allowed to give it, either.
        if (failure.code === 'PERMISSION_DENIED' || failure.code === 'UNAUTHENTICATED') {
          this.#transfer.stop.abort();
          throw failure;
        }
        this.#transfer.log.warn({ node: node.id, segment: info.id }, failure.message);
      }
    }
    throw failure;
  }

  close(): void {
    for (const fetches of this.#fetches.values()) fetches.close();
  }

  async #fetchFrom(
    node: NodeView,
    { info, keyspaceUid }: SourcedSegment,
  ): Promise<SharedArrayBuffer> {
    const { pace, settings, stop } = this.#transfer;
    const shared = new SharedArrayBuffer(info.fileBytes);
    const wish = { keyspaceUid, segmentId: info.id, expectNode: node.id };
    const rate = settings.limitRate === 0 ? Infinity : settings.limitRate / settings.transfers;
    const options = { deadlineMs: segmentDeadlineMs(info.fileBytes, rate), signal: stop.signal };
    await this.#fetchesOf(node).fetch(wish, targetOf(Buffer.from(shared), pace), options);
    return shared;
  }

  #fetchesOf(node: NodeView): SegmentFetches {
    const { address, id, incarnation } = node;
    if (address === undefined)
      throw new SteleError('UNAVAILABLE', `Datanode ${id} has no address.`);
    let fetches = this.#fetches.get(incarnation);
    if (fetches === undefined) {
      fetches = new SegmentFetches({ nodeId: id, address }, this.#transfer.dialAs);
      this.#fetches.set(incarnation, fetches);
    }
    return fetches;
  }
}
