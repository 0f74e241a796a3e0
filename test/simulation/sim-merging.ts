// Merging deltas as a simulated master has it done: carries out what the real core/merge.ts plans, as
// master/control/merging.ts does, and puts what came of it into the manifests by the real transition. One object a
// run of the master.

import { replaceMerged } from '../../master/catalog/merge-transitions.ts';
import { segmentRecord } from '../../master/catalog/records.ts';
import { totalsMessage } from '../../master/catalog/totals.ts';
import type { Merge, MergeAnswer, MergePlan } from '../../master/core/merge.ts';
import { MergeState } from '../../proto/gen/stele/v1/datanode.ts';
import type { MergeOrder, MergeStatus } from '../../proto/gen/stele/v1/datanode.ts';
import type { MasterPort, SimWorld } from './sim-world.ts';

const ORDER_DEADLINE_MS = 10_000;
const REPLACE_INTERVAL_MS = 1_000;

export class SimMerging {
  readonly #sim: SimWorld;
  readonly #master: MasterPort;
  /** The manifests that nodes are to be given are new ones. */
  readonly #onReplaced: () => void;
  readonly #asking = new Set<string>();
  #isReplacing = false;
  #replacedAtMs = Number.NEGATIVE_INFINITY;

  constructor(sim: SimWorld, master: MasterPort, onReplaced: () => void) {
    this.#sim = sim;
    this.#master = master;
    this.#onReplaced = onReplaced;
  }

  carryOut({ asks, ready }: Pick<MergePlan, 'asks' | 'ready'>): void {
    for (const [nodeId, asked] of asks) this.#ask(nodeId, asked);
    const isForced = this.#sim.has('merge-early');
    this.#replace(isForced ? [...this.#master.state.merges.values()].filter(hasResult) : ready);
  }

  #ask(nodeId: string, merges: readonly Merge[]): void {
    const node = this.#sim.datanodes.get(nodeId);
    if (node === undefined || this.#asking.has(nodeId)) return;
    this.#asking.add(nodeId);
    const header = this.#master.header(nodeId);
    this.#sim.network.call<readonly MergeStatus[]>(
      this.#master,
      node,
      ORDER_DEADLINE_MS,
      (answer) => node.onMerge(header, merges.map(orderOf), answer),
      (statuses) => {
        this.#asking.delete(nodeId);
        for (const [index, merge] of merges.entries()) {
          const answer = answerOf(statuses.ok ? statuses.value[index] : undefined);
          this.#master.dispatch({ kind: 'merge-answered', nodeId, merge, answer });
        }
      },
    );
  }

  #replace(ready: MergePlan['ready']): void {
    const { clock } = this.#sim;
    const open = ready.filter(({ uid }) => !this.#isCommitting(uid));
    const isEarly = clock.nowMs - this.#replacedAtMs < REPLACE_INTERVAL_MS;
    if (open.length === 0 || this.#isReplacing || isEarly) return;
    this.#isReplacing = true;
    const uids = [...new Set(open.map(({ uid }) => uid))];
    this.#replaceNext(uids, open);
  }

  #replaceNext(uids: string[], open: MergePlan['ready']): void {
    const uid = uids.shift();
    if (uid === undefined) {
      this.#isReplacing = false;
      this.#replacedAtMs = this.#sim.clock.nowMs;
      return this.#onReplaced();
    }
    const merges = open.filter((merge) => merge.uid === uid);
    this.#master.update<number[] | undefined>(
      'loop',
      (state) => {
        if (this.#isCommitting(uid)) return { changes: [], result: undefined };
        const transition = replaceMerged(state, uid, merges);
        if (transition.result.length > 0) this.#sim.judge.merged(merges);
        return transition;
      },
      (versions) => {
        const isOver = versions.ok && versions.value !== undefined;
        if (isOver) this.#master.dispatch({ kind: 'merges-over', merges });
        this.#replaceNext(uids, open);
      },
    );
  }

  #isCommitting(uid: string): boolean {
    return [...this.#master.committing.values()].includes(uid);
  }
}

function hasResult(merge: Merge): merge is MergePlan['ready'][number] {
  return merge.segment !== undefined;
}

function orderOf({ ids, shard, totals, uid }: Merge): MergeOrder {
  return { keyspaceUid: uid, shard, segmentIds: [...ids], totals: totalsMessage(totals) };
}

/** Of a node that could not be asked, too. */
function answerOf({ segment, state }: Partial<MergeStatus> = {}): MergeAnswer {
  if (state === MergeState.DONE && segment !== undefined) {
    return { kind: 'done', segment: segmentRecord(segment) };
  }
  return { kind: state === MergeState.FAILED ? 'failed' : 'waiting' };
}
