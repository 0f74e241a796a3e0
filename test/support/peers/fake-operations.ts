// The operations of a master, answered from the view of a cluster in memory and recorded in
// `calls`.

import { SteleError } from '../../../base/errors.ts';
import { orFromLastView } from '../../../master/candidate/last-view.ts';
import { HealthStatus, Tier } from '../../../proto/gen/stele/v1/view.ts';
import type { ClusterView } from '../../../proto/gen/stele/v1/view.ts';
import type {
  CancelLoadRequest,
  DiffVersionsRequest,
  DiffVersionsResponse,
  ListHotKeysRequest,
  ListHotKeysResponse,
  DropVersionRequest,
  GetCostRequest,
  GetCostResponse,
  GetHealthRequest,
  GetHealthResponse,
  GetLoadRequest,
  GetReadCountersResponse,
  ListEventsRequest,
  ListEventsResponse,
  ListLoadsRequest,
  NodeSummary,
  PromoteRequest,
  CleanArchiveRequest,
  CreateKeyspaceRequest,
  SetCacheRequest,
  SetTierRequest,
  SetReplicationRequest,
  SetKeepRequest,
} from '../../../proto/gen/stele/v1/cluster.ts';
import { LoadState } from '../../../proto/gen/stele/v1/load.ts';
import { tierWord } from '../../../proto/view-words.ts';
import type { ClusterOperations } from '../../../proto/operations.ts';
import { shardOfSlot } from '../../../ring/shard.ts';
import { slotOfKey } from '../../../ring/slot.ts';
import { COST } from './cost-sample.ts';
import { DIFF } from './diff-sample.ts';
import { EXPLAINED } from './explain-sample.ts';
import { SHARD_COUNT } from './fake-scans.ts';
import { GATE, LOAD } from './load-sample.ts';

export abstract class FakeOperations implements ClusterOperations {
  readonly calls: string[] = [];
  healthStatus: HealthStatus = HealthStatus.GREEN;

  abstract current(): ClusterView;
  abstract subscribe(listener: (view: ClusterView) => void): () => void;

  async health(request: GetHealthRequest): Promise<GetHealthResponse> {
    this.calls.push(`health ${request.waitFor} ${request.timeoutMs}`);
    return {
      status: this.healthStatus,
      reached: request.waitFor === HealthStatus.UNSPECIFIED || this.healthStatus <= request.waitFor,
      replicationTarget: 2,
      replicationEffective: 2,
      epoch: 1,
      shardsTotal: SHARD_COUNT,
      shardsActive: SHARD_COUNT,
      shardsUnderReplicated: 0,
      uncovered:
        this.healthStatus === HealthStatus.RED
          ? [{ shard: 3, slotFirst: 3072, slotLast: 4095, keyspaces: ['default'] }]
          : [],
      nodes: this.#summaries(),
      ready: this.current().ready,
      replicationLeast: 2,
      copiesRunning: 0,
      copiesFailing: 0,
      reasons: [],
      warnings: [],
      formats: { segment: 1, catalog: 2 },
    };
  }

  /** Of all processes; undefined: one that does not tell. */
  release: string | undefined = '0.0.9';

  /** From now on, what a view can answer is answered from it. */
  loseLeader(): void {
    const refuse = async (): Promise<never> => {
      throw new SteleError('UNAVAILABLE', 'No master leads.');
    };
    const leader = { health: refuse, listKeyspaces: refuse, listNodes: refuse, listShards: refuse };
    const since = '2026-01-01T00:00:00.000Z';
    const noLeader = () => ({ why: 'No master leads (etcd is away)', since });
    Object.assign(this, orFromLastView(leader, { current: () => this.current(), noLeader }));
  }

  #summaries(): NodeSummary[] {
    const bytes = { segmentBytes: 1000, memoryLimitBytes: 0, diskFreeBytes: 5, residentBytes: 6 };
    const diskTierBytes = 8;
    const memory = { indexBytes: 100, cacheBytes: 20, accountedBytes: 1500 };
    const rest = {
      progress: 1,
      lookupsTotal: 7,
      silentMs: 0,
      weight: 1,
      trouble: '',
      drainLeft: 0,
      viewLag: 0,
      virtualNodes: 128,
    };
    const { release } = this;
    const known = { ...bytes, ...memory, diskTierBytes, ...rest, release };
    return this.current().nodes.map((node) => ({ node, replicas: 10, ...known }));
  }

  async listKeyspaces() {
    return {
      keyspaces: this.current().keyspaces.map((keyspace) => ({
        name: keyspace.name,
        uid: keyspace.uid,
        index: keyspace.index,
        state: 'RUNNING',
        currentVersion: keyspace.currentVersion,
        records: keyspace.records,
        keyBytes: 1,
        valueBytes: 2,
        segmentBytes: 3,
        digest: Buffer.from('00ff', 'hex'),
        replication: 2,
        createdAt: '2026-01-01T00:00:00.000Z',
        committedAt: '2026-11-29T00:00:00.000Z',
        keep: 2,
        uncached: false,
        tier: keyspace.tier ?? Tier.MEMORY,
      })),
    };
  }

  /** With `after`: none yet. */
  async listEvents(
    { after }: Partial<ListEventsRequest> = {},
    _signal?: AbortSignal,
  ): Promise<ListEventsResponse> {
    if (after !== undefined && after > 0) return { events: [], oldest: 1, newest: 1 };
    const of = { keyspace: 'default', node: '', load: '', from: '1', to: '2', reason: '' };
    const by = { door: 'http', address: '127.0.0.1', who: '' };
    return {
      events: [{ number: 1, at: '2026-01-01T00:00:00.000Z', what: 'rollback', ...of, ...by }],
      ...{ oldest: 1, newest: 1 },
    };
  }

  async listVersions(request: { keyspace: string }) {
    if (!this.current().keyspaces.some((keyspace) => keyspace.name === request.keyspace)) {
      throw new SteleError('KEYSPACE_NOT_FOUND', `There is no keyspace '${request.keyspace}'.`);
    }
    return {
      versions: [
        {
          version: 1,
          current: true,
          currentSince: '2026-01-01T00:00:00.000Z',
          currentBy: 'commit by me@here',
          state: 'COMMITTED',
          records: 4,
          keyBytes: 1,
          valueBytes: 2,
          segmentBytes: 3,
          digest: Buffer.from('abcd', 'hex'),
          source: 'a.csv',
          input: '',
          committedAt: '2026-01-01T00:00:00.000Z',
          loadId: LOAD.loadId,
          reason: '',
          gate: GATE,
          rollbackTarget: false,
          append: undefined,
          deltas: 0,
        },
      ],
    };
  }

  async rollback(request: { keyspace: string; to: number }) {
    this.calls.push(`rollback ${request.keyspace} ${request.to}`);
    return { version: request.to === 0 ? 1 : request.to, from: 2 };
  }

  async promote({ keyspace, to }: PromoteRequest) {
    this.calls.push(`promote ${keyspace} ${to}`);
    return { version: to, from: 2 };
  }

  async dropVersion({ keyspace, version }: DropVersionRequest): Promise<void> {
    this.calls.push(`drop ${keyspace} ${version}`);
  }

  async setKeep({ keep, keyspace }: SetKeepRequest) {
    this.calls.push(`keep ${keyspace} ${keep}`);
    return { keep, retired: [1] };
  }

  setReplication = async ({ keyspace, replication }: SetReplicationRequest) => {
    this.calls.push(`replication ${keyspace} ${replication}`);
    return { replication };
  };
  async createKeyspace({ keyspace }: CreateKeyspaceRequest) {
    this.calls.push(`create ${keyspace}`);
    return { keyspaceUid: 'aa'.repeat(8), shardCount: 4, clusterId: 'bb'.repeat(8), created: true };
  }
  async setCache({ cache, keyspace }: SetCacheRequest) {
    this.calls.push(`cache ${keyspace} ${cache}`);
    return { cache };
  }

  async setTier({ keyspace, tier }: SetTierRequest) {
    this.calls.push(`tier ${keyspace} ${tierWord(tier)}`);
    return { tier, changed: true, segments: 4, bytes: 4096 };
  }

  async getArchive() {
    this.calls.push('archive');
    return {
      ...{ url: 'file:///archive', s3Endpoint: '', s3Region: '', versions: 1, waiting: [] },
      ...{ snapshot: '', snapshotAt: '', trouble: '' },
    };
  }
  async cleanArchive({ dryRun }: CleanArchiveRequest) {
    this.calls.push(`clean archive ${dryRun}`);
    return { removedObjects: 1, removedBytes: 2, keptObjects: 3, keptBytes: 4 };
  }

  async listLoads({ keyspace }: ListLoadsRequest) {
    this.calls.push(`loads ${keyspace}`);
    return { loads: [LOAD] };
  }

  async getLoad({ loadId }: GetLoadRequest) {
    if (loadId === LOAD.loadId) return LOAD;
    throw new SteleError('LOAD_NOT_FOUND', `There is no load '${loadId}'.`);
  }

  async cancelLoad({ loadId, reason }: CancelLoadRequest) {
    this.calls.push(`cancel ${loadId} ${reason}`);
    return { ...LOAD, state: LoadState.CANCELLED, reason };
  }

  async diffVersions(request: DiffVersionsRequest): Promise<DiffVersionsResponse> {
    const { from, keyspace, to } = request;
    this.calls.push(`diff ${keyspace} ${from} ${to} ${request.samplesMax}`);
    return { ...DIFF, from, to: to || 2 };
  }

  async getCost({ keyspace }: GetCostRequest): Promise<GetCostResponse> {
    this.calls.push(`cost ${keyspace}`);
    return COST;
  }

  async listHotKeys({ keyspace, limit }: ListHotKeysRequest): Promise<ListHotKeysResponse> {
    this.calls.push(`hot keys ${keyspace} ${limit}`);
    const hottest = [
      { key: Buffer.from('a'), readsPerSecond: 2, valueBytes: 3 },
      { key: Buffer.from([0xff]), readsPerSecond: 1 },
    ];
    return { readsPerSecond: 5.25, hottest, largest: hottest.slice(0, 1), unanswered: ['node-9'] };
  }

  async dropKeyspace(request: { keyspace: string }): Promise<void> {
    this.calls.push(`drop ${request.keyspace}`);
  }

  async listNodes() {
    return { nodes: this.#summaries() };
  }

  /** Of each datanode the reads that the test set. */
  reads = { found: 5, notFound: 1, valueBytes: 50 };

  async readCounters(): Promise<GetReadCountersResponse> {
    const keyspace = { keyspace: 'default', keyspaceUid: '00000000000000aa', cacheHits: 0 };
    const rest = { failed: 0, latency: [3, 3], cacheHits: 0 };
    const counters = { ...this.reads, ...rest, keyspaces: [{ ...keyspace, ...this.reads }] };
    const nodes = this.current().nodes.map(({ id, incarnation }) => ({
      ...{ nodeId: id, incarnation, trouble: '', counters },
    }));
    return { nodes, own: undefined };
  }

  async listMasters() {
    const master = { address: '127.0.0.1:8400', leads: true, since: '', epoch: 1, viewLag: 0 };
    return { masters: [{ ...master, trouble: '', release: this.release }] };
  }

  async stepDown(): Promise<void> {
    this.calls.push('step down');
  }

  async getRecords() {
    return { clusterId: '0'.repeat(16), shardCount: SHARD_COUNT, keyspaces: [], at: '' };
  }

  async getManifest() {
    return { revision: 0, segmentsTotal: 0, segments: [], nodes: [] };
  }

  async listShards() {
    const owners = ['datanode-0', 'datanode-1'];
    const range = { shard: 0, slotFirst: 0, slotLast: 1023, records: 3, bytes: 1000 };
    return {
      shards: [{ ...range, owners, holders: ['datanode-0'], status: HealthStatus.YELLOW }],
    };
  }

  async explain(request: { keyspace: string; key: Buffer; shard?: number | undefined }) {
    const slot = slotOfKey(request.key, 0, request.key.length);
    return {
      keyspace: request.keyspace,
      version: 1,
      slot,
      shard: request.shard ?? shardOfSlot(slot, SHARD_COUNT),
      ...EXPLAINED,
    };
  }

  suspendKeyspace = async ({ keyspace }: { keyspace: string }) =>
    void this.calls.push(`suspend ${keyspace}`);
  resumeKeyspace = async ({ keyspace }: { keyspace: string }) =>
    void this.calls.push(`resume ${keyspace}`);

  restartNode = async (nodeId: string) => this.#nodeCall('restart', nodeId);
  async drainNode(nodeId: string): Promise<void> {
    this.#nodeCall('drain', nodeId);
  }

  async resumeNode(nodeId: string): Promise<void> {
    this.#nodeCall('resume', nodeId);
  }

  async removeNode(nodeId: string, force: boolean): Promise<void> {
    this.#nodeCall(force ? 'remove by force' : 'remove', nodeId);
  }

  #nodeCall(verb: string, nodeId: string): void {
    if (!this.current().nodes.some(({ id }) => id === nodeId)) {
      throw new SteleError('NODE_NOT_FOUND', `There is no datanode '${nodeId}'.`);
    }
    this.calls.push(`${verb} ${nodeId}`);
  }
}
