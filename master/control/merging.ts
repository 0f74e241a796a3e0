// Merging deltas in the background: carries out what core/merge.ts plans. Asks the datanodes, and once
// all of them hold a result, puts it into the manifests in one transaction a keyspace.
//
// The datanodes get the new manifest afterwards (node-sync.ts) and answer from the old segments until
// then; those go once a node has it (core/cleanup.ts). So a kill anywhere loses nothing: before the
// transaction the old segments are named, after it the new one is, and every serving node has both.

import type { BackgroundTasks } from '../../base/background.ts';
import { toSteleError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { MergeState } from '../../proto/gen/stele/v1/datanode.ts';
import type { MergeOrder, MergeStatus, OrderHeader } from '../../proto/gen/stele/v1/datanode.ts';
import type { Catalog } from '../catalog/catalog.ts';
import { replaceMerged } from '../catalog/merge-transitions.ts';
import { segmentRecord } from '../catalog/records.ts';
import { totalsMessage } from '../catalog/totals.ts';
import type { Merge, MergeAnswer, MergePlan } from '../core/merge.ts';
import type { Copy } from '../core/repair.ts';
import type { ConnectionManager } from './nodes/connection-manager.ts';

const ORDER_DEADLINE_MS = 10_000;
/** So that a burst of results changes the manifests once. */
const REPLACE_INTERVAL_MS = 1_000;

/** What merging needs of the leader. */
export interface MergingSide {
  readonly catalog: Catalog;
  readonly connections: ConnectionManager;
  header(nodeId: string): OrderHeader;
  nowMs(): number;
  /** A load is being committed into the keyspace. */
  isCommitting(uid: string): boolean;
  copy(copies: readonly Copy[]): void;
  onAnswer(nodeId: string, merge: Merge, answer: MergeAnswer): void;
  /** These are in the manifests now, or do not fit there any more. */
  onOver(merges: readonly Merge[]): void;
  /** Manifests have changed. */
  onReplaced(): void;
}

export class Merging {
  readonly #side: MergingSide;
  readonly #bytesPerSecondMax: number;
  readonly #background: BackgroundTasks;
  readonly #log: Logger;
  readonly #asking = new Set<string>();
  #replacing = false;
  #replacedAtMs = Number.NEGATIVE_INFINITY;

  constructor(
    side: MergingSide,
    bytesPerSecondMax: number,
    background: BackgroundTasks,
    log: Logger,
  ) {
    this.#side = side;
    this.#bytesPerSecondMax = bytesPerSecondMax;
    this.#background = background;
    this.#log = log;
  }

  /** Never waits. */
  carryOut(plan: Pick<MergePlan, 'asks' | 'copies' | 'ready'>): void {
    for (const [nodeId, merges] of plan.asks) this.#ask(nodeId, merges);
    this.#side.copy(plan.copies);
    this.#replace(plan.ready);
  }

  #ask(nodeId: string, merges: readonly Merge[]): void {
    if (this.#asking.has(nodeId)) return;
    this.#asking.add(nodeId);
    this.#background.run('merge-orders', async () => {
      try {
        const link = this.#side.connections.requireClient(nodeId);
        const { statuses } = await link.mergeSegments(
          {
            header: this.#side.header(nodeId),
            orders: merges.map(mergeOrder),
            bytesPerSecondMax: this.#bytesPerSecondMax,
          },
          { deadlineMs: ORDER_DEADLINE_MS },
        );
        merges.forEach((merge, index) => this.#onStatus(nodeId, merge, statuses[index]));
      } catch (thrown) {
        const error = toSteleError(thrown);
        this.#log.warn(
          { node: nodeId, code: error.code, err: error },
          'merge orders were not taken',
        );
        for (const merge of merges) this.#note(nodeId, merge, { kind: 'waiting' });
      } finally {
        this.#asking.delete(nodeId);
      }
    });
  }

  #onStatus(nodeId: string, merge: Merge, status: MergeStatus | undefined): void {
    const { reason, segment, state } = status ?? {};
    if (state === MergeState.DONE && segment !== undefined) {
      this.#note(nodeId, merge, { kind: 'done', segment: segmentRecord(segment) });
    } else if (state === MergeState.FAILED) {
      const { shard, uid } = merge;
      this.#log.warn({ node: nodeId, keyspace: uid, shard, reason }, 'deltas were not merged');
      this.#note(nodeId, merge, { kind: 'failed' });
    } else {
      this.#note(nodeId, merge, { kind: 'waiting' });
    }
  }

  #note(nodeId: string, merge: Merge, answer: MergeAnswer): void {
    this.#side.onAnswer(nodeId, merge, answer);
  }

  #replace(ready: MergePlan['ready']): void {
    const open = ready.filter(({ uid }) => !this.#side.isCommitting(uid));
    const isEarly = this.#side.nowMs() - this.#replacedAtMs < REPLACE_INTERVAL_MS;
    if (open.length === 0 || this.#replacing || isEarly) return;
    this.#replacing = true;
    this.#background.run('replace-merged', async () => {
      try {
        for (const uid of new Set(open.map((merge) => merge.uid))) {
          await this.#replaceIn(
            uid,
            open.filter((merge) => merge.uid === uid),
          );
        }
      } finally {
        this.#replacing = false;
        this.#replacedAtMs = this.#side.nowMs();
      }
      this.#side.onReplaced();
    });
  }

  async #replaceIn(uid: string, merges: MergePlan['ready']): Promise<void> {
    const versions = await this.#side.catalog.update((state) =>
      // A commit that has begun since then counts on the manifests as they are.
      this.#side.isCommitting(uid)
        ? { changes: [], result: undefined }
        : replaceMerged(state, uid, merges),
    );
    if (versions === undefined) return;
    this.#side.onOver(merges);
    if (versions.length === 0) return;
    this.#log.info({ keyspace: uid, shards: merges.length, versions }, 'deltas were merged');
  }
}

function mergeOrder({ ids, shard, totals, uid }: Merge): MergeOrder {
  return { keyspaceUid: uid, shard, segmentIds: [...ids], totals: totalsMessage(totals) };
}
