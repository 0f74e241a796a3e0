// The operations of the cluster, for all surfaces: gRPC, HTTP and RESP call these.

import { SteleError } from '../base/errors.ts';
import type {
  DropKeyspaceRequest,
  ExplainRequest,
  ExplainResponse,
  GetHealthRequest,
  GetHealthResponse,
  ListKeyspacesResponse,
  ListNodesResponse,
  ListShardsResponse,
  ListVersionsRequest,
  ListVersionsResponse,
  RollbackRequest,
  RollbackResponse,
} from '../proto/gen/stele/v1/cluster.ts';
import type { ClusterView } from '../proto/gen/stele/v1/view.ts';
import type { ClusterOperations } from '../proto/operations.ts';
import { removeNode, requireNode, setDrain } from './catalog/cluster-transitions.ts';
import { dropKeyspace, rollback, rollbackTarget } from './catalog/keyspace-transitions.ts';
import { requireKeyspace } from './catalog/queries.ts';
import { isAtLeast } from './core/health.ts';
import { servesShard } from './core/world.ts';
import type { Leader } from './leader.ts';
import {
  describeHealth,
  describeKeyspaces,
  describeNodes,
  describeShards,
  describeVersions,
  explainKey,
} from './reports.ts';

const APPLIED_WAIT_MS = 2_000;
const HEALTH_WAIT_MAX_MS = 600_000;

export class Operations implements ClusterOperations {
  readonly #leader: Leader;

  constructor(leader: Leader) {
    this.#leader = leader;
  }

  current(): ClusterView {
    return this.#leader.current();
  }

  subscribe(listener: (view: ClusterView) => void): () => void {
    return this.#leader.subscribe(listener);
  }

  async health(request: GetHealthRequest, signal?: AbortSignal): Promise<GetHealthResponse> {
    const isReached = (): boolean => isAtLeast(this.#leader.health.status, request.waitFor);
    const timeoutMs = Math.min(request.timeoutMs, HEALTH_WAIT_MAX_MS);
    if (!isReached()) await this.#waitForView(isReached, timeoutMs, signal);
    return describeHealth(this.#leader, isReached());
  }

  /** Resolves when `condition` holds after a new view, when the time is over, or at the signal. */
  #waitForView(condition: () => boolean, timeoutMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        unsubscribe();
        signal?.removeEventListener('abort', end);
        resolve();
      };
      const timer = setTimeout(end, timeoutMs);
      const unsubscribe = this.subscribe(() => {
        if (condition()) end();
      });
      if (signal?.aborted === true) end();
      else signal?.addEventListener('abort', end, { once: true });
    });
  }

  async listKeyspaces(): Promise<ListKeyspacesResponse> {
    return { keyspaces: describeKeyspaces(this.#leader) };
  }

  async listVersions(request: ListVersionsRequest): Promise<ListVersionsResponse> {
    return { versions: describeVersions(this.#leader, request.keyspace) };
  }

  /** Throws VERSION_NOT_FOUND, and REPLICAS_MISSING when the version could not be read whole. */
  async rollback(request: RollbackRequest): Promise<RollbackResponse> {
    const { catalog } = this.#leader;
    const { keyspace, to } = rollbackTarget(catalog.state, request.keyspace, request.to);
    this.#requireCovered(keyspace.uid, keyspace.name, to);
    const done = await catalog.update((state) => rollback(state, request.keyspace, to));
    await this.#settle();
    return { version: done.to, from: done.from };
  }

  #requireCovered(uid: string, name: string, version: number): void {
    const { world } = this.#leader;
    const dataset = world.datasets.find((other) => other.uid === uid && other.version === version);
    const nodes = [...world.nodes.values()];
    const isCovered = (shard: number): boolean =>
      dataset !== undefined && nodes.some((node) => servesShard(world, node, dataset, shard));
    for (let shard = 0; shard < world.shardCount; shard++) {
      if (isCovered(shard)) continue;
      throw new SteleError(
        'REPLICAS_MISSING',
        `Version ${version} of keyspace '${name}' has no serving replica of shard ${shard}; wait until its datanodes are back (\`stele nodes\`).`,
      );
    }
  }

  /** Readers stop at once; the files go in the background. */
  async dropKeyspace(request: DropKeyspaceRequest): Promise<void> {
    await this.#leader.catalog.update((state) => dropKeyspace(state, request.keyspace));
    await this.#settle();
  }

  async #settle(): Promise<void> {
    this.#leader.turn();
    await this.#leader.waitApplied(APPLIED_WAIT_MS);
  }

  async listNodes(): Promise<ListNodesResponse> {
    return { nodes: describeNodes(this.#leader) };
  }

  async listShards(): Promise<ListShardsResponse> {
    return { shards: describeShards(this.#leader) };
  }

  async explain(request: ExplainRequest): Promise<ExplainResponse> {
    const keyspace = requireKeyspace(this.#leader.catalog.state, request.keyspace);
    return explainKey(this.#leader, keyspace, request.key);
  }

  async drainNode(nodeId: string): Promise<void> {
    await this.#leader.catalog.update((state) => setDrain(state, nodeId, true));
    this.#leader.turn();
  }

  async resumeNode(nodeId: string): Promise<void> {
    await this.#leader.catalog.update((state) => setDrain(state, nodeId, false));
    this.#leader.turn();
  }

  /** Throws CONFLICT for a node that still answers: its process would only join again. */
  async removeNode(nodeId: string): Promise<void> {
    const { catalog, roster } = this.#leader;
    requireNode(catalog.state, nodeId);
    const liveness = roster.get(nodeId)?.liveness;
    if (liveness === 'SERVING' || liveness === 'INITIALIZING') {
      throw new SteleError(
        'CONFLICT',
        `Datanode ${nodeId} is running; drain it (\`stele node drain ${nodeId}\`), stop it, then remove it.`,
      );
    }
    await catalog.update((state) => removeNode(state, nodeId));
    roster.unfollow(nodeId);
    this.#leader.turn();
  }
}
