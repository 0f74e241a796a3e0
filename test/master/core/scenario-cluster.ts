// A control plane for scenarios: the real core and the real catalog transitions, a clock that is
// set by hand, and datanodes that are no more than what they would report.

import { asSegmentId, asUid } from '../../support/test-ids.ts';
import { applyChanges, emptyCatalog } from '../../../master/catalog/catalog.ts';
import type { CatalogState, Transition } from '../../../master/catalog/catalog.ts';
import {
  recordNode,
  removeNode,
  setVirtualNodes,
  startEpoch,
} from '../../../master/catalog/cluster-transitions.ts';
import { reserveVersion, settleLoad } from '../../../master/catalog/commit-transitions.ts';
import { forgetKeyspace, noteObserved } from '../../../master/catalog/keyspace-transitions.ts';
import { beginLoad } from '../../../master/catalog/load-transitions.ts';
import { requireKeyspace } from '../../../master/catalog/queries.ts';
import type { SegmentRecord } from '../../../master/catalog/records.ts';
import { forgetVersions } from '../../../master/catalog/version-transitions.ts';
import { applyEvent } from '../../../master/core/control-events.ts';
import type { ControlEvent } from '../../../master/core/control-events.ts';
import { beginControl } from '../../../master/core/control-state.ts';
import type { ControlSettings, ControlState } from '../../../master/core/control-state.ts';
import { takeTurn } from '../../../master/core/control.ts';
import type { ControlOrders } from '../../../master/core/control.ts';
import { LoadMode } from '../../../proto/gen/stele/v1/load.ts';
import { NodeState } from '../../../proto/gen/stele/v1/view.ts';
import { gateFor } from '../../../proto/load-gate.ts';

/** A datanode, as far as the control plane can observe it. */
export class ScenarioNode {
  readonly id: string;
  readonly host: string;
  readonly zone: string;
  weight = 1;
  run = 1;
  state: NodeState = NodeState.SERVING;
  /** `<uid> <segmentId>` */
  readonly segments = new Set<string>();
  revision = 1;
  readonly parked = new Set<string>();
  failures: { keyspaceUid: string; segmentId: string; reason: string }[] = [];
  resumeFailures: { keyspaceUid: string; reason: string }[] = [];

  constructor(id: string, host: string, zone: string) {
    this.id = id;
    this.host = host;
    this.zone = zone;
  }

  get incarnation(): string {
    return `${this.id}-${this.run}`;
  }

  get address() {
    return { host: this.host, httpPort: 1, respPort: 2, grpcPort: 3 };
  }
}

export class ScenarioCluster {
  readonly nodes = new Map<string, ScenarioNode>();
  readonly settings: ControlSettings;
  readonly shardCount: number;
  nowMs = 0;
  state: ControlState;
  orders: ControlOrders | undefined;
  #loads = 0;

  constructor(options: { shards: number; replication: number; repairDelayMs: number }) {
    this.shardCount = options.shards;
    this.settings = {
      term: 'scenario',
      replication: options.replication,
      membership: {
        suspectMisses: 1,
        downMisses: 3,
        initializingDownMisses: 10,
        repairDelayMs: options.repairDelayMs,
      },
      repair: { copiesPerNodeMax: 4, bytesPerSecondMax: 0 },
      retireDelayMs: 5_000,
    };
    this.state = beginControl(this.#started(emptyCatalog()), this.settings, 0);
  }

  #started(catalog: CatalogState): CatalogState {
    const fresh = { id: 'cluster', shardCount: this.shardCount, createdAt: '' };
    return applyChanges(catalog, startEpoch(catalog, fresh, { term: 't' }).changes);
  }

  /** Applies a transition to the catalog and dispatches the change to the control plane. */
  change<Result>(transition: (state: CatalogState) => Transition<Result>): Result {
    const { changes, result } = transition(this.state.catalog);
    this.dispatch({ kind: 'catalog', catalog: applyChanges(this.state.catalog, changes) });
    return result;
  }

  dispatch(event: ControlEvent): void {
    this.state = applyEvent(this.state, event, this.nowMs, this.settings);
  }

  /** Kills and restarts the master, which keeps only the catalog. */
  restartMaster(virtualNodes = 0): void {
    let catalog = this.#started(this.state.catalog);
    if (virtualNodes > 0) {
      catalog = applyChanges(catalog, setVirtualNodes(catalog, virtualNodes).changes);
    }
    this.state = beginControl(catalog, this.settings, this.nowMs);
    for (const record of this.state.catalog.node.values()) this.dispatch({ kind: 'known', record });
  }

  join(id: string, host: string, zone: string, weight = 1): void {
    const node = new ScenarioNode(id, host, zone);
    node.weight = weight;
    this.nodes.set(id, node);
    this.register(node);
    this.heartbeat(node);
  }

  register(node: ScenarioNode): void {
    const { address, id, incarnation, weight, zone } = node;
    const record = { id, incarnation, address, zone, weight };
    this.change((state) => recordNode(state, record));
    this.dispatch({ kind: 'known', record });
  }

  remove(id: string): void {
    this.change((state) => removeNode(state, id));
    this.dispatch({ kind: 'removed', nodeId: id });
  }

  /** It answers with its holdings and has taken the present view. */
  heartbeat(node: ScenarioNode): void {
    const { address, id, incarnation, parked, revision, state, zone } = node;
    const copyFailures = node.failures;
    node.failures = [];
    this.dispatch({
      kind: 'answered',
      nodeId: id,
      report: {
        ...{ nodeId: id, incarnation, state, zone, address, copyFailures },
        ...{ verifyBytesDone: 0, verifyBytesTotal: 0, stats: undefined, tierMoves: [] },
        ...{ holdingsRevision: revision, viewEpoch: 0, viewRevision: 0 },
        parked: { keyspaceUids: [...parked], failures: node.resumeFailures },
      },
    });
    const added = [...node.segments].map((name) => {
      const [keyspaceUid = '', segmentId = ''] = name.split(' ');
      return { keyspaceUid, segmentId };
    });
    const list = { revision, full: true, added, removed: [] };
    this.dispatch({ kind: 'listed', nodeId: id, incarnation, list, since: 0 });
  }

  takeView(node: ScenarioNode): void {
    const { id, incarnation } = node;
    const { view } = this.state;
    for (const { resuming, suspended, uid } of view.keyspaces) {
      if (suspended === true && resuming !== true) node.parked.add(uid);
      else if (node.resumeFailures.length === 0) node.parked.delete(uid);
    }
    this.dispatch({ kind: 'view-applied', nodeId: id, incarnation, view });
  }

  turn(): ControlOrders {
    const { orders, state } = takeTurn(this.state, this.nowMs, this.settings, () => 'soon');
    this.state = state;
    this.orders = orders;
    return orders;
  }

  /** Executes the orders of the last turn on the nodes that answer, and reports the results. */
  carryOut(): void {
    for (const { segment, sources, target, uid } of this.orders?.copies ?? []) {
      const node = this.#node(target);
      const name = `${uid} ${segment.id}`;
      if (!sources.some((id) => this.#node(id).segments.has(name))) continue;
      node.segments.add(name);
      node.revision++;
    }
    for (const { node: nodeId, segments, versions } of this.orders?.drops ?? []) {
      const node = this.#node(nodeId);
      for (const { segmentId, uid } of segments) node.segments.delete(`${uid} ${segmentId}`);
      node.revision++;
      const { incarnation } = node;
      const refs = versions.map(({ ref }) => ref);
      this.dispatch({ kind: 'dropped', nodeId, incarnation, refs, segments });
    }
    const { keyspaces = [], versions = [] } = this.orders?.forget ?? {};
    for (const { uid, version } of versions) {
      this.change((state) => forgetVersions(state, [{ uid, version }]));
    }
    for (const uid of keyspaces) this.change((state) => forgetKeyspace(state, uid));
    const observed = this.orders?.observed ?? [];
    if (observed.length > 0) this.change((state) => noteObserved(state, observed));
    this.orders = undefined;
  }

  /** A load that runs to its commit; `holders` have its segments already. The uid is the name. */
  load(name: string, holders: readonly string[] | undefined, bytes: number): number {
    const id = this.beginLoad(name);
    const { uid } = requireKeyspace(this.state.catalog, name);
    const fingerprint = `content ${id}`;
    const version = this.change((state) => reserveVersion(state, id, fingerprint, ''));
    const segments = this.#segments(version, bytes);
    this.state = { ...this.state, ...this.#placedNow() };
    for (const { id: segmentId, shard } of segments) {
      for (const nodeId of holders ?? this.state.world.owners[shard] ?? []) {
        this.#node(nodeId).segments.add(`${uid} ${segmentId}`);
        this.#node(nodeId).revision++;
      }
    }
    for (const { id: nodeId, incarnation, segments: held } of this.nodes.values()) {
      const segmentIds = segments.map((one) => one.id).filter((one) => held.has(`${uid} ${one}`));
      const manifest = { keyspaceUid: uid, version, revision: 0 };
      const about = { nodeId, incarnation, manifest, segmentIds, holdingsRevision: undefined };
      this.dispatch({ kind: 'manifest-held', ...about });
    }
    const sums = { records: segments.length, keyBytes: 1, valueBytes: 1, digest: '', nowIso: '' };
    const gate = gateFor(undefined, LoadMode.REPLACE);
    const copies = { least: 1, wanted: 1 };
    const terms = { gate, keys: [], keep: 0, progress: undefined, copies };
    this.change((state) =>
      settleLoad(state, id, { version, fingerprint, segments, ...sums }, terms),
    );
    return version;
  }

  beginLoad(name: string): string {
    const id = `load-${++this.#loads}`;
    const isTaken = this.state.catalog.keyspace.has(asUid(name));
    this.change((state) =>
      beginLoad(
        state,
        {
          ...{ id, keyspace: name, keyspaceUid: asUid(isTaken ? `${name}~${id}` : name) },
          ...{
            source: '',
            input: '',
            inputFingerprint: '',
            minReplicas: 0,
            mode: 'REPLACE' as const,
          },
          ...{ owner: { host: '', pid: 0, user: '' }, workToken: '', nowIso: '' },
        },
        () => ({ mayReplace: false, progress: undefined, text: '' }),
      ),
    );
    return id;
  }

  #placedNow(): Pick<ControlState, 'world'> {
    return takeTurn(this.state, this.nowMs, this.settings, () => 'soon').state;
  }

  #segments(version: number, fileBytes: number): SegmentRecord[] {
    const sizes = { fileBytes, records: 1, keyBytes: 1, valueBytes: 1, digest: '' };
    return Array.from({ length: this.shardCount }, (_, shard) => ({
      ...sizes,
      shard,
      id: asSegmentId(`${String(shard).padStart(5, '0')}-v${version}`),
    }));
  }

  #node(id: string): ScenarioNode {
    const node = this.nodes.get(id);
    if (node === undefined) throw new Error(`there is no datanode ${id}`);
    return node;
  }
}
