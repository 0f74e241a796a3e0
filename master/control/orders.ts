// Sends what the core decided: copy and drop orders, each with the header that makes a stale one
// refusable, each with a deadline, one of a kind at a time per node. An order that fails is not
// repeated here: the next turn of the control loop sees what is still missing.

import type { BackgroundTasks } from '../../base/background.ts';
import { toSteleError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { CopyOrder, OrderHeader } from '../../proto/gen/stele/v1/datanode.ts';
import { segmentInfo } from '../catalog/records.ts';
import type { DropPlan } from '../core/cleanup.ts';
import type { Membership } from '../core/membership.ts';
import type { Copy } from '../core/repair.ts';
import type { ConnectionManager } from './nodes/connection-manager.ts';

const ORDER_DEADLINE_MS = 10_000;

export interface OrderSide {
  header(nodeId: string): OrderHeader;
  /** The node has taken the drop order; `isWhole`: and has dropped all that it names. */
  onDropped(plan: DropPlan, header: OrderHeader, isWhole: boolean): void;
  /** The node did not take these copies. */
  onCopyRefused(copies: readonly Copy[]): void;
}

export class Orders {
  readonly #connections: ConnectionManager;
  readonly #side: OrderSide;
  readonly #background: BackgroundTasks;
  readonly #log: Logger;
  readonly #dropping = new Set<string>();

  constructor(
    connections: ConnectionManager,
    side: OrderSide,
    background: BackgroundTasks,
    log: Logger,
  ) {
    this.#connections = connections;
    this.#side = side;
    this.#background = background;
    this.#log = log;
  }

  /** Sends the copies, one message a node. */
  copy(copies: readonly Copy[], nodes: Membership, bytesPerSecondMax: number): void {
    for (const target of new Set(copies.map((copy) => copy.target))) {
      const own = copies.filter((copy) => copy.target === target);
      this.#background.run('copy-order', () => this.#copy(target, own, nodes, bytesPerSecondMax));
    }
  }

  async #copy(
    target: string,
    copies: readonly Copy[],
    nodes: Membership,
    bytesPerSecondMax: number,
  ): Promise<void> {
    try {
      const link = this.#connections.requireClient(target);
      const orders = copies.map((copy) => copyOrder(copy, nodes));
      await link.copySegments(
        { header: this.#side.header(target), orders, bytesPerSecondMax },
        { deadlineMs: ORDER_DEADLINE_MS },
      );
      this.#log.info({ node: target, segments: copies.length }, 'segments are being copied');
    } catch (thrown) {
      this.#log.warn(
        { node: target, err: toSteleError(thrown) },
        'a copy order was not taken; it will be given again',
      );
      this.#side.onCopyRefused(copies);
    }
  }

  /** Sends the drops; a node that is still at its last one is passed over. */
  drop(plans: readonly DropPlan[]): void {
    for (const plan of plans) {
      if (this.#dropping.has(plan.node)) continue;
      this.#dropping.add(plan.node);
      this.#background.run('drop-order', () => this.#drop(plan));
    }
  }

  async #drop(plan: DropPlan): Promise<void> {
    try {
      const link = this.#connections.requireClient(plan.node);
      const header = this.#side.header(plan.node);
      const { dropped } = await link.dropSegments(
        {
          header,
          segments: plan.segments.map(({ uid, segmentId }) => ({ keyspaceUid: uid, segmentId })),
          versions: plan.versions.map(({ uid, version }) => ({ keyspaceUid: uid, version })),
          holdingsRevision: plan.holdingsRevision,
        },
        { deadlineMs: ORDER_DEADLINE_MS },
      );
      // An order may be for what the datanode does not have (any more): that is told to nobody.
      const level = dropped > 0 ? 'info' : 'debug';
      this.#log[level]({ node: plan.node, dropped }, 'segments that nobody needs were dropped');
      // Otherwise it did not have all of it, or keeps what it has promised since: its next list tells.
      this.#side.onDropped(plan, header, dropped === plan.segments.length);
    } catch (thrown) {
      const error = toSteleError(thrown);
      this.#log.warn({ node: plan.node, err: error }, 'a drop order was not taken');
    } finally {
      this.#dropping.delete(plan.node);
    }
  }
}

function copyOrder(copy: Copy, nodes: Membership): CopyOrder {
  return {
    keyspaceUid: copy.uid,
    segment: segmentInfo(copy.segment),
    sources: copy.sources.flatMap((nodeId) => {
      const node = nodes.get(nodeId);
      return node === undefined ? [] : [{ nodeId, address: { ...node.address } }];
    }),
  };
}
