// Sends the orders that the core decided: copies and drops, each with the header that lets a node
// refuse a stale one, each with a deadline, one of a kind at a time per node. A failed order is not
// repeated here: the next turn of the control loop finds what is still missing.

import { toSteleError } from '../../base/errors.ts';
import { inSpan } from '../../base/process/tracing.ts';
import type { TraceSpan } from '../../base/process/tracing.ts';
import type { CopyOrder, StoreRef } from '../../proto/gen/stele/v1/datanode.ts';
import { segmentInfo } from '../catalog/messages.ts';
import type { DropPlan } from '../core/plans/cleanup.ts';
import type { Membership } from '../core/world/membership.ts';
import type { Copy } from '../core/plans/repair.ts';
import type { ControlParts } from './control-loop.ts';

const ORDER_DEADLINE_MS = 10_000;

export class Orders {
  readonly #parts: ControlParts;
  readonly #copyBytesPerSecondMax: number;
  readonly #deepStore: StoreRef | undefined;
  readonly #dropping = new Set<string>();

  /** `copyBytesPerSecondMax`: per datanode; 0: unlimited. */
  constructor(parts: ControlParts, copyBytesPerSecondMax: number, deepStore: StoreRef | undefined) {
    this.#parts = parts;
    this.#copyBytesPerSecondMax = copyBytesPerSecondMax;
    this.#deepStore = deepStore;
  }

  /** Sends copy orders, one message per node. */
  copy(copies: readonly Copy[]): void {
    for (const target of new Set(copies.map((copy) => copy.target))) {
      const own = copies.filter((copy) => copy.target === target);
      this.#parts.background.run('copy-order', () =>
        orderSpan('order copy', target, own.length, (span) => this.#copy(target, own, span)),
      );
    }
  }

  async #copy(target: string, copies: readonly Copy[], span?: TraceSpan): Promise<void> {
    const { connections, control, log } = this.#parts;
    try {
      const link = connections.requireClient(target);
      const { nodes } = control.state;
      const orders = copies.map((copy) => copyOrder(copy, nodes, this.#deepStore));
      const bytesPerSecondMax = this.#copyBytesPerSecondMax;
      await link.copySegments(
        { header: control.header(target), orders, bytesPerSecondMax },
        { deadlineMs: ORDER_DEADLINE_MS },
      );
      log.info({ node: target, segments: copies.length }, 'segments are being copied');
    } catch (thrown) {
      const error = toSteleError(thrown);
      span?.fail(error.message);
      log.warn({ node: target, err: error }, 'a copy order was not taken; it will be given again');
      control.dispatch({ kind: 'copies-refused', copies });
    }
  }

  /** Sends drop orders. Skips a node whose previous one is still in progress. */
  drop(plans: readonly DropPlan[]): void {
    for (const plan of plans) {
      if (this.#dropping.has(plan.node)) continue;
      this.#dropping.add(plan.node);
      const { node, segments } = plan;
      this.#parts.background.run('drop-order', () =>
        orderSpan('order drop', node, segments.length, (span) => this.#drop(plan, span)),
      );
    }
  }

  async #drop(plan: DropPlan, span?: TraceSpan): Promise<void> {
    const { connections, control, log } = this.#parts;
    try {
      const link = connections.requireClient(plan.node);
      const header = control.header(plan.node);
      const { dropped } = await link.dropSegments(
        {
          header,
          segments: plan.segments.map(({ uid, segmentId }) => ({ keyspaceUid: uid, segmentId })),
          versions: plan.versions.map(({ uid, version }) => ({ keyspaceUid: uid, version })),
          holdingsRevision: plan.holdingsRevision,
        },
        { deadlineMs: ORDER_DEADLINE_MS },
      );
      // An order may name segments that the datanode does not have (any more); that is not worth a
      // line.
      const level = dropped > 0 ? 'info' : 'debug';
      log[level]({ node: plan.node, dropped }, 'segments that nobody needs were dropped');
      // Otherwise it lacked some, or keeps what it has promised since; its next list shows that.
      control.dispatch({
        kind: 'dropped',
        nodeId: plan.node,
        incarnation: header.incarnation,
        refs: plan.versions.map(({ ref }) => ref),
        segments: dropped === plan.segments.length ? plan.segments : [],
      });
    } catch (thrown) {
      const error = toSteleError(thrown);
      span?.fail(error.message);
      log.warn({ node: plan.node, err: error }, 'a drop order was not taken');
    } finally {
      this.#dropping.delete(plan.node);
    }
  }
}

/** Runs an order as a trace of its own: nobody waits for it, and what caused it is long over. */
export function orderSpan(
  name: string,
  nodeId: string,
  segments: number,
  work: (span?: TraceSpan) => Promise<void>,
): Promise<void> {
  const attributes = { 'stele.node': nodeId, 'stele.segments': segments };
  return inSpan(name, { attributes, parent: 'none' }, work);
}

function copyOrder(copy: Copy, nodes: Membership, deepStore: StoreRef | undefined): CopyOrder {
  return {
    ...(copy.isArchived && deepStore ? { store: deepStore } : {}),
    keyspaceUid: copy.uid,
    segment: segmentInfo(copy.segment),
    sources: copy.sources.flatMap((nodeId) => {
      const node = nodes.get(nodeId);
      return node === undefined ? [] : [{ nodeId, address: { ...node.address } }];
    }),
  };
}
