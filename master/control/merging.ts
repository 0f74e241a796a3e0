// Merges deltas in the background, as core/plans/merge.ts plans. Sends the orders to the datanodes,
// and once all of them hold a result, puts it into the manifests in one transaction per keyspace.
//
// The datanodes get the new manifest afterwards (node-sync.ts) and answer from the old segments
// until then. The old segments are dropped once a node has it (core/plans/cleanup.ts). So a kill at
// any point loses nothing: the manifest names the old segments before the transaction and the new
// one after it, and every serving node has both.

import type { KeyspaceUid } from '../../base/ids.ts';
import { toSteleError } from '../../base/errors.ts';
import type { TraceSpan } from '../../base/process/tracing.ts';
import { MergeState } from '../../proto/gen/stele/v1/datanode.ts';
import type { MergeOrder, MergeStatus } from '../../proto/gen/stele/v1/datanode.ts';
import { replaceMerged } from '../catalog/merge-transitions.ts';
import { segmentRecord } from '../catalog/messages.ts';
import { segmentFormatOf } from '../catalog/segment-format.ts';
import { totalsMessage } from '../catalog/totals.ts';
import type { Merge, MergeAnswer, MergePlan } from '../core/plans/merge.ts';
import type { ControlParts } from './control-loop.ts';
import { orderSpan } from './orders.ts';
import type { Orders } from './orders.ts';

const ORDER_DEADLINE_MS = 10_000;
/** Batches a burst of results into one change of the manifests. */
const REPLACE_INTERVAL_MS = 1_000;

export class Merging {
  readonly #parts: ControlParts;
  readonly #orders: Orders;
  readonly #committing: ReadonlyMap<string, string>;
  readonly #bytesPerSecondMax: number;
  readonly #asking = new Set<string>();
  #replacing = false;
  #replacedAtMs = Number.NEGATIVE_INFINITY;

  /**
   * `committing`: Leader.committing. `bytesPerSecondMax`: segment bytes read per datanode; 0:
   * unlimited.
   */
  constructor(
    parts: ControlParts,
    orders: Orders,
    committing: ReadonlyMap<string, string>,
    bytesPerSecondMax: number,
  ) {
    this.#parts = parts;
    this.#orders = orders;
    this.#committing = committing;
    this.#bytesPerSecondMax = bytesPerSecondMax;
  }

  /** Starts the orders and does not wait for them. */
  carryOut(plan: Pick<MergePlan, 'asks' | 'copies' | 'ready'>): void {
    for (const [nodeId, merges] of plan.asks) this.#ask(nodeId, merges);
    this.#orders.copy(plan.copies);
    this.#replace(plan.ready);
  }

  #ask(nodeId: string, merges: readonly Merge[]): void {
    if (this.#asking.has(nodeId)) return;
    this.#asking.add(nodeId);
    const { background, connections, control, log } = this.#parts;
    const ask = async (span?: TraceSpan): Promise<void> => {
      try {
        const link = connections.requireClient(nodeId);
        const { statuses } = await link.mergeSegments(
          {
            header: control.header(nodeId),
            orders: merges.map(mergeOrder),
            bytesPerSecondMax: this.#bytesPerSecondMax,
            segmentFormat: segmentFormatOf(control.catalog.state),
          },
          { deadlineMs: ORDER_DEADLINE_MS },
        );
        merges.forEach((merge, index) => this.#onStatus(nodeId, merge, statuses[index]));
      } catch (thrown) {
        const error = toSteleError(thrown);
        span?.fail(error.message);
        log.warn({ node: nodeId, code: error.code, err: error }, 'merge orders were not taken');
        for (const merge of merges) this.#note(nodeId, merge, { kind: 'waiting' });
      } finally {
        this.#asking.delete(nodeId);
      }
    };
    background.run('merge-orders', () => orderSpan('order merge', nodeId, merges.length, ask));
  }

  #onStatus(nodeId: string, merge: Merge, status: MergeStatus | undefined): void {
    const { reason, segment, state } = status ?? {};
    if (state === MergeState.DONE && segment !== undefined) {
      this.#note(nodeId, merge, { kind: 'done', segment: segmentRecord(segment) });
    } else if (state === MergeState.FAILED) {
      const { shard, uid } = merge;
      this.#parts.log.warn(
        { node: nodeId, keyspace: uid, shard, reason },
        'deltas were not merged',
      );
      this.#note(nodeId, merge, { kind: 'failed' });
    } else {
      this.#note(nodeId, merge, { kind: 'waiting' });
    }
  }

  #note(nodeId: string, merge: Merge, answer: MergeAnswer): void {
    this.#parts.control.dispatch({ kind: 'merge-answered', nodeId, merge, answer });
  }

  #replace(ready: MergePlan['ready']): void {
    const { background, control } = this.#parts;
    const open = ready.filter(({ uid }) => !this.#isCommitting(uid));
    const isEarly = control.nowMs() - this.#replacedAtMs < REPLACE_INTERVAL_MS;
    if (open.length === 0 || this.#replacing || isEarly) return;
    this.#replacing = true;
    background.run('replace-merged', async () => {
      const over: Merge[] = [];
      try {
        for (const uid of new Set(open.map((merge) => merge.uid))) {
          const merges = open.filter((merge) => merge.uid === uid);
          if (await this.#replaceIn(uid, merges)) over.push(...merges);
        }
      } finally {
        this.#replacing = false;
        this.#replacedAtMs = control.nowMs();
        control.dispatch({ kind: 'merges-over', merges: over });
      }
    });
  }

  /** Resolves to false if a commit has begun meanwhile: it relies on the manifests as they are. */
  async #replaceIn(uid: KeyspaceUid, merges: MergePlan['ready']): Promise<boolean> {
    const { control, log } = this.#parts;
    const versions = await control.catalog.update((state) =>
      this.#isCommitting(uid)
        ? { changes: [], result: undefined }
        : replaceMerged(state, uid, merges),
    );
    if (versions === undefined) return false;
    if (versions.length > 0) {
      log.info({ keyspace: uid, shards: merges.length, versions }, 'deltas were merged');
    }
    return true;
  }

  /** Whether a load is being committed into the keyspace. */
  #isCommitting(uid: KeyspaceUid): boolean {
    return [...this.#committing.values()].includes(uid);
  }
}

function mergeOrder({ ids, shard, totals, uid }: Merge): MergeOrder {
  return { keyspaceUid: uid, shard, segmentIds: [...ids], totals: totalsMessage(totals) };
}
