// A whole control plane over fake datanodes, with short intervals, for the leader's tests.

import { segmentId } from '../../base/segment-name.ts';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BackgroundTasks } from '../../base/background.ts';
import { monotonicNowMs, wallClockIso } from '../../base/clock.ts';
import { systemEnv } from '../../base/env.ts';
import type { SteleError } from '../../base/errors.ts';
import { silentLogger } from '../../base/log.ts';
import { LoadMode } from '../../proto/gen/stele/v1/load.ts';
import type {
  BeginLoadRequest,
  BeginLoadResponse,
  CommitLoadRequest,
} from '../../proto/gen/stele/v1/load.ts';
import { currentActor } from '../../master/callers/actor.ts';
import { Catalog } from '../../master/catalog/catalog.ts';
import { startEpoch } from '../../master/catalog/cluster-transitions.ts';
import { EVENTS } from '../../master/catalog/events.ts';
import { ChangeQueue } from '../../master/metadata/change-queue.ts';
import { addDigests } from '../../master/loads/commit-check.ts';
import type { DeepStore } from '../../master/control/archiving/deep-store.ts';
import { Leader } from '../../master/control/leader.ts';
import { LoadEnds } from '../../master/loads/load-ends.ts';
import { Loads } from '../../master/loads/loads.ts';
import { openEmbeddedMetadata } from '../../master/metadata/embedded.ts';
import { Operations } from '../../master/operations/operations.ts';
import { NodeRegistrar } from '../../master/control/registration.ts';
import { FakeNetwork } from './fake-datanodes.ts';
import type { FakeDatanode } from './fake-datanodes.ts';
import { WatchedMetadata } from './watched-metadata.ts';

export const SHARDS = 8;
const INTERVAL_MS = 10;
const REPAIR_DELAY_MS = 150;
/** The master's own delays of seconds pass so much faster; those above are of real time. */
const SPEED = 5;

/** Waits for a condition, at most five seconds. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const endMs = monotonicNowMs() + 5_000;
  while (!condition()) {
    if (monotonicNowMs() > endMs) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

export class ControlPlane {
  readonly network = new FakeNetwork();
  readonly folder = mkdtempSync(join(tmpdir(), 'stele-leader-'));
  /** Options of the master that `start` starts. */
  retireDelayMs = 20;
  /** Of the master that `start` starts, for its changes of the catalog. */
  changeLimits: { readonly waitMsMax?: number; readonly answerMsMax?: number } = {};
  /** The error with which the store of that master refuses all changes. */
  storeRefusal: SteleError | undefined;
  /** Time by which the master's clock is ahead. */
  skippedMs = 0;
  /** Whether that master may give orders: false once it has lost the lead. */
  mayOrder = true;
  /** The deep store of that master. */
  deepStore: DeepStore | undefined;
  readonly loadEnds = new LoadEnds();
  leader!: Leader;
  loads!: Loads;
  operations!: Operations;
  registrar!: NodeRegistrar;
  /** Of the master that `start` has started. */
  metadata!: WatchedMetadata;
  /** The reason for which it was asked to end, if it was. */
  replaced: SteleError | undefined;
  #background!: BackgroundTasks;
  #next = 1;
  #starts = 0;

  async start(replication = 2): Promise<void> {
    this.metadata = new WatchedMetadata(await openEmbeddedMetadata(this.folder, silentLogger));
    this.metadata.refusal = this.storeRefusal;
    const queue = new ChangeQueue({ log: silentLogger, ...this.changeLimits });
    const recorder = { ...EVENTS, currentActor, nowIso: wallClockIso };
    const catalog = await Catalog.load(this.metadata, queue, recorder);
    catalog.onEvent((event) => this.loadEnds.noteEvent(event));
    const fresh = { id: 'c000000000000001', shardCount: SHARDS, createdAt: '' };
    const term = `start-${++this.#starts}`;
    const begun = catalog.begin((state) => startEpoch(state, fresh, { term }));
    if (this.storeRefusal === undefined) await begun;
    else await begun.catch(() => undefined);
    this.#background = new BackgroundTasks(silentLogger);
    this.leader = new Leader({
      catalog,
      links: this.network,
      deepStore: this.deepStore,
      mayOrder: () => this.mayOrder,
      background: this.#background,
      log: silentLogger,
      onReplaced: (why) => {
        this.replaced = why;
      },
      env: {
        ...systemEnv,
        nowMs: () => SPEED * monotonicNowMs() + this.skippedMs,
        after: (delayMs, callback) => systemEnv.after(delayMs / SPEED, callback),
      },
      settings: {
        term,
        replication,
        heartbeatIntervalMs: SPEED * INTERVAL_MS,
        heartbeatDeadlineMs: SPEED * 100,
        membership: {
          suspectMisses: 1,
          downMisses: 3,
          initializingDownMisses: 10,
          repairDelayMs: SPEED * REPAIR_DELAY_MS,
        },
        mergeBytesPerSecondMax: 0,
        repair: { copiesPerNodeMax: 4, bytesPerSecondMax: 0 },
        deepStore: this.deepStore?.ref.url ?? '',
        retireDelayMs: SPEED * this.retireDelayMs,
      },
    });
    this.loads = new Loads(this.leader, silentLogger, this.loadEnds);
    this.operations = new Operations(this.leader, this.loads);
    this.registrar = new NodeRegistrar(this.leader, silentLogger);
    this.leader.start();
  }

  /** Stops the master only; its folder and the datanodes stay. */
  async stop(): Promise<void> {
    this.leader.close();
    await this.#background.settled();
    await this.metadata.close();
  }

  async close(): Promise<void> {
    await this.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async join(...ids: string[]): Promise<FakeDatanode[]> {
    const nodes = ids.map((id) => this.network.nodes.get(id) ?? this.network.add(id));
    for (const node of nodes) await this.register(node);
    await until(
      () => ids.every((id) => this.leader.world.nodes.get(id)?.liveness === 'SERVING'),
      `${ids.join(', ')} serve`,
    );
    return nodes;
  }

  /** `segmentFormat`: the newest format that the datanode reads. */
  register(node: FakeDatanode, clusterId = '', segmentFormat = 1) {
    return this.registrar.registerNode({
      nodeId: node.id,
      incarnation: node.incarnation,
      address: node.address,
      zone: '',
      segmentFormat,
      weight: 0,
      clusterId,
    });
  }

  begin(keyspace: string, more: Partial<BeginLoadRequest> = {}): Promise<BeginLoadResponse> {
    return this.loads.beginLoad({
      keyspace,
      mode: LoadMode.REPLACE,
      loadId: '',
      source: 'file.csv',
      input: '',
      inputFingerprint: '',
      skipIfCurrent: false,
      minReplicas: 0,
      owner: { host: 'here', pid: 7, user: 'me' },
      workToken: '',
      segmentFormat: 1,
      ...more,
    });
  }

  /** Made-up segments, one per shard. */
  segments() {
    const batch = this.#next++;
    return Array.from({ length: SHARDS }, (_unused, shard) => {
      const digest = Buffer.alloc(16, batch * 16 + shard);
      const id = segmentId(shard, digest.toString('hex'), String(batch).padStart(32, '0'));
      return { id, shard, fileBytes: 100, records: 10 + shard, keyBytes: 5, valueBytes: 7, digest };
    });
  }

  /** Pushes `segments` to the owners that the load was given. */
  push(load: BeginLoadResponse, segments: ReturnType<ControlPlane['segments']>): void {
    for (const segment of segments) {
      for (const index of load.targets?.owners[segment.shard]?.nodes ?? []) {
        const id = load.targets?.nodes[index]?.id ?? '';
        this.network.nodes.get(id)?.store(load.keyspaceUid, segment.id);
      }
    }
  }

  commit(
    load: BeginLoadResponse,
    segments: ReturnType<ControlPlane['segments']>,
    more: Partial<CommitLoadRequest> = {},
  ) {
    const sum = (field: 'records' | 'keyBytes' | 'valueBytes'): number =>
      segments.reduce((total, segment) => total + segment[field], 0);
    return this.loads.commitLoad({
      loadId: load.loadId,
      shards: segments.map((segment) => ({ segment, nodeIds: [] })),
      records: sum('records'),
      keyBytes: sum('keyBytes'),
      valueBytes: sum('valueBytes'),
      digest: addDigests(segments),
      minReplicas: 0,
      gate: undefined,
      keep: 0,
      ...more,
    });
  }

  /** Runs a whole load; resolves to its version. */
  async load(
    keyspace: string,
    more: Partial<CommitLoadRequest> = {},
    segments = this.segments(),
  ): Promise<{ version: number; uid: string; ids: string[] }> {
    const load = await this.begin(keyspace);
    this.push(load, segments);
    const { version } = await this.commit(load, segments, more);
    return { version, uid: load.keyspaceUid, ids: segments.map((segment) => segment.id) };
  }

  /** The lowest number of nodes that hold any of `ids`. */
  replicas(uid: string, ids: readonly string[]): number {
    const nodes = [...this.network.nodes.values()].filter((node) => node.alive);
    return Math.min(
      ...ids.map((id) => nodes.filter((node) => node.segments.has(`${uid} ${id}`)).length),
    );
  }
}
