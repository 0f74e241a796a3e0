// The leader: the control loop with all parts that carry its orders out.
//
//   heartbeats, holdings, catalog changes --dispatch(event)--> ControlLoop --turn--> view, orders, cleanup
//         ^                                                                            |
//         +------------- Roster, NodeSync, Orders, Merging, Cleaning <-----------------+
//
// Each part reads the loop's state and dispatches events; the only callback is `#onEvent`.
//
// Invariants: every order carries epoch, cluster, node and incarnation; nothing is ordered before
// the epoch of this start is durable (leadership.ts); an error in one part of a turn, or in one
// listener, is logged and counted, and does not stop the others.

import type { KeyspaceUid } from '../../base/ids.ts';
import type { BackgroundTasks } from '../../base/background.ts';
import { sleep, wallClockIsoIn } from '../../base/clock.ts';
import type { Env } from '../../base/env.ts';
import { toSteleError } from '../../base/errors.ts';
import type { SteleError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { TierProgress } from '../../proto/gen/stele/v1/cluster.ts';
import type { OrderHeader } from '../../proto/gen/stele/v1/datanode.ts';
import type { ClusterView } from '../../proto/gen/stele/v1/view.ts';
import type { ViewSource } from '../../proto/operations.ts';
import type { LinkFactory } from '../../proto/ports.ts';
import type { Catalog } from '../catalog/catalog.ts';
import { noteObserved } from '../catalog/keyspace-transitions.ts';
import type { KeyspaceRecord, ObservedRecord } from '../catalog/records.ts';
import type { ControlEvent } from '../core/control-events.ts';
import { isAppliedByAll } from '../core/control-state.ts';
import type { ControlSettings, ControlState } from '../core/control-state.ts';
import type { ControlOrders } from '../core/control.ts';
import type { Health } from '../core/serving/health.ts';
import { observedOf } from '../core/plans/keyspace-loop.ts';
import type { InFlight } from '../core/plans/repair.ts';
import { tierProgress } from '../core/world/tier-moves.ts';
import type { World } from '../core/world/world.ts';
import { Archiving } from './archiving/archiving.ts';
import type { DeepStore } from './archiving/deep-store.ts';
import { Cleaning } from './cleaning.ts';
import { ControlLoop } from './control-loop.ts';
import { Leadership } from './leadership.ts';
import { Merging } from './merging.ts';
import { NodeSync } from './nodes/node-sync.ts';
import { Orders } from './orders.ts';
import { Roster } from './roster.ts';

interface LeaderSettings extends ControlSettings {
  readonly heartbeatIntervalMs: number;
  readonly heartbeatDeadlineMs: number;
  /** Segment bytes read per second and datanode; 0: unlimited. */
  readonly mergeBytesPerSecondMax: number;
}

const APPLIED_WAIT_MS = 2_000;

export interface LeaderOptions {
  readonly catalog: Catalog;
  readonly links: LinkFactory;
  readonly settings: LeaderSettings;
  readonly background: BackgroundTasks;
  readonly log: Logger;
  readonly env: Env;
  /**
   * Called when another master has taken over the cluster: no more orders are given, and this one
   * must end.
   */
  readonly onReplaced?: (why: SteleError) => void;
  /** The deep store of `settings.deepStore`. */
  readonly deepStore?: DeepStore | undefined;
  readonly mayOrder?: (() => boolean) | undefined;
}

export class Leader implements ViewSource {
  readonly catalog: Catalog;
  readonly control: ControlLoop;
  readonly roster: Roster;
  readonly sync: NodeSync;
  /** Undefined without a deep store. */
  readonly archiving: Archiving | undefined;
  /** The uids of keyspaces with a load in commit, by load: their manifests must not change. */
  readonly committing = new Map<string, string>();
  readonly #options: LeaderOptions;
  readonly #leadership: Leadership;
  readonly #orders: Orders;
  readonly #merging: Merging;
  readonly #cleaning: Cleaning;
  readonly #viewListeners = new Set<(view: ClusterView) => void>();
  readonly #stop = new AbortController();
  #noting = false;

  constructor(options: LeaderOptions) {
    const { background, catalog, log, settings } = options;
    this.#options = options;
    this.catalog = catalog;
    this.control = new ControlLoop({
      ...options,
      onEvent: (event) => this.#onEvent(event),
      carryOut: (orders) => this.#carryOut(orders),
    });
    const { control } = this;
    this.#leadership = new Leadership({
      ...options,
      onRaised: () => control.turn(),
      onReplaced: (why) => this.#onReplaced(why),
    });
    this.roster = new Roster({ ...options, ...settings, control, leadership: this.#leadership });
    const parts = { control, connections: this.roster.connections, background, log };
    this.sync = new NodeSync(parts);
    const { deepStore } = options;
    this.#orders = new Orders(parts, settings.repair.bytesPerSecondMax, deepStore?.ref);
    this.archiving = deepStore && new Archiving(parts, deepStore, this.#stop.signal);
    this.#merging = new Merging(
      parts,
      this.#orders,
      this.committing,
      settings.mergeBytesPerSecondMax,
    );
    this.#cleaning = new Cleaning(parts, this.#orders);
  }

  /** Dials the nodes in the catalog and starts the loop. */
  start(): void {
    for (const record of this.catalog.state.node.values()) this.roster.follow(record);
    this.#leadership.start(this.#stop.signal);
    this.archiving?.start();
    const { background, env, settings } = this.#options;
    background.run('control-loop', async () => {
      while (!this.#stop.signal.aborted) {
        this.turn();
        await sleep(settings.heartbeatIntervalMs, this.#stop.signal, env);
      }
    });
  }

  close(): void {
    this.#stop.abort();
    this.control.close();
    this.sync.close();
    this.roster.close();
  }

  current(): ClusterView {
    return this.#state.view;
  }

  subscribe(listener: (view: ClusterView) => void): () => void {
    this.#viewListeners.add(listener);
    return () => this.#viewListeners.delete(listener);
  }

  /** The world of the last turn, and its health. */
  get world(): World {
    return this.#state.world;
  }

  get health(): Health {
    return this.#state.health;
  }

  /** What is left of a change of a keyspace's tier; undefined if nothing. */
  tierProgress(keyspace: KeyspaceRecord): TierProgress | undefined {
    return tierProgress(this.#state, keyspace);
  }

  /** Copies that are ordered, or that failed and will be retried. */
  get inFlight(): InFlight {
    return this.#state.inFlight;
  }

  /** False until the epoch of this start is saved: reads are served, and no orders are given. */
  get isLeading(): boolean {
    return this.control.isLeading;
  }

  get env(): Env {
    return this.control.env;
  }

  nowMs(): number {
    return this.control.nowMs();
  }

  header(nodeId: string): OrderHeader {
    return this.control.header(nodeId);
  }

  /**
   * Resolves to true when every serving node has the present view, to false (with a warning that
   * names the others) after 2 s. The change is made in either case; until nodes have the
   * view, clients that read directly from them do not see it.
   */
  async waitApplied(): Promise<boolean> {
    const { revision } = this.current();
    const isApplied = (): boolean => isAppliedByAll(this.#state, revision);
    if (await this.sync.waitUntil(isApplied, APPLIED_WAIT_MS)) return true;
    const nodes = [...this.#state.nodes.values()]
      .filter(({ id, liveness }) => liveness === 'SERVING' && this.viewLag(id) > 0)
      .map(({ id }) => id);
    if (nodes.length > 0) {
      this.#options.log.warn({ nodes, revision }, 'datanodes have not taken the view in time');
    }
    return false;
  }

  /**
   * The number of views by which a node lags; all views of this epoch if its present incarnation
   * has none.
   */
  viewLag(nodeId: string): number {
    const { applied, nodes, view } = this.#state;
    const has = applied.get(nodeId);
    const isOfRun = has !== undefined && has.incarnation === nodes.get(nodeId)?.incarnation;
    return Math.max(0, view.revision - (isOfRun ? has.revision : 0));
  }

  /** The observed state of a keyspace, as the catalog has it or will have it. */
  observed(keyspaceUid: string): ObservedRecord | undefined {
    const uid = keyspaceUid as KeyspaceUid;
    const loop = this.#state.loops.get(uid);
    const isoIn = (aheadMs: number): string => wallClockIsoIn(aheadMs, this.env);
    return loop && observedOf(uid, loop, this.nowMs(), isoIn);
  }

  get #state(): ControlState {
    return this.control.state;
  }

  dispatch(event: ControlEvent): void {
    this.control.dispatch(event);
  }

  /** Evaluates everything at once, e.g. after a commit. Never throws. */
  turn(): void {
    this.control.turn();
  }

  /** Forwards the effects of an event to the parts, after the state has been updated. */
  #onEvent(event: ControlEvent): void {
    switch (event.kind) {
      case 'answered':
        this.sync.check(event.nodeId);
        break;
      case 'removed':
        this.#leadership.forget(event.nodeId);
        this.sync.forget(event.nodeId);
        break;
      case 'merges-over':
        // From here on, nodes get the new manifests.
        this.turn();
        this.sync.checkAll();
        break;
      default:
    }
  }

  #carryOut(orders: ControlOrders): void {
    const { background } = this.#options;
    if (orders.view !== undefined) this.#publish(orders.view);
    if (!this.isLeading) return;
    if (orders.resync) background.guard('resync', () => this.sync.applyAgain());
    background.guard('note keyspaces', () => this.#note(orders.observed));
    background.guard('order copies', () => this.#orders.copy(orders.copies));
    background.guard('order merges', () => this.#merging.carryOut(orders.merging));
    background.guard('order cleaning', () => this.#cleaning.carryOut(orders));
  }

  #publish(view: ClusterView): void {
    const { background } = this.#options;
    for (const listener of this.#viewListeners) {
      background.guard('view listener', () => listener(view));
    }
    background.guard('give the view', () => this.sync.checkAll());
  }

  /** Writes observed states. The next turn repeats a write that fails. */
  #note(found: readonly ObservedRecord[]): void {
    if (this.#noting || found.length === 0) return;
    this.#noting = true;
    this.#options.background.run('note keyspaces', async () => {
      try {
        await this.catalog.update((state) => noteObserved(state, found));
      } catch (thrown) {
        // No fault: a leader that was just replaced can write no more, and its successor notes them.
        const { code, message } = toSteleError(thrown);
        if (code !== 'UNAVAILABLE') throw thrown;
        this.#options.log.warn({ code }, `the states of keyspaces were not noted: ${message}`);
      } finally {
        this.#noting = false;
      }
    });
  }

  #onReplaced(why: SteleError): void {
    this.#options.log.error({ code: why.code }, why.message);
    this.close();
    this.#options.onReplaced?.(why);
  }
}
