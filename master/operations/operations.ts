// The operations of the cluster, shared by gRPC, HTTP and RESP.

import { wallClockIso } from '../../base/clock.ts';
import { SteleError } from '../../base/errors.ts';
import { parseKeyspaceUid } from '../../base/ids.ts';
import { STELE_VERSION } from '../../base/process/build-version.ts';
import type {
  CleanArchiveRequest,
  CleanArchiveResponse,
  GetArchiveResponse,
  CancelLoadRequest,
  DiffVersionsRequest,
  DiffVersionsResponse,
  CreateKeyspaceRequest,
  CreateKeyspaceResponse,
  DropKeyspaceRequest,
  DropVersionRequest,
  ExplainRequest,
  ExplainResponse,
  GetHealthRequest,
  GetHealthResponse,
  GetLoadRequest,
  GetManifestRequest,
  GetManifestResponse,
  GetReadCountersResponse,
  GetRecordsRequest,
  GetRecordsResponse,
  ListEventsRequest,
  ListEventsResponse,
  GetCostRequest,
  GetCostResponse,
  ListHotKeysRequest,
  ListHotKeysResponse,
  ListKeyspacesResponse,
  ListLoadsRequest,
  ListLoadsResponse,
  ListMastersResponse,
  ListNodesResponse,
  ListShardsResponse,
  ListVersionsRequest,
  ListVersionsResponse,
  PromoteRequest,
  PromoteResponse,
  RollbackRequest,
  RollbackResponse,
  ResumeKeyspaceRequest,
  SuspendKeyspaceRequest,
  SetCacheRequest,
  SetCacheResponse,
  SetTierRequest,
  SetTierResponse,
  SetReplicationRequest,
  SetReplicationResponse,
  SetKeepRequest,
  SetKeepResponse,
} from '../../proto/gen/stele/v1/cluster.ts';
import type { LoadStatus } from '../../proto/gen/stele/v1/load.ts';
import type { ClusterView } from '../../proto/gen/stele/v1/view.ts';
import type { ClusterOperations } from '../../proto/operations.ts';
import { shardOfSlot, slotRangeOfShard } from '../../ring/shard.ts';
import { slotOfKey } from '../../ring/slot.ts';
import { setDrain } from '../catalog/cluster-transitions.ts';
import {
  dropKeyspace,
  resumeKeyspace,
  setCache,
  setReplication,
  setTier,
  suspendKeyspace,
} from '../catalog/keyspace-transitions.ts';
import { createKeyspace } from '../catalog/load-transitions.ts';
import { tierOfMessage } from '../catalog/messages.ts';
import { clusterOf, requireKeyspace } from '../catalog/queries.ts';
import { dropVersion, setKeep } from '../catalog/version-transitions.ts';
import { isAtLeast } from '../core/serving/health.ts';
import { getManifest, getRecords } from './backup-records.ts';
import { diffVersions } from './diff.ts';
import { cleanArchive, describeArchive } from './archive.ts';
import { costOf } from './cost.ts';
import { listHotKeys } from './hot-keys.ts';
import { removeDeadNode, restartNode } from './node-changes.ts';
import { readCounters } from './read-counters.ts';
import { promoteVersion, rollBack } from './version-moves.ts';
import { waitForChange } from './wait-for-change.ts';
import type { Leader } from '../control/leader.ts';
import type { Loads } from '../loads/loads.ts';
import { describeEvents, eventNumbers } from '../loads/event-report.ts';
import {
  describeHealth,
  describeKeyspaces,
  describeNodes,
  describeShards,
  describeVersions,
  explainShard,
} from './reports.ts';

const HEALTH_WAIT_MAX_MS = 600_000;
const EVENT_WAIT_MAX_MS = 30_000;

export class Operations implements ClusterOperations {
  /** The only master's own line in the list: HOST:PORT of its gRPC, and since when it runs. */
  self = { address: '', since: '' };
  readonly #leader: Leader;
  readonly #loads: Loads;
  readonly #openHost: string | undefined;

  /** `openHost`: where this master listens, if there are no users. */
  constructor(leader: Leader, loads: Loads, openHost?: string) {
    this.#leader = leader;
    this.#loads = loads;
    this.#openHost = openHost;
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
    if (!isReached()) {
      const subscribe = (wake: () => void) =>
        this.subscribe(() => {
          if (isReached()) wake();
        });
      await waitForChange(subscribe, { time: this.#leader.env, waitMs: timeoutMs, signal });
    }
    return describeHealth(this.#leader, isReached(), this.#openHost);
  }

  async listKeyspaces(): Promise<ListKeyspacesResponse> {
    return { keyspaces: describeKeyspaces(this.#leader) };
  }

  async listEvents(request: ListEventsRequest, signal?: AbortSignal): Promise<ListEventsResponse> {
    const { catalog, env } = this.#leader;
    // Only while there is nothing new: a number from an older copy of the catalog is answered at
    // once.
    const waitMs = Math.min(request.waitMs ?? 0, EVENT_WAIT_MAX_MS);
    if (waitMs > 0 && eventNumbers(catalog.state).newest === request.after) {
      const subscribe = (wake: () => void) => catalog.onEvent(wake);
      await waitForChange(subscribe, { time: env, waitMs, signal });
    }
    return describeEvents(catalog, request);
  }

  async listVersions(request: ListVersionsRequest): Promise<ListVersionsResponse> {
    return { versions: describeVersions(this.#leader, request.keyspace) };
  }

  async rollback(request: RollbackRequest): Promise<RollbackResponse> {
    const { from, to } = await rollBack(this.#leader, request.keyspace, request.to);
    await this.#settle();
    return { version: to, from };
  }

  async promote(request: PromoteRequest): Promise<PromoteResponse> {
    const { from, to } = await promoteVersion(this.#leader, request.keyspace, request.to);
    await this.#settle();
    return { version: to, from };
  }

  /**
   * Drops a version; its files are removed once no read can use them. Throws VERSION_NOT_FOUND and
   * CONFLICT.
   */
  async dropVersion({ keyspace, version }: DropVersionRequest): Promise<void> {
    await this.#leader.catalog.update((state) => dropVersion(state, keyspace, version));
    await this.#settle();
  }

  async setKeep({ keep, keyspace }: SetKeepRequest): Promise<SetKeepResponse> {
    const retired = await this.#leader.catalog.update((state) => setKeep(state, keyspace, keep));
    await this.#settle();
    return { keep, retired };
  }

  /** Takes effect at once; copies are made, or dropped, in the background. */
  async setReplication(request: SetReplicationRequest): Promise<SetReplicationResponse> {
    const { keyspace, replication } = request;
    await this.#leader.catalog.update((state) => setReplication(state, keyspace, replication));
    this.#leader.turn();
    return { replication: replication || this.#leader.world.replication };
  }

  async setCache({ cache, keyspace }: SetCacheRequest): Promise<SetCacheResponse> {
    await this.#leader.catalog.update((state) => setCache(state, keyspace, cache));
    await this.#settle();
    return { cache };
  }

  /** Takes effect at once; segments are moved in the background, and reads go on. */
  async setTier({ keyspace, tier }: SetTierRequest): Promise<SetTierResponse> {
    const word = tierOfMessage(tier);
    const outcome = await this.#leader.catalog.update((state) => setTier(state, keyspace, word));
    await this.#settle();
    return { tier, ...outcome };
  }

  async getArchive(): Promise<GetArchiveResponse> {
    return describeArchive(this.#leader);
  }

  cleanArchive(request: CleanArchiveRequest): Promise<CleanArchiveResponse> {
    return cleanArchive(this.#leader, request);
  }

  async listLoads({ keyspace }: ListLoadsRequest): Promise<ListLoadsResponse> {
    return { loads: this.#loads.list(keyspace) };
  }

  async getLoad({ loadId }: GetLoadRequest): Promise<LoadStatus> {
    return this.#loads.get(loadId);
  }

  async cancelLoad({ loadId, reason }: CancelLoadRequest): Promise<LoadStatus> {
    return this.#loads.cancel(loadId, reason);
  }

  diffVersions(request: DiffVersionsRequest, signal?: AbortSignal): Promise<DiffVersionsResponse> {
    return diffVersions(this.#leader, request, signal);
  }

  listHotKeys(request: ListHotKeysRequest): Promise<ListHotKeysResponse> {
    return listHotKeys(this.#leader, request);
  }

  getCost(request: GetCostRequest): Promise<GetCostResponse> {
    return costOf(this.#leader, request);
  }

  /** Makes a keyspace without a version; one of that name that is there stays as it is. */
  async createKeyspace(request: CreateKeyspaceRequest): Promise<CreateKeyspaceResponse> {
    const { catalog, env } = this.#leader;
    const { keyspace } = request;
    const keyspaceUid = parseKeyspaceUid(env.randomId());
    const done = await catalog.update((state) =>
      createKeyspace(state, { keyspace, keyspaceUid, nowIso: wallClockIso(env) }),
    );
    await this.#settle();
    const { id: clusterId, shardCount } = clusterOf(catalog.state);
    return { keyspaceUid: done.keyspace.uid, shardCount, clusterId, created: done.isNew };
  }

  /** Refuses readers at once; the files are removed in the background. */
  async dropKeyspace(request: DropKeyspaceRequest): Promise<void> {
    await this.#leader.catalog.update((state) =>
      dropKeyspace(state, request.keyspace, wallClockIso(this.#leader.env)),
    );
    await this.#settle();
  }

  /**
   * Resolves when readers are refused; memory is freed within a heartbeat. Throws as its
   * transition.
   */
  async suspendKeyspace({ keyspace }: SuspendKeyspaceRequest): Promise<void> {
    await this.#leader.catalog.update((state) => suspendKeyspace(state, keyspace));
    await this.#settle();
  }

  /** Resumes a keyspace. Reads are answered again once every shard is in memory somewhere. */
  async resumeKeyspace({ keyspace }: ResumeKeyspaceRequest): Promise<void> {
    await this.#leader.catalog.update((state) => resumeKeyspace(state, keyspace));
    await this.#settle();
  }

  async #settle(): Promise<void> {
    this.#leader.turn();
    await this.#leader.waitApplied();
  }

  async listNodes(): Promise<ListNodesResponse> {
    return { nodes: describeNodes(this.#leader) };
  }

  /** The only master; one of several answers in its own words (candidate/). */
  async listMasters(): Promise<ListMastersResponse> {
    const { epoch } = this.current();
    const own = { ...this.self, release: STELE_VERSION };
    const master = { ...own, leads: true, epoch, viewLag: 0, trouble: '' };
    return { masters: [master] };
  }

  readCounters(): Promise<GetReadCountersResponse> {
    return readCounters(this.#leader);
  }

  async stepDown(): Promise<void> {
    throw new SteleError(
      'CONFLICT',
      'There is no other master that could lead; several share their catalog in etcd (--metadata etcd).',
    );
  }

  async listShards(): Promise<ListShardsResponse> {
    return { shards: describeShards(this.#leader) };
  }

  async explain(request: ExplainRequest): Promise<ExplainResponse> {
    const keyspace = requireKeyspace(this.#leader.catalog.state, request.keyspace);
    const { shardCount } = this.#leader.world;
    if (request.shard === undefined) {
      const slot = slotOfKey(request.key, 0, request.key.length);
      return explainShard(this.#leader, keyspace, shardOfSlot(slot, shardCount), slot);
    }
    if (request.shard >= shardCount) {
      throw new SteleError(
        'INVALID_ARGUMENT',
        `There is no shard ${request.shard}; this cluster has the shards 0 to ${shardCount - 1}.`,
      );
    }
    const { first } = slotRangeOfShard(request.shard, shardCount);
    return explainShard(this.#leader, keyspace, request.shard, first);
  }

  async getRecords(request: GetRecordsRequest): Promise<GetRecordsResponse> {
    return getRecords(this.#leader, request);
  }

  async getManifest(request: GetManifestRequest): Promise<GetManifestResponse> {
    return getManifest(this.#leader, request);
  }

  async drainNode(nodeId: string): Promise<void> {
    await this.#leader.catalog.update((state) => setDrain(state, nodeId, true));
    this.#leader.turn();
  }

  async resumeNode(nodeId: string): Promise<void> {
    await this.#leader.catalog.update((state) => setDrain(state, nodeId, false));
    this.#leader.turn();
  }

  restartNode(nodeId: string): Promise<void> {
    return restartNode(this.#leader, nodeId);
  }

  async removeNode(nodeId: string, force: boolean): Promise<void> {
    await removeDeadNode(this.#leader, nodeId, force);
    this.#leader.roster.unfollow(nodeId);
    this.#leader.turn();
  }
}
