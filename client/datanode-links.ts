// The client's connections to datanodes: one a node, opened at its first read, closed when the view
// has the node no more, or at another address.

import type { ClusterView, NodeView } from '../proto/gen/stele/v1/view.ts';
import type { DatanodeLink, LinkFactory } from '../proto/ports.ts';

interface OpenLink {
  readonly name: string;
  readonly link: DatanodeLink;
}

export class DatanodeLinks {
  readonly #factory: LinkFactory;
  #nodes = new Map<string, NodeView>();
  readonly #open = new Map<string, OpenLink>();

  constructor(factory: LinkFactory) {
    this.#factory = factory;
  }

  /** The link to a node of the view; undefined when there is none of that id. */
  readonly to = (nodeId: string): DatanodeLink | undefined => {
    const open = this.#open.get(nodeId);
    if (open !== undefined) return open.link;
    const node = this.#nodes.get(nodeId);
    if (node?.address === undefined) return undefined;
    const link = this.#factory.connect({ nodeId, address: node.address });
    this.#open.set(nodeId, { name: nameOf(node), link });
    return link;
  };

  /** What is in flight to a node that is gone, or has moved, fails, and is asked of another one. */
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
}

function nameOf({ address }: NodeView): string {
  return `${address?.host ?? ''}:${address?.grpcPort ?? 0}`;
}
