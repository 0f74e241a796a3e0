// The parts of a SteleClient for unit tests: views and links of a cluster in memory.

import { SteleError } from '../../base/errors.ts';
import { SteleClient } from '../../client/stele-client.ts';
import type { ClientViews } from '../../routing/view-watcher.ts';
import type { ClusterView } from '../../proto/gen/stele/v1/view.ts';
import type { DatanodeLink, LinkFactory, LinkTarget } from '../../proto/ports.ts';
import { FakeCluster } from '../support/peers/fake-cluster.ts';

/** The views of a FakeCluster, as a master would send them. */
class FakeViews implements ClientViews {
  readonly #cluster: FakeCluster;
  listeners = 0;
  closed = false;
  /** False: no master has answered yet. */
  arrived = true;
  /** If set, waits for the first view await this promise. */
  arrival: Promise<void> | undefined;

  constructor(cluster: FakeCluster) {
    this.#cluster = cluster;
  }

  get view(): ClusterView | undefined {
    return this.arrived ? this.#cluster.current() : undefined;
  }

  subscribe(listener: (view: ClusterView) => void): () => void {
    this.listeners++;
    const unsubscribe = this.#cluster.subscribe(listener);
    return () => {
      this.listeners--;
      unsubscribe();
    };
  }

  async firstView(): Promise<ClusterView> {
    await this.arrival;
    if (this.view === undefined) throw new SteleError('UNAVAILABLE', 'No master answers.');
    return this.view;
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}

/** Counts the open links per node. */
class FakeLinks implements LinkFactory {
  readonly #cluster: FakeCluster;
  readonly opened: string[] = [];
  readonly closed: string[] = [];

  constructor(cluster: FakeCluster) {
    this.#cluster = cluster;
  }

  connect({ address, nodeId }: LinkTarget): DatanodeLink {
    const link = this.#cluster.links(nodeId);
    if (link === undefined) throw new Error(`${nodeId} is offline`);
    const name = `${nodeId}:${address.grpcPort}`;
    this.opened.push(name);
    return { ...link, close: () => this.closed.push(name) };
  }
}

export interface FakeClient {
  readonly cluster: FakeCluster;
  readonly views: FakeViews;
  readonly links: FakeLinks;
  readonly client: SteleClient;
}

export function fakeClient(cluster = new FakeCluster()): FakeClient {
  const [views, links] = [new FakeViews(cluster), new FakeLinks(cluster)];
  const client = new SteleClient({ seeds: ['nowhere:1'] }, { views, factory: links });
  return { cluster, views, links, client };
}

/** `count` keys with values that contain key and version. */
export function fill(cluster: FakeCluster, count: number, version = 1): string[] {
  const names = Array.from({ length: count }, (_, number) => `key-${number}`);
  for (const name of names) cluster.put(name, `${name}@${version}`, version);
  return names;
}

/** Makes `version` current; the previous one is kept, older ones are not. */
export function swapTo(cluster: FakeCluster, version: number): void {
  cluster.change((view) => {
    const [keyspace] = view.keyspaces;
    if (keyspace === undefined) throw new Error('the fake cluster has no keyspace');
    keyspace.versions = [keyspace.currentVersion, version].sort((left, right) => left - right);
    keyspace.currentVersion = version;
  });
}
