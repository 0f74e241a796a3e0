// The reader's connections to datanodes: one per node, opened at its first read and closed when the
// node leaves the view or changes its address.
//
//   connected                            used
//   connecting, for less than GRACE_MS   used: requests are sent once it is connected
//   connecting for longer                not used: another replica is asked at once
//   connecting for REDIAL_MS             replaced: grpc-js waits for ever for a peer that accepts the
//                                        connection and never speaks (grpc-node #2785)

import type { Clock } from '../base/clock.ts';
import type { ClusterView, NodeView } from '../proto/gen/stele/v1/view.ts';
import type { DatanodeLink, LinkFactory } from '../proto/ports.ts';

const GRACE_MS = 200;
const REDIAL_MS = 2000;

interface OpenLink {
  readonly name: string;
  link: DatanodeLink;
  /** Time when the link was first found disconnected; undefined while it is connected. */
  missingSinceMs: number | undefined;
  dialedMs: number;
}

export class DatanodeLinks {
  readonly #factory: LinkFactory;
  readonly #nowMs: Clock;
  #nodes = new Map<string, NodeView>();
  readonly #open = new Map<string, OpenLink>();

  constructor(factory: LinkFactory, nowMs: Clock) {
    this.#factory = factory;
    this.#nowMs = nowMs;
  }

  /**
   * The link to a node of the view. Undefined if the view has no such node or the node is
   * unreachable now.
   */
  readonly to = (nodeId: string): DatanodeLink | undefined => {
    const open = this.#open.get(nodeId);
    if (open !== undefined) return this.#usable(nodeId, open);
    const node = this.#nodes.get(nodeId);
    if (node?.address === undefined) return undefined;
    const link = this.#factory.connect({ nodeId, address: node.address });
    const dialedMs = this.#nowMs();
    this.#open.set(nodeId, { name: nameOf(node), link, missingSinceMs: undefined, dialedMs });
    return link;
  };

  /** The last connection error of a node that `to` returns no link for, if known. */
  readonly whyNot = (nodeId: string): string | undefined =>
    this.#open.get(nodeId)?.link.lookups.failure?.message;

  /**
   * Applies a view. Requests in flight to a node that left or moved fail and are retried elsewhere.
   */
  update(view: ClusterView): void {
    this.#nodes = new Map(view.nodes.map((node) => [node.id, node]));
    for (const [nodeId, { link, name }] of this.#open) {
      const node = this.#nodes.get(nodeId);
      if (node !== undefined && nameOf(node) === name) continue;
      this.#open.delete(nodeId);
      link.close();
    }
  }

  close(): void {
    this.#nodes.clear();
    for (const { link } of this.#open.values()) link.close();
    this.#open.clear();
  }

  #usable(nodeId: string, open: OpenLink): DatanodeLink | undefined {
    if (open.link.isConnected?.() !== false) {
      open.missingSinceMs = undefined;
      return open.link;
    }
    const nowMs = this.#nowMs();
    open.missingSinceMs ??= nowMs;
    if (nowMs - Math.max(open.missingSinceMs, open.dialedMs) >= REDIAL_MS)
      this.#redial(nodeId, open);
    return nowMs - open.missingSinceMs < GRACE_MS ? open.link : undefined;
  }

  #redial(nodeId: string, open: OpenLink): void {
    const address = this.#nodes.get(nodeId)?.address;
    if (address === undefined) return;
    open.link.close();
    open.link = this.#factory.connect({ nodeId, address });
    open.dialedMs = this.#nowMs();
    // The call starts the connection attempt.
    open.link.isConnected?.();
  }
}

function nameOf({ address }: NodeView): string {
  return `${address?.host ?? ''}:${address?.grpcPort ?? 0}`;
}
