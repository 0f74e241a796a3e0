// A cluster of datanodes in memory, behind the same ports as real ones: Maps for data, and switches
// for what can go wrong (offline, rejecting, silent, slow, without a shard).

import { SteleError } from '../../../base/errors.ts';
import { HealthStatus, NodeState } from '../../../proto/gen/stele/v1/view.ts';
import type { ClusterView } from '../../../proto/gen/stele/v1/view.ts';
import type {
  CancelLoadRequest,
  DiffVersionsRequest,
  DiffVersionsResponse,
  DropVersionRequest,
  GetHealthRequest,
  GetHealthResponse,
  GetLoadRequest,
  ListLoadsRequest,
  NodeSummary,
  PromoteRequest,
  SetCacheRequest,
  SetReplicationRequest,
  SetKeepRequest,
} from '../../../proto/gen/stele/v1/cluster.ts';
import { LoadState } from '../../../proto/gen/stele/v1/load.ts';
import { LookupStatus } from '../../../proto/gen/stele/v1/lookup.ts';
import type { ListSlotKeysRequest, ScanKeysRequest } from '../../../proto/gen/stele/v1/datanode.ts';
import type { ClusterOperations } from '../../../proto/operations.ts';
import type {
  CallOptions,
  DatanodeLink,
  LookupChannel,
  LookupSink,
  LookupTargetRef,
} from '../../../proto/ports.ts';
import { EXPLAINED } from './explain-sample.ts';
import { shardOfSlot } from '../../../ring/shard.ts';
import { slotOfKey } from '../../../ring/slot.ts';
import { DIFF } from './diff-sample.ts';
import { FakeScans, SHARD_COUNT } from './fake-scans.ts';
import { GATE, LOAD } from './load-sample.ts';

export const UID = '00000000000000aa';

export class FakeNode implements LookupChannel {
  readonly id: string;
  readonly cluster: FakeCluster;
  online = true;
  rejecting = false;
  silent = false;
  delayMs = 0;
  missingShards = new Set<number>();
  calls = 0;
  keysAsked = 0;
  inFlight = 0;
  #unanswered: ((error: SteleError) => void)[] = [];

  constructor(id: string, cluster: FakeCluster) {
    this.id = id;
    this.cluster = cluster;
  }

  async lookup(
    target: LookupTargetRef,
    keys: readonly Uint8Array[],
    sink: LookupSink,
    options: CallOptions,
  ): Promise<void> {
    this.calls++;
    this.keysAsked += keys.length;
    if (this.rejecting) throw new SteleError('UNAVAILABLE', `${this.id} refuses.`);
    if (this.silent) {
      await new Promise<void>((_, reject) => {
        this.#unanswered.push(reject);
        setTimeout(() => reject(new SteleError('DEADLINE_EXCEEDED', 'late')), options.deadlineMs);
      });
    }
    if (this.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, this.delayMs));
    else await Promise.resolve();
    for (let index = 0; index < keys.length; index++) this.#answer(target, keys, index, sink);
  }

  #answer(
    target: LookupTargetRef,
    keys: readonly Uint8Array[],
    index: number,
    sink: LookupSink,
  ): void {
    const key = Buffer.from(keys[index]!);
    const data = this.cluster.versions.get(`${target.keyspaceUid}/${target.version}`);
    if (data === undefined || this.missingShards.has(this.cluster.shardOf(key))) {
      return sink(index, LookupStatus.UNAVAILABLE, key, 0, 0);
    }
    const value = data.get(key.toString('latin1'));
    if (value === undefined) return sink(index, LookupStatus.NOT_FOUND, key, 0, 0);
    // In the middle of a larger buffer, as from the network.
    const carrier = Buffer.concat([Buffer.from('<<'), value, Buffer.from('>>')]);
    sink(index, LookupStatus.OK, carrier, 2, 2 + value.length);
    carrier.fill(0x21);
  }

  close(): void {
    this.online = false;
  }
}

export class FakeCluster implements ClusterOperations {
  readonly nodes = new Map<string, FakeNode>();
  readonly versions = new Map<string, Map<string, Buffer>>();
  readonly calls: string[] = [];
  healthStatus: HealthStatus = HealthStatus.GREEN;
  #view: ClusterView;
  readonly #listeners = new Set<(view: ClusterView) => void>();

  constructor(nodeCount = 3, replication = 2) {
    for (let number = 0; number < nodeCount; number++) {
      const id = `datanode-${number}`;
      this.nodes.set(id, new FakeNode(id, this));
    }
    this.#view = {
      epoch: 1,
      revision: 1,
      shardCount: SHARD_COUNT,
      replication,
      nodes: [...this.nodes.keys()].map((id, number) => ({
        id,
        incarnation: `000000000000000${number}`,
        address: {
          host: '127.0.0.1',
          httpPort: 9001 + number,
          respPort: 7401 + number,
          grpcPort: 50061 + number,
        },
        zone: '',
        state: NodeState.SERVING,
      })),
      routes: Array.from({ length: SHARD_COUNT }, (_, shard) => ({
        nodes: Array.from({ length: replication }, (__, rank) => (shard + rank) % nodeCount),
      })),
      keyspaces: [
        {
          uid: UID,
          name: 'default',
          index: 0,
          currentVersion: 1,
          versions: [1],
          fingerprints: ['f1'],
          records: 0,
        },
      ],
      health: HealthStatus.GREEN,
      ready: true,
    };
    this.versions.set(`${UID}/1`, new Map());
  }

  readonly links = (nodeId: string): DatanodeLink | undefined => {
    const node = this.nodes.get(nodeId);
    if (node?.online !== true) return undefined;
    const scans = new FakeScans(node);
    return {
      lookups: node,
      scanKeys: (request: ScanKeysRequest) => scans.scanKeys(request),
      listSlotKeys: (request: ListSlotKeysRequest) => scans.listSlotKeys(request),
    } as unknown as DatanodeLink;
  };

  node(number: number): FakeNode {
    return this.nodes.get(`datanode-${number}`)!;
  }

  put(key: string | Buffer, value: string | Buffer, version = 1): void {
    const name = `${UID}/${version}`;
    if (!this.versions.has(name)) this.versions.set(name, new Map());
    this.versions.get(name)!.set(Buffer.from(key).toString('latin1'), Buffer.from(value));
  }

  shardOf(key: string | Buffer): number {
    const bytes = Buffer.from(key);
    return shardOfSlot(slotOfKey(bytes, 0, bytes.length), SHARD_COUNT);
  }

  /** Node numbers that the view gives for a key, best first. */
  routeOf(key: string | Buffer): number[] {
    return this.#view.routes[this.shardOf(key)]!.nodes;
  }

  change(change: (view: ClusterView) => void): void {
    const view = structuredClone(this.#view);
    view.revision++;
    change(view);
    this.#view = view;
    for (const listener of this.#listeners) listener(view);
  }

  /** A master has just started, and has not heard of these shards of `default` yet; absent: of anything. */
  restart(shards?: readonly number[]): void {
    this.change((view) => {
      view.ready = false;
      const unserved = Buffer.alloc(Math.ceil(SHARD_COUNT / 8));
      const all = Array.from({ length: SHARD_COUNT }, (_, shard) => shard);
      for (const shard of shards ?? all) unserved[shard >>> 3]! |= 1 << (shard & 7);
      for (const keyspace of view.keyspaces) {
        if (shards === undefined || keyspace.name === 'default') keyspace.unserved = unserved;
      }
    });
  }

  becomeReady(): void {
    this.change((view) => {
      view.ready = true;
      for (const keyspace of view.keyspaces) delete keyspace.unserved;
    });
  }

  current(): ClusterView {
    return this.#view;
  }

  subscribe(listener: (view: ClusterView) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

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
      ready: this.#view.ready,
      replicationLeast: 2,
      copiesRunning: 0,
      copiesFailing: 0,
      reasons: [],
    };
  }

  #summaries(): NodeSummary[] {
    const bytes = { segmentBytes: 1000, memoryLimitBytes: 0, diskFreeBytes: 5, residentBytes: 6 };
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
    return this.#view.nodes.map((node) => ({ node, replicas: 10, ...bytes, ...rest }));
  }

  async listKeyspaces() {
    return {
      keyspaces: this.#view.keyspaces.map((keyspace) => ({
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
      })),
    };
  }

  async listEvents() {
    const of = { keyspace: 'default', node: '', load: '', from: '1', to: '2', reason: '' };
    const by = { door: 'http', address: '127.0.0.1', who: '' };
    return {
      events: [{ number: 1, at: '2026-01-01T00:00:00.000Z', what: 'rollback', ...of, ...by }],
    };
  }

  async listVersions(request: { keyspace: string }) {
    if (!this.#view.keyspaces.some((keyspace) => keyspace.name === request.keyspace)) {
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
  async setCache({ cache, keyspace }: SetCacheRequest) {
    this.calls.push(`cache ${keyspace} ${cache}`);
    return { cache };
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

  async dropKeyspace(request: { keyspace: string }): Promise<void> {
    this.calls.push(`drop ${request.keyspace}`);
  }

  async listNodes() {
    return { nodes: this.#summaries() };
  }

  async listShards() {
    const owners = ['datanode-0', 'datanode-1'];
    const range = { shard: 0, slotFirst: 0, slotLast: 1023, records: 3, bytes: 1000 };
    return {
      shards: [{ ...range, owners, holders: ['datanode-0'], status: HealthStatus.YELLOW }],
    };
  }

  async explain(request: { keyspace: string; key: Buffer; shard?: number | undefined }) {
    return {
      keyspace: request.keyspace,
      version: 1,
      slot: slotOfKey(request.key, 0, request.key.length),
      shard: request.shard ?? this.shardOf(request.key),
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
    if (!this.nodes.has(nodeId)) {
      throw new SteleError('NODE_NOT_FOUND', `There is no datanode '${nodeId}'.`);
    }
    this.calls.push(`${verb} ${nodeId}`);
  }
}
