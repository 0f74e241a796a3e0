// The control plane of a large cluster without the cluster: the master's own loop and roster over a
// catalog in memory, and datanodes that only answer.

import { systemEnv } from '../../base/env.ts';
import { BackgroundTasks } from '../../base/background.ts';
import { silentLogger } from '../../base/log.ts';
import { parseKeyspaceUid } from '../../base/ids.ts';
import type { KeyspaceUid } from '../../base/ids.ts';
import { segmentId } from '../../base/segment-name.ts';
import type { SegmentId } from '../../base/segment-name.ts';
import { emptyCatalog } from '../../master/catalog/catalog.ts';
import type { Catalog, CatalogState } from '../../master/catalog/catalog.ts';
import { versionId } from '../../master/catalog/records.ts';
import type { KeyspaceRecord, NodeRecord } from '../../master/catalog/records.ts';
import { ControlLoop } from '../../master/control/control-loop.ts';
import type { Leadership } from '../../master/control/leadership.ts';
import { NodeSync } from '../../master/control/nodes/node-sync.ts';
import { Roster } from '../../master/control/roster.ts';
import type { ControlOrders } from '../../master/core/control.ts';
import type { ControlEvent } from '../../master/core/control-events.ts';
import type { ControlSettings } from '../../master/core/control-state.ts';
import type { HeartbeatResponse } from '../../proto/gen/stele/v1/datanode.ts';
import type { HeldSegment } from '../../proto/gen/stele/v1/datanode.ts';
import { NodeState } from '../../proto/gen/stele/v1/view.ts';
import type { DatanodeLink, LinkFactory } from '../../proto/ports.ts';
import { sleep } from './measure.ts';

export const REPLICATION = 3;

const SETTINGS: ControlSettings = {
  term: 'bench',
  replication: REPLICATION,
  membership: {
    suspectMisses: 1,
    downMisses: 3,
    initializingDownMisses: 10,
    repairDelayMs: 10_000,
  },
  repair: { copiesPerNodeMax: 4, bytesPerSecondMax: 0 },
  retireDelayMs: 5000,
};

const hex = (value: number): string => value.toString(16).padStart(8, '0').repeat(4);
/** A new string, like one that came over the network. */
const received = (text: string): string => Buffer.from(text).toString('latin1');

export class LargeCluster {
  readonly nodes: readonly Omit<NodeRecord, 'drain'>[];
  readonly control: ControlLoop;
  /** The orders of the last turn. */
  orders: ControlOrders | undefined;
  /** Milliseconds by which the clock is ahead. */
  skippedMs = 0;
  /** Called with each event. */
  onEvent: (event: ControlEvent) => void = () => undefined;
  readonly #uids: readonly KeyspaceUid[];
  readonly #shardCount: number;
  readonly #background = new BackgroundTasks(silentLogger);

  constructor(nodeCount: number, shardCount: number, keyspaceCount: number) {
    this.#shardCount = shardCount;
    this.nodes = Array.from({ length: nodeCount }, (_, index) => ({
      id: `node-${String(index).padStart(4, '0')}`,
      incarnation: `run-${index}`,
      address: { host: `host-${index}`, httpPort: 1, respPort: 2, grpcPort: 3 },
      zone: `zone-${index % 3}`,
    }));
    this.#uids = Array.from({ length: keyspaceCount }, (_, at) =>
      parseKeyspaceUid(hex(at).slice(16)),
    );
    this.control = new ControlLoop({
      catalog: { state: this.#catalog(), isBegun: true } as Catalog,
      settings: SETTINGS,
      background: this.#background,
      // Turns are run explicitly, when they are measured.
      env: {
        ...systemEnv,
        nowMs: () => systemEnv.nowMs() + this.skippedMs,
        soon: () => () => undefined,
      },
      onEvent: (event) => this.onEvent(event),
      carryOut: (orders) => (this.orders = orders),
    });
  }

  /** What each node holds if everything is where it should be. */
  holdings(owners: readonly (readonly string[])[]): Map<string, HeldSegment[]> {
    const shards = new Map(this.nodes.map(({ id }): [string, number[]] => [id, []]));
    for (const [shard, ids] of owners.entries()) {
      for (const id of ids) shards.get(id)?.push(shard);
    }
    return new Map(
      this.nodes.map(({ id }) => [
        id,
        this.#uids.flatMap((uid, index) =>
          (shards.get(id) ?? []).map((shard) => ({
            keyspaceUid: uid,
            segmentId: received(this.#segmentId(index, shard)),
          })),
        ),
      ]),
    );
  }

  /** Runs one turn; returns its orders. */
  turn(): ControlOrders {
    this.orders = undefined;
    this.control.turn();
    if (this.orders === undefined) throw new Error('the turn has failed');
    return this.orders;
  }

  /** Everything that a node reports when it is first heard. */
  hear(node: Omit<NodeRecord, 'drain'>, added: readonly HeldSegment[]): void {
    const { id: nodeId, incarnation } = node;
    const run = { nodeId, incarnation };
    this.control.dispatch({ kind: 'known', record: node });
    this.control.dispatch({ kind: 'answered', nodeId, report: reportOf(node) });
    const list = { revision: 1, full: true, added: [...added], removed: [] };
    this.control.dispatch({ kind: 'listed', ...run, list, since: 0 });
    const keyspaces = this.#uids.map((uid) => ({ uid, versions: [1] }));
    this.control.dispatch({ kind: 'view-applied', ...run, view: { revision: 1, keyspaces } });
  }

  /**
   * Runs the real heartbeat loops in real time, because they use timers, with datanodes that answer
   * at once. Returns the cost of one round of heartbeats and one turn: to the event loop, and to
   * the whole process.
   */
  async beat(intervalMs: number, rounds: number): Promise<{ loopMs: number; processMs: number }> {
    let heard = 0;
    const { control } = this;
    const [background, log] = [this.#background, silentLogger];
    const roster = new Roster({
      ...{ control, background, log, links: this.#links(), heartbeatIntervalMs: intervalMs },
      heartbeatDeadlineMs: 2 * intervalMs,
      leadership: { check: () => undefined } as unknown as Leadership,
    });
    const sync = new NodeSync({ control, connections: roster.connections, background, log });
    this.onEvent = (event) => {
      if (event.kind !== 'answered') return;
      heard++;
      sync.check(event.nodeId);
    };
    for (const node of this.nodes) roster.follow(node);
    const turns = setInterval(() => this.turn(), intervalMs);
    // As in a master that has run for long, frequent code is compiled by then.
    await sleep(intervalMs * rounds);
    heard = 0;
    const before = process.cpuUsage();
    const loopBefore = performance.eventLoopUtilization();
    await sleep(intervalMs * rounds);
    clearInterval(turns);
    const { system, user } = process.cpuUsage(before);
    const { active } = performance.eventLoopUtilization(loopBefore);
    roster.close();
    // Per heartbeat, not per time, because a busy machine makes fewer of them in the same time.
    const perRound = (all: number): number => (all * this.nodes.length) / heard;
    return { loopMs: perRound(active), processMs: perRound((system + user) / 1000) };
  }

  #segmentId(keyspaceIndex: number, shard: number): SegmentId {
    return segmentId(shard, hex(keyspaceIndex * this.#shardCount + shard), hex(0xabcd));
  }

  /** One version of each keyspace, with one segment per shard. */
  #catalog(): CatalogState {
    const state = emptyCatalog();
    const { cluster, epoch, keyspace, manifest, node, version } = state as Writable<CatalogState>;
    cluster.set('', { id: 'bench', shardCount: this.#shardCount, createdAt: '' });
    epoch.set('', { epoch: 1, term: 'bench' });
    for (const each of this.nodes) node.set(each.id, { ...each, drain: false });
    const totals = { records: 1000, keyBytes: 16_000, valueBytes: 100_000, digest: hex(0) };
    for (const [index, uid] of this.#uids.entries()) {
      keyspace.set(uid, runningKeyspace(uid, index));
      const summary = { ...totals, segmentBytes: 1, source: '', inputFingerprint: '', loadId: '' };
      const committed = { state: 'COMMITTED', committedAt: '' } as const;
      version.set(versionId(uid, 1), { uid, number: 1, ...summary, ...committed });
      const segments = Array.from({ length: this.#shardCount }, (_, shard) => ({
        ...{ ...totals, shard, fileBytes: 64_000_000, id: this.#segmentId(index, shard) },
      }));
      manifest.set(versionId(uid, 1), { uid, version: 1, segments });
    }
    return state;
  }

  #links(): LinkFactory {
    // Prepared in advance, because decoding messages is not measured here.
    const reports = new Map(this.nodes.map((node) => [node.id, reportOf(node)]));
    const links = {
      connect: ({ nodeId }: { nodeId: string }) => ({
        heartbeat: async () => reports.get(nodeId),
        applyView: async () => ({ missingManifests: [] }),
        // Answers the probe of a read.
        lookups: { lookup: async () => undefined },
        close: () => undefined,
      }),
    };
    return links as unknown as { connect(): DatanodeLink };
  }
}

type Writable<Tables> = {
  [Name in keyof Tables]: Tables[Name] extends ReadonlyMap<infer Key, infer Value>
    ? Map<Key, Value>
    : never;
};

function runningKeyspace(uid: KeyspaceUid, index: number): KeyspaceRecord {
  return {
    ...{ uid, index, name: `keyspace-${index}`, createdAt: '', state: 'RUNNING', nextVersion: 2 },
    desired: { currentVersion: 1, replication: 0 },
  };
}

export function reportOf({
  address,
  id,
  incarnation,
  zone,
}: Omit<NodeRecord, 'drain'>): HeartbeatResponse {
  return {
    ...{ nodeId: id, incarnation, address, zone, state: NodeState.SERVING, holdingsRevision: 1 },
    ...{
      verifyBytesDone: 0,
      verifyBytesTotal: 0,
      stats: undefined,
      copyFailures: [],
      tierMoves: [],
    },
    ...{ viewEpoch: 1, viewTerm: 'bench', viewRevision: 1 },
  };
}
