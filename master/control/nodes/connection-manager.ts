// Links to the datanodes that the master depends on.
//
// Each dependency is dialled in the background as soon as it is added, all in parallel. Heartbeats
// (heartbeater.ts) test the links and report their results here. While a node is offline,
// `getClient` returns nothing, so callers fail at once instead of waiting. A silent link is closed
// and replaced at a bounded rate, for ever, because a channel can get stuck on a peer that accepts
// connections and never responds.
//
// Invariants: one link per node; removing a node closes its link, which fails the calls on it.

import { SteleError } from '../../../base/errors.ts';
import type { DatanodeLink, LinkFactory, LinkTarget } from '../../../proto/ports.ts';

/** Consecutive failures after which a link is replaced. */
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

  /** `onLost` is called when a node's connection has ended; the node may still be alive. */
  constructor(factory: LinkFactory, onLost: (nodeId: string) => void = () => undefined) {
    this.#factory = factory;
    this.#onLost = onLost;
  }

  /**
   * Depends on `target` from now on. A known node keeps its link if that is online and leads to
   * this address; otherwise it is dialled again at once, without the remaining backoff.
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

  /** Removes the node and closes its link, which fails the calls in flight. */
  remove(nodeId: string): void {
    const dependency = this.#dependencies.get(nodeId);
    if (dependency === undefined) return;
    this.#dependencies.delete(nodeId);
    dependency.link.close();
  }

  isOnline(nodeId: string): boolean {
    return this.#dependencies.get(nodeId)?.online === true;
  }

  /** The link to a node, if online. */
  getClient(nodeId: string): DatanodeLink | undefined {
    const dependency = this.#dependencies.get(nodeId);
    return dependency?.online === true ? dependency.link : undefined;
  }

  /** Like getClient, but throws UNAVAILABLE if the node is offline. */
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

  /** The link to test, online or not. For heartbeats only. */
  probe(nodeId: string): DatanodeLink | undefined {
    return this.#dependencies.get(nodeId)?.link;
  }

  /**
   * Records the result of a heartbeat. Returns false without an effect if the link was replaced
   * meanwhile.
   */
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
