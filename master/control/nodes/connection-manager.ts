// Links to the datanodes: who is depended on, who can be asked now.
//
// A dependency is dialled in the background as soon as it is added, all of them in parallel; the
// heartbeats (heartbeater.ts) are what tries the link, and they report here. Offline means that
// `getClient` has nothing to give and callers fail at once instead of waiting. A link that stays
// silent is closed and made anew at a bounded rate, for ever, because a channel can get stuck on a
// peer that accepts connections and says nothing.
//
// Invariants: one link a node; removing a node closes its link, which ends the calls on it.

import { SteleError } from '../../../base/errors.ts';
import type { DatanodeLink, LinkFactory, LinkTarget } from '../../../proto/ports.ts';

/** Failures in a row after which a link is replaced. */
const FAILURES_BEFORE_RELINK = 4;

interface Dependency {
  readonly target: LinkTarget;
  link: DatanodeLink;
  online: boolean;
  failures: number;
}

export class ConnectionManager {
  readonly #factory: LinkFactory;
  readonly #dependencies = new Map<string, Dependency>();
  readonly #onLost: (nodeId: string) => void;

  /** `onLost`: a node's connection is gone, so it is worth a try. It says nothing more. */
  constructor(factory: LinkFactory, onLost: (nodeId: string) => void = () => undefined) {
    this.#factory = factory;
    this.#onLost = onLost;
  }

  /**
   * Depends on `target` from now on. A node that is known already keeps its link if that is online
   * and leads to this address; otherwise it is dialled anew, without what is left of a backoff.
   */
  addDependency(target: LinkTarget): void {
    const before = this.#dependencies.get(target.nodeId);
    if (before?.online === true && sameAddress(before.target, target)) return;
    if (before !== undefined) this.remove(target.nodeId);
    this.#dependencies.set(target.nodeId, {
      target,
      link: this.#connect(target),
      online: false,
      failures: 0,
    });
  }

  /** Gives the node up: closes its link, which fails the calls in flight on it. */
  remove(nodeId: string): void {
    const dependency = this.#dependencies.get(nodeId);
    if (dependency === undefined) return;
    this.#dependencies.delete(nodeId);
    dependency.link.close();
  }

  isOnline(nodeId: string): boolean {
    return this.#dependencies.get(nodeId)?.online === true;
  }

  /** The link to a node that is online. */
  getClient(nodeId: string): DatanodeLink | undefined {
    const dependency = this.#dependencies.get(nodeId);
    return dependency?.online === true ? dependency.link : undefined;
  }

  /** As getClient; throws UNAVAILABLE at once for a node that is offline. */
  requireClient(nodeId: string): DatanodeLink {
    const link = this.getClient(nodeId);
    if (link !== undefined) return link;
    throw new SteleError('UNAVAILABLE', `Datanode ${nodeId} does not answer at present.`);
  }

  /** All links that are online, by node. */
  getClients(): ReadonlyMap<string, DatanodeLink> {
    const online = [...this.#dependencies].filter(([, dependency]) => dependency.online);
    return new Map(online.map(([nodeId, dependency]) => [nodeId, dependency.link]));
  }

  /** The link to try, online or not: for heartbeats alone. */
  probe(nodeId: string): DatanodeLink | undefined {
    return this.#dependencies.get(nodeId)?.link;
  }

  /** What a try came to. False, and nothing changed, for a link that was replaced meanwhile. */
  report(nodeId: string, link: DatanodeLink, answered: boolean): boolean {
    const dependency = this.#dependencies.get(nodeId);
    if (dependency?.link !== link) return false;
    dependency.failures = answered ? 0 : dependency.failures + 1;
    if (!answered && dependency.failures % FAILURES_BEFORE_RELINK === 0) this.#relink(dependency);
    dependency.online = answered;
    return true;
  }

  #relink(dependency: Dependency): void {
    dependency.link.close();
    dependency.link = this.#connect(dependency.target);
  }

  #connect(target: LinkTarget): DatanodeLink {
    const link = this.#factory.connect(target);
    link.onLost?.(() => {
      if (this.#dependencies.get(target.nodeId)?.link === link) this.#onLost(target.nodeId);
    });
    return link;
  }

  close(): void {
    for (const nodeId of this.#dependencies.keys()) this.remove(nodeId);
  }
}

function sameAddress(left: LinkTarget, right: LinkTarget): boolean {
  return (
    left.address.host === right.address.host &&
    left.address.grpcPort === right.address.grpcPort &&
    left.address.respPort === right.address.respPort &&
    left.address.httpPort === right.address.httpPort
  );
}
