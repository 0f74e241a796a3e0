// Brings a simulated datanode and the master's picture of it together: its holdings here, the view and the
// manifests there, as master/control/nodes/node-sync.ts does. One task a node. One object a run of the master.

import type { ListHoldingsResponse, OrderHeader } from '../../proto/gen/stele/v1/datanode.ts';
import { revisionOf } from '../../master/catalog/queries.ts';
import { manifestMessage, versionId } from '../../master/catalog/records.ts';
import { revisionRef } from '../../master/core/world.ts';
import type { Manifest, SegmentInfo } from '../../proto/gen/stele/v1/segment.ts';
import type { ClusterView } from '../../proto/gen/stele/v1/view.ts';
import { SHARDS } from './sim-segment.ts';
import type { DatanodePort, MasterPort, SimWorld } from './sim-world.ts';

const CALL_DEADLINE_MS = 5_000;

interface VersionRef {
  readonly keyspaceUid: string;
  readonly version: number;
}

export class SimNodeSync {
  readonly #sim: SimWorld;
  readonly #master: MasterPort;
  readonly #running = new Map<string, { again: boolean }>();
  readonly #applied = new Map<
    string,
    { readonly incarnation: string; readonly view: ClusterView }
  >();

  constructor(sim: SimWorld, master: MasterPort) {
    this.#sim = sim;
    this.#master = master;
  }

  kick(nodeId: string): void {
    const running = this.#running.get(nodeId);
    if (running !== undefined) {
      running.again = true;
      return;
    }
    const node = this.#sim.datanodes.get(nodeId);
    if (node === undefined) return;
    const task = { again: false };
    this.#running.set(nodeId, task);
    const end = (ok: boolean): void => {
      this.#running.delete(nodeId);
      if (ok && task.again) this.kick(nodeId);
    };
    this.#list(node, (ok) => (ok ? this.#giveView(node, end) : end(false)));
  }

  /** Gives every node the view once more. */
  applyAgain(): void {
    this.#applied.clear();
  }

  forget(nodeId: string): void {
    this.#applied.delete(nodeId);
  }

  #list(node: DatanodePort, done: (ok: boolean) => void): void {
    const { id } = node;
    const { state } = this.#master;
    const known = state.holdings.get(id)?.revision ?? 0;
    const reported = state.nodes.get(id)?.report?.holdingsRevision ?? 0;
    if (known >= reported) return done(true);
    const header = this.#master.header(id);
    this.#sim.network.call<ListHoldingsResponse>(
      this.#master,
      node,
      CALL_DEADLINE_MS,
      (answer) => node.onListHoldings(header, known, answer),
      (list) => {
        const { incarnation } = header;
        const about = { nodeId: id, incarnation, since: known };
        if (list.ok) this.#master.dispatch({ kind: 'listed', ...about, list: list.value });
        done(list.ok);
      },
    );
  }

  #giveView(node: DatanodePort, done: (ok: boolean) => void): void {
    const { view } = this.#master.state;
    const header = this.#master.header(node.id);
    const { incarnation } = header;
    const applied = this.#applied.get(node.id);
    if (applied?.view === view && applied.incarnation === incarnation) {
      return this.#giveManifests(node, header, this.#outdated(node.id), done);
    }
    this.#sim.network.call<{ missingManifests: VersionRef[] }>(
      this.#master,
      node,
      CALL_DEADLINE_MS,
      (answer) => node.onApplyView(header, view, answer),
      (response) => {
        if (!response.ok) return done(false);
        const refs = [...response.value.missingManifests, ...this.#outdated(node.id)];
        this.#giveManifests(node, header, refs, (ok) => {
          if (!ok) return done(false);
          this.#applied.set(node.id, { incarnation, view });
          this.#master.dispatch({ kind: 'view-applied', nodeId: node.id, incarnation, view });
          done(true);
        });
      },
    );
  }

  /** After deltas were merged: versions of which the node may have an older manifest. */
  #outdated(nodeId: string): VersionRef[] {
    const { facts, holdings } = this.#master.state;
    const known = holdings.get(nodeId)?.manifests;
    return facts.datasets
      .filter(
        ({ ref, revision }) => revision > 0 && known?.has(revisionRef(ref, revision)) !== true,
      )
      .map(({ uid, version }) => ({ keyspaceUid: uid, version }));
  }

  #giveManifests(
    node: DatanodePort,
    header: OrderHeader,
    refs: VersionRef[],
    done: (ok: boolean) => void,
  ): void {
    const ref = refs.shift();
    if (ref === undefined) return done(true);
    const manifest = this.#manifest(ref.keyspaceUid, ref.version);
    if (manifest === undefined) return this.#giveManifests(node, header, refs, done);
    this.putManifest(node, header, manifest, (held) =>
      held === undefined ? done(false) : this.#giveManifests(node, header, refs, done),
    );
  }

  #manifest(uid: string, number: number): Manifest | undefined {
    const id = versionId(uid, number);
    const { keyspace: keyspaces, manifest: manifests, version: versions } = this.#master.durable;
    const keyspace = keyspaces.get(uid);
    const version = versions.get(id);
    const manifest = manifests.get(id);
    if (keyspace === undefined || version === undefined || manifest === undefined) return undefined;
    const revision = revisionOf(this.#master.durable, manifest);
    return manifestMessage(keyspace, version, manifest, { revision, shardCount: SHARDS });
  }

  /** `done` gets the segments that the node holds, or undefined where it did not take the manifest. */
  putManifest(
    node: DatanodePort,
    header: OrderHeader,
    manifest: Manifest,
    done: (held: readonly SegmentInfo[] | undefined) => void,
  ): void {
    this.#sim.network.call<readonly SegmentInfo[]>(
      this.#master,
      node,
      CALL_DEADLINE_MS,
      (answer) => node.onPutManifest(header, manifest, answer),
      (held) => {
        if (!held.ok) return done(undefined);
        const segmentIds = held.value.map(({ id }) => id);
        const { keyspaceUid: uid, revision } = manifest;
        const ref = versionId(uid, manifest.version);
        const { incarnation } = header;
        const content = { uid, ref, revision, segmentIds };
        this.#master.dispatch({ kind: 'manifest-held', nodeId: node.id, incarnation, ...content });
        done(held.value);
      },
    );
  }
}
