// The leader: one loop that turns what happened into what is to be done.
//
//   heartbeats, holdings, catalog changes --> world --> core (pure) --> view, orders, cleanup
//
// All state of the control plane that is not in the catalog is here and in the roster, and is
// rebuilt from the nodes' own reports after a restart. Events only mark the world as changed; a
// turn then looks at everything at once, so that a burst of events costs one computation.
//
// Invariants: a view is published with a higher revision than all before it in this epoch; every
// order carries epoch, cluster, node and incarnation; a turn never waits for a node.

import type { BackgroundTasks } from '../base/background.ts';
import type { Clock } from '../base/clock.ts';
import { sleep } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { OrderHeader, VersionRef } from '../proto/gen/stele/v1/datanode.ts';
import type { Manifest } from '../proto/gen/stele/v1/segment.ts';
import type { ClusterView } from '../proto/gen/stele/v1/view.ts';
import type { ViewSource } from '../proto/operations.ts';
import type { LinkFactory } from '../proto/ports.ts';
import type { Catalog } from './catalog/catalog.ts';
import { clusterOf, epochOf } from './catalog/queries.ts';
import { manifestMessage, versionId } from './catalog/records.ts';
import type { ObservedRecord } from './catalog/records.ts';
import { Cleaning } from './cleaning.ts';
import type { DropPlan } from './core/cleanup.ts';
import { catalogFacts } from './core/datasets.ts';
import type { CatalogFacts } from './core/datasets.ts';
import { lingeringOf, noteDepartures } from './core/departures.ts';
import type { Departures } from './core/departures.ts';
import { computeHealth } from './core/health.ts';
import type { Health } from './core/health.ts';
import type { MembershipLimits } from './core/membership.ts';
import { placementMemo } from './core/placement.ts';
import { copyFailed, copyKey, forgetTarget, planRepair, retryNow } from './core/repair.ts';
import type { Copy, InFlight, RepairLimits } from './core/repair.ts';
import { buildView } from './core/routes.ts';
import type { World } from './core/world.ts';
import { Merging } from './merging.ts';
import { KeyspaceObserver } from './keyspace-observer.ts';
import { NodeSync } from './nodes/node-sync.ts';
import { Orders } from './orders.ts';
import { PublishedView } from './published-view.ts';
import { Roster } from './roster.ts';
import type { RosterEvents } from './roster.ts';

interface LeaderSettings {
  readonly replication: number;
  readonly heartbeatIntervalMs: number;
  readonly heartbeatDeadlineMs: number;
  readonly membership: MembershipLimits;
  readonly repair: RepairLimits;
  /** Per datanode, of segments read; 0: unlimited. */
  readonly mergeBytesPerSecondMax: number;
  /** How long what has left the view stays on the nodes, for reads that have begun. */
  readonly retireDelayMs: number;
}

export interface LeaderOptions {
  readonly catalog: Catalog;
  readonly links: LinkFactory;
  readonly settings: LeaderSettings;
  readonly background: BackgroundTasks;
  readonly log: Logger;
  readonly clock: Clock;
}

export class Leader implements ViewSource {
  readonly catalog: Catalog;
  readonly roster: Roster;
  readonly sync: NodeSync;
  /** Uids of keyspaces into which a load is being committed: their manifests stay as they are. */
  readonly committing = new Set<string>();
  readonly #options: LeaderOptions;
  readonly #orders: Orders;
  readonly #merging: Merging;
  readonly #loops: KeyspaceObserver;
  readonly #cleaning: Cleaning;
  readonly #place = placementMemo();
  readonly #lastLoadMs = new Map<string, number>();
  readonly #stop = new AbortController();
  #inFlight: InFlight = new Map();
  #departures: Departures = new Map();
  #facts: { readonly of: unknown; readonly facts: CatalogFacts } | undefined;
  #world: World;
  #health: Health;
  readonly #view: PublishedView;
  #turnPlanned = false;

  constructor(options: LeaderOptions) {
    const { catalog, settings, background, log } = options;
    this.#options = options;
    this.catalog = catalog;
    this.roster = new Roster({ ...options, ...settings }, this.#rosterEvents());
    const { connections } = this.roster;
    this.sync = new NodeSync(connections, this.#syncSide(), background, log);
    this.#orders = new Orders(connections, this.#orderSide(), background, log);
    const { mergeBytesPerSecondMax } = settings;
    this.#merging = new Merging(this.#mergingSide(), mergeBytesPerSecondMax, background, log);
    this.#loops = new KeyspaceObserver(this.catalog, background);
    const cleaningSide = {
      catalog,
      drop: (plans: readonly DropPlan[]) => this.#orders.drop(plans),
      onForgotten: () => this.#planTurn(),
    };
    this.#cleaning = new Cleaning(cleaningSide, background, log);
    this.#world = this.#buildWorld();
    this.#health = computeHealth(this.#world);
    this.#view = new PublishedView(this.#nextView());
  }

  /** Dials the nodes that the catalog knows and begins the loop. */
  start(): void {
    for (const record of this.catalog.state.node.values()) this.roster.follow(record);
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
    return this.#view.current();
  }

  subscribe(listener: (view: ClusterView) => void): () => void {
    return this.#view.subscribe(listener);
  }

  /** What the last turn looked at, and the health it came to. */
  get world(): World {
    return this.#world;
  }

  get health(): Health {
    return this.#health;
  }

  nowMs(): number {
    return this.#options.clock();
  }

  header(nodeId: string): OrderHeader {
    return {
      epoch: epochOf(this.catalog.state),
      nodeId,
      incarnation: this.roster.get(nodeId)?.incarnation ?? '',
      clusterId: clusterOf(this.catalog.state).id,
    };
  }

  /** A load touches the keyspace: segments that no manifest names yet are not garbage for a while. */
  touchLoad(uid: string): void {
    this.#lastLoadMs.set(uid, this.nowMs());
  }

  /** No load of the keyspace will be taken up again: what no manifest names is garbage at once. */
  forgetLoad(uid: string): void {
    this.#lastLoadMs.set(uid, Number.NEGATIVE_INFINITY);
  }

  /** Resolves to true when every serving node has the present view, to false after `timeoutMs`. */
  waitApplied(timeoutMs: number): Promise<boolean> {
    const { revision } = this.current();
    return this.sync.waitUntil(() => this.#isApplied(revision), timeoutMs);
  }

  #isApplied(revision: number): boolean {
    const epoch = epochOf(this.catalog.state);
    return [...this.roster.snapshot().nodes.values()]
      .filter((node) => node.liveness === 'SERVING')
      .every((node) => this.sync.hasApplied(node.id, node.incarnation, epoch, revision));
  }

  /** Looks at the world and acts on it; now, e.g. after a commit, or when its time has come. */
  turn(): void {
    if (this.#stop.signal.aborted) return;
    this.#world = this.#buildWorld();
    this.#health = computeHealth(this.#world);
    if (this.#view.offer(this.#nextView())) this.sync.kickAll();
    this.#noteDepartures();
    this.#stepLoops();
    this.#repair();
    this.#merging.turn(this.#world);
    // What is being merged to now must not count as garbage.
    this.#world = { ...this.#world, expected: this.#merging.expected };
    this.#cleaning.turn(this.#world);
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

  #catalogFacts(): CatalogFacts {
    const { state } = this.catalog;
    if (this.#facts?.of !== state) {
      this.#facts = {
        of: state,
        facts: catalogFacts(state, this.#options.settings.replication),
      };
    }
    return this.#facts.facts;
  }

  #buildWorld(): World {
    const facts = this.#catalogFacts();
    const nowMs = this.nowMs();
    const resuming = this.#loops.resuming(facts.records);
    // A keyspace first seen by this master may have had a load just before: it gets the full time.
    const lastLoadMs = new Map(
      facts.keyspaceUids.map((uid) => [uid, this.#lastLoadMs.get(uid) ?? nowMs]),
    );
    for (const [uid, atMs] of lastLoadMs) this.#lastLoadMs.set(uid, atMs);
    const base = {
      ...this.roster.snapshot(),
      nowMs,
      shardCount: clusterOf(this.catalog.state).shardCount,
      replication: this.#options.settings.replication,
      lastLoadMs,
      resuming,
      datasets: facts.datasets.map((dataset) =>
        resuming.has(dataset.uid) ? { ...dataset, suspended: true } : dataset,
      ),
      leaving: facts.leaving,
      deleting: facts.deleting,
      lingering: lingeringOf(
        this.#departures,
        facts.leavingNames,
        nowMs,
        this.#options.settings.retireDelayMs,
        (revision) => this.#isApplied(revision),
      ),
      draining: facts.draining,
      loading: facts.loading,
      expected: this.#merging.expected,
    };
    return { ...base, owners: this.#place(base) };
  }

  #nextView(): ClusterView {
    const epoch = epochOf(this.catalog.state);
    return buildView(this.#world, this.#health, this.#catalogFacts().keyspaces, epoch);
  }

  #noteDepartures(): void {
    const { leavingNames } = this.#catalogFacts();
    const { revision } = this.current();
    this.#departures = noteDepartures(this.#departures, leavingNames, this.nowMs(), revision);
  }

  #stepLoops(): void {
    const { records } = this.#catalogFacts();
    const { retries, woken } = this.#loops.step(this.#world, records, this.#inFlight);
    this.#inFlight = retryNow(this.#inFlight, retries, this.nowMs());
    if (retries.length > 0) this.#resync();
    if (woken) this.#planTurn();
  }

  /** Datanodes are given the view again: with it, they try again what they could not do. */
  #resync(): void {
    for (const nodeId of this.#world.nodes.keys()) this.sync.forget(nodeId);
    this.sync.kickAll();
  }

  /** What a keyspace is found to be, as the catalog knows it or will. */
  observed(uid: string): ObservedRecord | undefined {
    return this.#loops.observed(uid, this.nowMs());
  }

  #repair(): void {
    const limits = this.#options.settings.repair;
    const plan = planRepair(this.#world, this.#inFlight, limits);
    this.#inFlight = plan.inFlight;
    this.#orders.copy(plan.orders, this.#world.nodes, limits.bytesPerSecondMax);
  }

  #rosterEvents(): RosterEvents {
    return {
      onChange: () => this.#planTurn(),
      onHeard: (nodeId) => this.sync.kick(nodeId),
      onRunEnded: (nodeId) => {
        this.sync.forget(nodeId);
        this.#cleaning.onRunEnded(nodeId);
        this.#inFlight = forgetTarget(this.#inFlight, nodeId);
      },
      onCopyFailure: (nodeId, { keyspaceUid, segmentId, reason }) => {
        this.#options.log.warn({ node: nodeId, segment: segmentId, reason }, 'a copy failed');
        const key = copyKey(nodeId, keyspaceUid, segmentId);
        this.#inFlight = copyFailed(this.#inFlight, key, this.nowMs(), reason);
      },
      header: (nodeId) => this.header(nodeId),
    };
  }

  #syncSide(): ConstructorParameters<typeof NodeSync>[1] {
    const { roster } = this;
    return {
      header: (nodeId) => this.header(nodeId),
      currentView: () => this.current(),
      manifest: (ref) => this.manifest(ref),
      holdingsRevisions: (nodeId) => roster.holdingsRevisions(nodeId),
      onHoldings: (...change) => roster.onHoldings(...change),
      onManifestHeld: (...change) => roster.onManifestHeld(...change),
      outdatedManifests: (nodeId) => this.#outdatedManifests(nodeId),
      onViewApplied: (...change) => roster.onViewApplied(...change),
    };
  }

  /** After deltas were merged; versions whose manifests were never changed are in the view's hands. */
  #outdatedManifests(nodeId: string): VersionRef[] {
    return this.#catalogFacts()
      .datasets.filter(
        ({ ref, revision }) => revision > 0 && !this.roster.hasManifest(nodeId, ref, revision),
      )
      .map(({ uid, version }) => ({ keyspaceUid: uid, version }));
  }

  #mergingSide(): ConstructorParameters<typeof Merging>[0] {
    return {
      catalog: this.catalog,
      connections: this.roster.connections,
      header: (nodeId) => this.header(nodeId),
      nowMs: () => this.nowMs(),
      isCommitting: (uid) => this.committing.has(uid),
      copy: (copies) =>
        this.#orders.copy(
          copies,
          this.#world.nodes,
          this.#options.settings.repair.bytesPerSecondMax,
        ),
      onReplaced: () => {
        this.#planTurn();
        this.sync.kickAll();
      },
    };
  }

  #orderSide(): ConstructorParameters<typeof Orders>[1] {
    return {
      header: (nodeId) => this.header(nodeId),
      onDropped: (plan, header) => this.#onDropped(plan, header),
      onCopyRefused: (copies) => this.#onCopyRefused(copies),
    };
  }

  #onDropped({ node, versions }: DropPlan, { incarnation }: OrderHeader): void {
    if (this.roster.get(node)?.incarnation !== incarnation || versions.length === 0) return;
    const refs = versions.map(({ ref }) => ref);
    this.#cleaning.noteDropped(node, refs);
    this.roster.onManifestsDropped(node, incarnation, refs);
    this.#planTurn();
  }

  #onCopyRefused(copies: readonly Copy[]): void {
    for (const { target, uid, segment } of copies) {
      const key = copyKey(target, uid, segment.id);
      this.#inFlight = copyFailed(this.#inFlight, key, this.nowMs(), 'the order was not taken');
    }
  }

  /** The manifest of a committed version; undefined when it is gone. */
  manifest(ref: VersionRef): Manifest | undefined {
    const { state } = this.catalog;
    const id = versionId(ref.keyspaceUid, ref.version);
    const keyspace = state.keyspace.get(ref.keyspaceUid);
    const version = state.version.get(id);
    const manifest = state.manifest.get(id);
    if (keyspace === undefined || version === undefined || manifest === undefined) return undefined;
    return manifestMessage(keyspace, version, manifest, clusterOf(state).shardCount);
  }
}
