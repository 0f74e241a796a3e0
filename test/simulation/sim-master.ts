// A master on a simulated clock, network and metadata store. What it knows and decides is the real core
// (master/core) and the real catalog transitions; this is the shell around them, as leader.ts, orders.ts and
// cleaning.ts are in the product, without promises and timers. Beside it sim-node-sync.ts and sim-merging.ts.
//
// Killed, it loses everything but the durable catalog; a transaction that was under way is there
// or not, as chance will have it.

import { applyChanges, emptyCatalog } from '../../master/catalog/catalog.ts';
import type { CatalogState, Change, Transition } from '../../master/catalog/catalog.ts';
import { recordNode, startEpoch } from '../../master/catalog/cluster-transitions.ts';
import { forgetKeyspace, noteObserved } from '../../master/catalog/keyspace-transitions.ts';
import { clusterOf, epochOf } from '../../master/catalog/queries.ts';
import { segmentInfo } from '../../master/catalog/records.ts';
import { forgetVersions } from '../../master/catalog/version-transitions.ts';
import { applyEvent } from '../../master/core/control-events.ts';
import type { ControlEvent } from '../../master/core/control-events.ts';
import { beginControl } from '../../master/core/control-state.ts';
import type { ControlSettings, ControlState } from '../../master/core/control-state.ts';
import { takeTurn } from '../../master/core/control.ts';
import type { ControlOrders } from '../../master/core/control.ts';
import type { Copy } from '../../master/core/repair.ts';
import type { HeartbeatResponse, OrderHeader } from '../../proto/gen/stele/v1/datanode.ts';
import type { Manifest, SegmentInfo } from '../../proto/gen/stele/v1/segment.ts';
import { SimProcess } from './sim-clock.ts';
import { SimMerging } from './sim-merging.ts';
import type { Answer } from './sim-network.ts';
import { SimNodeSync } from './sim-node-sync.ts';
import { SHARDS } from './sim-segment.ts';
import { Violation } from './sim-world.ts';
import type { DatanodePort, MasterPort, SimWorld, Writer } from './sim-world.ts';

const HEARTBEAT_MS = 500;
const HEARTBEAT_DEADLINE_MS = 1_000;
const ORDER_DEADLINE_MS = 5_000;
/** Changes of the catalog that a backup may lack. */
const BACKUPS_MAX = 40;

interface Update {
  readonly writer: Writer;
  readonly run: (state: CatalogState) => Transition<unknown>;
  readonly done: (result: Answer<unknown>) => void;
}

export class SimMaster extends SimProcess implements MasterPort {
  readonly settings: ControlSettings;
  /** On disk. */
  durable: CatalogState = emptyCatalog();
  readonly backups: CatalogState[] = [];
  state: ControlState;
  /** Of the last turn. */
  orders: ControlOrders | undefined;
  readonly #sim: SimWorld;
  #updates: Update[] = [];
  /** Of the transaction that is being written. */
  #writing: readonly Change[] | undefined;
  #isTurnPlanned = false;
  #followed = new Set<string>();
  #dropping = new Set<string>();
  /** Tokens of commits that are under way, with the keyspace's uid: its manifests stay as they are. */
  committing = new Map<object, string>();
  #sync: SimNodeSync;
  #merging: SimMerging;
  #isBusy = { observe: false, forget: false };

  constructor(sim: SimWorld, settings: ControlSettings) {
    super('master');
    this.#sim = sim;
    this.settings = settings;
    const cluster = { id: 'c', shardCount: SHARDS, createdAt: '' };
    this.durable = applyChanges(
      this.durable,
      startEpoch(this.durable, cluster, { term: 't' }).changes,
    );
    this.state = beginControl(this.durable, settings, 0);
    this.#sync = new SimNodeSync(sim, this);
    this.#merging = this.#newMerging();
  }

  #newMerging(): SimMerging {
    return new SimMerging(this.#sim, this, () => {
      this.#turn();
      for (const nodeId of this.#followed) this.#sync.kick(nodeId);
    });
  }

  start(): void {
    this.#start(false);
  }

  restore(backup: CatalogState): void {
    this.durable = backup;
    this.backups.length = 0;
    this.#sim.judge.restored(backup);
    this.#start(true);
  }

  #start(restored: boolean): void {
    this.life++;
    this.alive = true;
    this.paused = false;
    this.backlog.length = 0;
    const cluster = clusterOf(this.durable);
    const { changes } = startEpoch(this.durable, cluster, { term: 't', restored });
    const forgets = this.#sim.has('restore-gives-numbers-again');
    this.durable = applyChanges(
      this.durable,
      changes.filter(({ table }) => !forgets || table === 'epoch'),
    );
    this.state = beginControl(this.durable, this.settings, this.#sim.clock.nowMs);
    this.#updates = [];
    this.#writing = undefined;
    this.#isTurnPlanned = false;
    this.#followed = new Set();
    this.#dropping = new Set();
    this.committing = new Map();
    this.#sync = new SimNodeSync(this.#sim, this);
    this.#merging = this.#newMerging();
    this.#isBusy = { observe: false, forget: false };
    for (const record of this.durable.node.values()) this.#follow(record.id, record);
    this.#tick();
  }

  crash(): void {
    this.alive = false;
    this.paused = false;
    this.backlog.length = 0;
    if (this.#writing === undefined || this.#sim.random.chance(0.5)) return;
    this.#write(this.#writing);
  }

  #write(changes: readonly Change[]): void {
    this.durable = applyChanges(this.durable, changes);
    this.backups.push(this.durable);
    if (this.backups.length > BACKUPS_MAX) this.backups.shift();
  }

  /** One transition after the other; `done` when its changes are durable. */
  update<Result>(
    writer: Writer,
    run: (state: CatalogState) => Transition<Result>,
    done: (result: Answer<Result>) => void = () => undefined,
  ): void {
    this.#updates.push({ writer, run, done: done as Update['done'] });
    if (this.#updates.length === 1) this.#next();
  }

  #next(): void {
    const update = this.#updates[0];
    if (update === undefined) return;
    const finish = (result: Answer<unknown>): void => {
      this.#updates.shift();
      update.done(result);
      this.#next();
    };
    let transition: Transition<unknown>;
    try {
      transition = update.run(this.durable);
    } catch (thrown) {
      if (thrown instanceof Violation) throw thrown;
      return finish({ ok: false, error: thrown instanceof Error ? thrown.message : 'failed' });
    }
    const { changes, result } = transition;
    if (changes.length === 0) return finish({ ok: true, value: result });
    this.#sim.judge.catalogChanges(update.writer, changes);
    this.#writing = changes;
    this.#sim.clock.after(this.#sim.random.int(1, 10), this, () => {
      this.#writing = undefined;
      this.#write(changes);
      this.dispatch({ kind: 'catalog', catalog: this.durable });
      finish({ ok: true, value: result });
      this.planTurn();
    });
  }

  dispatch(event: ControlEvent): void {
    const { stirs } = this.state;
    this.state = applyEvent(this.state, event, this.#sim.clock.nowMs, this.settings);
    if (this.state.stirs !== stirs) this.planTurn();
  }

  planTurn(): void {
    if (this.#isTurnPlanned) return;
    this.#isTurnPlanned = true;
    this.#sim.clock.after(1, this, () => {
      this.#isTurnPlanned = false;
      this.#turn();
    });
  }

  #tick(): void {
    this.#turn();
    this.#sim.clock.after(HEARTBEAT_MS, this, () => this.#tick());
  }

  #turn(): void {
    const { stirs } = this.state;
    const { orders, state } = takeTurn(this.state, this.#sim.clock.nowMs, this.settings, () => '');
    this.state = state;
    this.orders = orders;
    for (const { part, thrown } of orders.faults) {
      throw new Violation(`${part} threw: ${String(thrown)}`);
    }
    this.#sim.judge.turnTaken(this);
    if (state.stirs !== stirs) this.planTurn();
    if (orders.resync) this.#sync.applyAgain();
    if (orders.view !== undefined || orders.resync) {
      for (const nodeId of this.#followed) this.#sync.kick(nodeId);
    }
    this.#note(orders);
    this.#copyAll([...orders.copies, ...orders.merging.copies]);
    this.#merging.carryOut(orders.merging);
    for (const plan of orders.drops) this.#drop(plan);
    this.#forget(orders);
  }

  #note({ observed }: ControlOrders): void {
    if (observed.length === 0 || this.#isBusy.observe) return;
    this.#isBusy.observe = true;
    this.update(
      'loop',
      (state) => noteObserved(state, observed),
      () => {
        this.#isBusy.observe = false;
      },
    );
  }

  #forget({ forget: { keyspaces, versions } }: ControlOrders): void {
    if (this.#isBusy.forget || keyspaces.length + versions.length === 0) return;
    this.#isBusy.forget = true;
    for (const { uid, version } of versions) {
      this.update('loop', (state) => forgetVersions(state, [{ uid, version }]));
    }
    for (const uid of keyspaces) this.update('loop', (state) => forgetKeyspace(state, uid));
    this.update(
      'loop',
      () => ({ changes: [], result: undefined }),
      () => {
        this.#isBusy.forget = false;
      },
    );
  }

  header(nodeId: string): OrderHeader {
    const incarnation = this.state.nodes.get(nodeId)?.incarnation ?? '';
    return { epoch: epochOf(this.state.catalog), nodeId, incarnation, clusterId: 'c' };
  }

  onRegister(node: DatanodePort, answer: (value: Answer<boolean>) => void): void {
    const { address, id, incarnation, zone } = node;
    const record = { id, incarnation, address, zone };
    this.update(
      'node',
      (state) => recordNode(state, record),
      () => {
        this.#follow(id, record);
        answer({ ok: true, value: true });
      },
    );
  }

  #follow(id: string, record: Parameters<typeof recordNode>[1]): void {
    this.dispatch({ kind: 'known', record });
    if (this.#followed.has(id)) return;
    this.#followed.add(id);
    this.#heartbeat(id);
  }

  removeNode(id: string): void {
    this.#followed.delete(id);
    this.#sync.forget(id);
    this.dispatch({ kind: 'removed', nodeId: id });
  }

  #heartbeat(nodeId: string): void {
    const node = this.#sim.datanodes.get(nodeId);
    if (node === undefined || !this.#followed.has(nodeId)) return;
    const startedMs = this.#sim.clock.nowMs;
    const header = { ...this.header(nodeId), incarnation: '' };
    this.#call<HeartbeatResponse>(
      node,
      HEARTBEAT_DEADLINE_MS,
      (answer) => node.onHeartbeat(header, answer),
      (report) => {
        if (!this.#followed.has(nodeId)) return;
        if (report.ok) this.dispatch({ kind: 'answered', nodeId, report: report.value });
        else this.dispatch({ kind: 'missed', nodeId });
        if (report.ok) this.#sync.kick(nodeId);
        const restMs = HEARTBEAT_MS - (this.#sim.clock.nowMs - startedMs);
        this.#sim.clock.after(Math.max(50, restMs), this, () => this.#heartbeat(nodeId));
      },
    );
  }

  #call<Value>(
    node: DatanodePort,
    deadlineMs: number,
    handle: (answer: (value: Answer<Value>) => void) => void,
    done: (answer: Answer<Value>) => void,
  ): void {
    this.#sim.network.call(this, node, deadlineMs, handle, done);
  }

  putManifest(
    node: DatanodePort,
    manifest: Manifest,
    done: (held: readonly SegmentInfo[] | undefined) => void,
  ): void {
    this.#sync.putManifest(node, this.header(node.id), manifest, done);
  }

  #copyAll(copies: readonly Copy[]): void {
    for (const target of new Set(copies.map((copy) => copy.target))) {
      this.#copy(
        target,
        copies.filter((copy) => copy.target === target),
      );
    }
  }

  #copy(target: string, copies: readonly Copy[]): void {
    const node = this.#sim.datanodes.get(target);
    if (node === undefined) return;
    const header = this.header(target);
    const orders = copies.map(({ segment, sources, uid }) => ({
      keyspaceUid: uid,
      segment: segmentInfo(segment),
      sources: sources.map((nodeId) => ({ nodeId, address: undefined })),
    }));
    this.#call<number>(
      node,
      ORDER_DEADLINE_MS,
      (answer) => node.onCopy(header, orders, answer),
      ({ ok }) => {
        if (!ok) this.dispatch({ kind: 'copies-refused', copies });
      },
    );
  }

  #drop({
    holdingsRevision,
    node: nodeId,
    segments,
    versions,
  }: ControlOrders['drops'][number]): void {
    const node = this.#sim.datanodes.get(nodeId);
    if (node === undefined || this.#dropping.has(nodeId)) return;
    this.#dropping.add(nodeId);
    const header = this.header(nodeId);
    this.#call<number>(
      node,
      ORDER_DEADLINE_MS,
      (answer) => node.onDrop(header, segments, versions, holdingsRevision, answer),
      (dropped) => {
        this.#dropping.delete(nodeId);
        if (!dropped.ok) return;
        const { incarnation } = header;
        const refs = versions.map(({ ref }) => ref);
        const gone = dropped.value === segments.length ? segments : [];
        this.dispatch({ kind: 'dropped', nodeId, incarnation, refs, segments: gone });
      },
    );
  }
}
