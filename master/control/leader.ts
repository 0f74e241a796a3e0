// The leader: one loop that turns what happened into what is to be done.
//
//   heartbeats, holdings, catalog changes --events--> core (pure) --> view, orders, cleanup
//
// The state of the control plane is one immutable value (core/control-state.ts), which only `#dispatch`
// and `turn` replace; here is what carries its orders out. Events only mark it as stirred; a turn then
// looks at everything at once, so that a burst of events costs one computation.
//
// Invariants: a view is published with a higher revision than all before it in this epoch; every
// order carries epoch, cluster, node and incarnation; nothing is ordered before the epoch of this start is durable
// (leadership.ts); a turn never waits for a node; what one part of a
// turn, or one listener, throws is logged and counted, and stops no other.

import type { BackgroundTasks } from '../../base/background.ts';
import type { Clock } from '../../base/clock.ts';
import { sleep, wallClockIsoIn } from '../../base/clock.ts';
import type { SteleError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { OrderHeader } from '../../proto/gen/stele/v1/datanode.ts';
import type { Manifest } from '../../proto/gen/stele/v1/segment.ts';
import { HealthStatus } from '../../proto/gen/stele/v1/view.ts';
import type { ClusterView } from '../../proto/gen/stele/v1/view.ts';
import type { ViewSource } from '../../proto/operations.ts';
import type { LinkFactory } from '../../proto/ports.ts';
import type { Catalog } from '../catalog/catalog.ts';
import { noteObserved } from '../catalog/keyspace-transitions.ts';
import { clusterOf } from '../catalog/queries.ts';
import { versionId } from '../catalog/records.ts';
import type { ObservedRecord } from '../catalog/records.ts';
import { Cleaning } from './cleaning.ts';
import { applyEvent } from '../core/control-events.ts';
import type { ControlEvent } from '../core/control-events.ts';
import { beginControl, isAppliedByAll } from '../core/control-state.ts';
import type { ControlSettings, ControlState } from '../core/control-state.ts';
import { takeTurn } from '../core/control.ts';
import type { Health } from '../core/health.ts';
import { observedOf } from '../core/keyspace-loop.ts';
import type { Copy, InFlight } from '../core/repair.ts';
import type { World } from '../core/world.ts';
import { Leadership } from './leadership.ts';
import { OutdatedManifests, manifestOf } from './manifests.ts';
import { Merging } from './merging.ts';
import { NodeSync } from './nodes/node-sync.ts';
import { Orders } from './orders.ts';
import { Roster } from './roster.ts';
import type { RosterSide } from './roster.ts';

interface LeaderSettings extends ControlSettings {
  readonly heartbeatIntervalMs: number;
  readonly heartbeatDeadlineMs: number;
  /** Per datanode, of segments read; 0: unlimited. */
  readonly mergeBytesPerSecondMax: number;
}

export interface LeaderOptions {
  readonly catalog: Catalog;
  readonly links: LinkFactory;
  readonly settings: LeaderSettings;
  readonly background: BackgroundTasks;
  readonly log: Logger;
  readonly clock: Clock;
  /** Another master has taken the cluster over: nothing is ordered any more, and this one must end. */
  readonly onReplaced?: (why: SteleError) => void;
}

export class Leader implements ViewSource {
  readonly catalog: Catalog;
  readonly roster: Roster;
  readonly sync: NodeSync;
  /** Loads that are being committed, with the keyspace's uid: its manifests stay as they are. */
  readonly committing = new Map<string, string>();
  readonly #options: LeaderOptions;
  readonly #leadership: Leadership;
  readonly #orders: Orders;
  readonly #merging: Merging;
  readonly #cleaning: Cleaning;
  readonly #viewListeners = new Set<(view: ClusterView) => void>();
  readonly #stop = new AbortController();
  readonly #outdated = new OutdatedManifests();
  #state: ControlState;
  #turnPlanned = false;
  #noting = false;

  constructor(options: LeaderOptions) {
    const { catalog, settings, background, log } = options;
    this.#options = options;
    this.catalog = catalog;
    this.#state = beginControl(catalog.state, settings, options.clock());
    this.#leadership = new Leadership({
      ...options,
      onRaised: () => this.turn(),
      onReplaced: (why) => this.#onReplaced(why),
    });
    this.roster = new Roster({ ...options, ...settings }, this.#rosterSide());
    const { connections } = this.roster;
    this.sync = new NodeSync(connections, this.#syncSide(), background, log);
    this.#orders = new Orders(connections, this.#orderSide(), background, log);
    const { mergeBytesPerSecondMax } = settings;
    this.#merging = new Merging(this.#mergingSide(), mergeBytesPerSecondMax, background, log);
    this.#cleaning = new Cleaning(this.#cleaningSide(), background, log);
  }

  /** Dials the nodes that the catalog knows and begins the loop. */
  start(): void {
    for (const record of this.catalog.state.node.values()) this.roster.follow(record);
    this.#leadership.start(this.#stop.signal);
    this.#options.background.run('control-loop', async () => {
      while (!this.#stop.signal.aborted) {
        this.turn();
        await sleep(this.#options.settings.heartbeatIntervalMs, this.#stop.signal);
      }
    });
  }

  close(): void {
    this.#stop.abort();
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

  /** What the last turn looked at, and the health it came to. */
  get world(): World {
    return this.#state.world;
  }

  get health(): Health {
    return this.#state.health;
  }

  /** Copies that are ordered, or failed and are to be tried again. */
  get inFlight(): InFlight {
    return this.#state.inFlight;
  }

  /** False while the epoch of this start cannot be saved: reads are answered, and nothing is ordered. */
  get isLeading(): boolean {
    return this.#leadership.isBegun;
  }

  nowMs(): number {
    return this.#options.clock();
  }

  header(nodeId: string): OrderHeader {
    return {
      ...this.#leadership.header,
      nodeId,
      incarnation: this.#state.nodes.get(nodeId)?.incarnation ?? '',
      clusterId: clusterOf(this.catalog.state).id,
    };
  }

  /** A read of the node failed or is overdue, so its heartbeat comes now. */
  doubt(nodeId: string): void {
    this.roster.doubt(nodeId);
  }

  /** A load has ended without a commit: what no manifest names is garbage at once, unless another load runs. */
  forgetLoad(uid: string): void {
    this.#dispatch({ kind: 'load-forgotten', uid });
  }

  /** A node took a version's manifest and confirmed these segments of it. */
  noteManifestHeld(
    nodeId: string,
    incarnation: string,
    { keyspaceUid: uid, revision, version }: Pick<Manifest, 'keyspaceUid' | 'version' | 'revision'>,
    segmentIds: readonly string[],
  ): void {
    const ref = versionId(uid, version);
    const held = { uid, ref, revision, segmentIds };
    this.#dispatch({ kind: 'manifest-held', nodeId, incarnation, ...held });
  }

  /**
   * Resolves to true when every serving node has the present view, to false (with a warning that names the
   * others) after `timeoutMs`. What was changed is so in either case; until they have the view, clients that
   * read straight from those nodes do not see it.
   */
  async waitApplied(timeoutMs: number): Promise<boolean> {
    const { revision } = this.current();
    const isApplied = (): boolean => isAppliedByAll(this.#state, revision);
    if (await this.sync.waitUntil(isApplied, timeoutMs)) return true;
    const nodes = [...this.#state.nodes.values()]
      .filter(({ id, liveness }) => liveness === 'SERVING' && this.viewLag(id) > 0)
      .map(({ id }) => id);
    if (nodes.length > 0) {
      this.#options.log.warn({ nodes, revision }, 'datanodes have not taken the view in time');
    }
    return false;
  }

  /** By how many views a node is behind the present one; all of this epoch where its present run has none. */
  viewLag(nodeId: string): number {
    const { applied, nodes, view } = this.#state;
    const has = applied.get(nodeId);
    const isOfRun = has !== undefined && has.incarnation === nodes.get(nodeId)?.incarnation;
    return Math.max(0, view.revision - (isOfRun ? has.revision : 0));
  }

  /** What a keyspace is found to be, as the catalog knows it or will. */
  observed(uid: string): ObservedRecord | undefined {
    const loop = this.#state.loops.get(uid);
    return loop && observedOf(uid, loop, this.nowMs(), wallClockIsoIn);
  }

  #dispatch(event: ControlEvent): void {
    const before = this.#state;
    this.#state = applyEvent(before, event, this.nowMs(), this.#options.settings);
    if (this.#state.stirs !== before.stirs) this.#planTurn();
  }

  /**
   * Looks at the world and acts on it; now, e.g. after a commit, or when its time has come. Never throws:
   * a turn that fails changes nothing, and the next one tries again.
   */
  turn(): void {
    if (this.#stop.signal.aborted) return;
    this.#options.background.guard('control turn', () => this.#turn());
  }

  #turn(): void {
    const { background, settings } = this.#options;
    if (this.catalog.state !== this.#state.catalog) {
      this.#dispatch({ kind: 'catalog', catalog: this.catalog.state });
    }
    const { inFlight, merges, stirs } = this.#state;
    const { orders, state } = takeTurn(this.#state, this.nowMs(), settings, wallClockIsoIn);
    // What is not ordered is not under way.
    this.#state = this.isLeading ? state : { ...state, inFlight, merges };
    if (state.stirs !== stirs) this.#planTurn();
    for (const { part, thrown } of orders.faults) background.fault(part, thrown);
    const { view } = orders;
    if (view !== undefined) this.#publish(view);
    if (!this.isLeading) return;
    if (orders.resync) background.guard('resync', () => this.sync.applyAgain());
    background.guard('note keyspaces', () => this.#note(orders.observed));
    background.guard('order copies', () => this.#copy(orders.copies));
    background.guard('order merges', () => this.#merging.carryOut(orders.merging));
    background.guard('order cleaning', () => this.#cleaning.carryOut(orders));
  }

  /** A turn soon, one for all events of this turn of the event loop. */
  #planTurn(): void {
    if (this.#turnPlanned) return;
    this.#turnPlanned = true;
    setImmediate(() => {
      this.#turnPlanned = false;
      this.turn();
    });
  }

  #publish(view: ClusterView): void {
    const { background } = this.#options;
    for (const listener of this.#viewListeners) {
      background.guard('view listener', () => listener(view));
    }
    background.guard('give the view', () => this.sync.kickAll());
  }

  #copy(copies: readonly Copy[]): void {
    const { bytesPerSecondMax } = this.#options.settings.repair;
    this.#orders.copy(copies, this.#state.nodes, bytesPerSecondMax);
  }

  /** What is not written now is ordered again by the next turn. */
  #note(found: readonly ObservedRecord[]): void {
    if (this.#noting || found.length === 0) return;
    this.#noting = true;
    this.#options.background.run('note keyspaces', async () => {
      try {
        await this.catalog.update((state) => noteObserved(state, found));
      } finally {
        this.#noting = false;
      }
    });
  }

  #rosterSide(): RosterSide {
    return {
      node: (nodeId) => this.#state.nodes.get(nodeId),
      dispatch: (event) => {
        if (event.kind === 'removed') this.#forgetNode(event.nodeId);
        this.#dispatch(event);
      },
      onHeard: (nodeId) => this.sync.kick(nodeId),
      allReplicated: () => {
        const { replicationEffective, status } = this.health;
        return status === HealthStatus.GREEN && replicationEffective > 1;
      },
      header: (nodeId) => this.header(nodeId),
      viewRevision: () => this.current().revision,
      checkLeader: (nodeId, response) => this.#leadership.check(nodeId, response),
    };
  }

  #onReplaced(why: SteleError): void {
    this.#options.log.error({ code: why.code }, why.message);
    this.close();
    this.#options.onReplaced?.(why);
  }

  #forgetNode(nodeId: string): void {
    this.#leadership.forget(nodeId);
    this.sync.forget(nodeId);
    this.#outdated.forget(nodeId);
  }

  #syncSide(): ConstructorParameters<typeof NodeSync>[1] {
    return {
      header: (nodeId) => this.header(nodeId),
      givesViews: () => this.isLeading,
      currentView: () => this.current(),
      manifest: (ref) => manifestOf(this.catalog.state, ref),
      holdingsRevisions: (nodeId) => ({
        known: this.#state.holdings.get(nodeId)?.revision ?? 0,
        reported: this.#state.nodes.get(nodeId)?.report?.holdingsRevision ?? 0,
      }),
      reportedView: (nodeId) => this.#state.nodes.get(nodeId)?.report,
      onHoldings: (nodeId, incarnation, list, since) =>
        this.#dispatch({ kind: 'listed', nodeId, incarnation, list, since }),
      onManifestHeld: (...held) => this.noteManifestHeld(...held),
      outdatedManifests: (nodeId) => this.#outdated.of(nodeId, this.#state, this.isLeading),
      onViewApplied: (nodeId, incarnation, view) =>
        this.#dispatch({ kind: 'view-applied', nodeId, incarnation, view }),
    };
  }

  #mergingSide(): ConstructorParameters<typeof Merging>[0] {
    return {
      catalog: this.catalog,
      connections: this.roster.connections,
      header: (nodeId) => this.header(nodeId),
      nowMs: () => this.nowMs(),
      isCommitting: (uid) => [...this.committing.values()].includes(uid),
      copy: (copies) => this.#copy(copies),
      onAnswer: (nodeId, merge, answer) =>
        this.#dispatch({ kind: 'merge-answered', nodeId, merge, answer }),
      onOver: (merges) => this.#dispatch({ kind: 'merges-over', merges }),
      onReplaced: () => {
        // The manifests that nodes are to be given are the new ones from here on.
        this.turn();
        this.sync.kickAll();
      },
    };
  }

  #orderSide(): ConstructorParameters<typeof Orders>[1] {
    return {
      header: (nodeId) => this.header(nodeId),
      onDropped: ({ node, segments, versions }, { incarnation }, isWhole) => {
        const refs = versions.map(({ ref }) => ref);
        const gone = isWhole ? segments : [];
        this.#dispatch({ kind: 'dropped', nodeId: node, incarnation, refs, segments: gone });
      },
      onCopyRefused: (copies) => this.#dispatch({ kind: 'copies-refused', copies }),
    };
  }

  #cleaningSide(): ConstructorParameters<typeof Cleaning>[0] {
    return {
      catalog: this.catalog,
      drop: (plans) => this.#orders.drop(plans),
      onForgotten: () => this.#planTurn(),
    };
  }
}
