// The master's orders about what to serve: its views, and the manifests of the versions that they
// name.
//
//   heartbeat   says which view is current: the one in force, or another
//   view        replaces the one in force, and parks or brings back keyspaces
//   manifest    says which segments a version consists of
//
// Views and manifests remove nothing, so they are obeyed even if the master's epoch cannot be saved
// (identity.ts). Both are kept on disk for a start without a master (last-known.ts).
//
// Invariants: a view of a deposed master is never accepted; segments are promised to a commit only
// if the epoch is durable, because an older master could otherwise have them dropped after a
// restart.

import type { Env } from '../../base/env.ts';
import { SteleError } from '../../base/errors.ts';
import type {
  ApplyViewRequest,
  ApplyViewResponse,
  HeartbeatRequest,
  PutManifestRequest,
  PutManifestResponse,
} from '../../proto/gen/stele/v1/datanode.ts';
import type { ClusterView } from '../../proto/gen/stele/v1/view.ts';
import { isSameTerm } from '../../proto/view-words.ts';
import type { CurrentView } from './current-view.ts';
import type { Holdings } from '../storage/holdings.ts';
import type { NodeIdentity } from '../identity.ts';
import type { LastKnown } from './last-known.ts';
import type { MasterContact } from './master-contact.ts';
import { checkManifest, checkView } from '../order-checks.ts';
import type { Tiers } from '../storage/tiers.ts';
import type { VersionTables } from '../storage/version-tables.ts';

export interface ServingParts {
  readonly identity: NodeIdentity;
  readonly holdings: Holdings;
  readonly tables: VersionTables;
  readonly cluster: CurrentView;
  readonly contact: MasterContact;
  readonly tiers: Tiers;
  readonly lastKnown: LastKnown;
  readonly env: Env;
}

export class ServingOrders {
  readonly #parts: ServingParts;
  #isRestored = false;

  constructor(parts: ServingParts) {
    this.#parts = parts;
  }

  /**
   * Reads what the master said to an earlier process. Must run before the master can say anything
   * to this one.
   */
  async restore(): Promise<void> {
    if (this.#isRestored) return;
    this.#isRestored = true;
    const { cluster, contact, env, lastKnown, tables } = this.#parts;
    const known = await lastKnown.read();
    if (known === undefined) return;
    const { currentAtMs, manifests, view } = known;
    for (const manifest of manifests) tables.put(manifest, true);
    cluster.restore(view);
    contact.currentBefore(env.unixMs() - currentAtMs, env.nowMs());
    await lastKnown.removeOthers(manifests);
  }

  /**
   * Notes a heartbeat of the leader. `viewRevision` is that of its current view; a master of 0.1.0
   * does not send it.
   */
  heard({ viewRevision }: Pick<HeartbeatRequest, 'viewRevision'>, nowMs: number): void {
    const { epoch, term } = this.#parts.identity.leader;
    this.#compare({ epoch, term, revision: viewRevision ?? 0 }, nowMs);
  }

  /** Throws like NodeIdentity.admitToServe, and INVALID_ARGUMENT. */
  async applyView({ header, view }: ApplyViewRequest): Promise<ApplyViewResponse> {
    const { cluster, env, identity, lastKnown, tables, tiers } = this.#parts;
    await identity.admitToServe(header);
    if (view === undefined) throw new SteleError('INVALID_ARGUMENT', 'The order has no view.');
    checkView(view);
    const missingManifests = tables.missingOf(view);
    if (cluster.apply(view)) lastKnown.saveView(view);
    this.#compare(view, env.nowMs());
    // A late view, which arrived after a newer one, decides nothing.
    if (cluster.view !== undefined) tiers.apply(cluster.view);
    const { epoch = 0, revision = 0, term = '' } = cluster.view ?? {};
    return { missingManifests, viewEpoch: epoch, viewRevision: revision, viewTerm: term };
  }

  /** Throws like NodeIdentity.admitToServe, and INVALID_ARGUMENT. */
  async putManifest({ header, manifest }: PutManifestRequest): Promise<PutManifestResponse> {
    const { holdings, identity, lastKnown, tables } = this.#parts;
    const isDurable = await identity.admitToServe(header);
    if (manifest === undefined) throw new SteleError('INVALID_ARGUMENT', 'There is no manifest.');
    checkManifest(manifest);
    const taken = tables.put(manifest);
    lastKnown.saveManifest(taken);
    const { fingerprint, revision } = taken;
    const held = isDurable ? tables.heldOf(taken) : [];
    // The version depends on them from now on, so they are claimed.
    for (const { id } of held) holdings.claim(taken.keyspaceUid, id);
    const heldSegmentIds = held.map(({ id }) => id);
    return { heldSegmentIds, held, fingerprint, revision, holdingsRevision: holdings.revision };
  }

  /**
   * Notes whether the view in force is the master's `present` one, or a later one of the same
   * start.
   */
  #compare(present: Pick<ClusterView, 'epoch' | 'term' | 'revision'>, nowMs: number): void {
    const { cluster, contact, lastKnown, tables } = this.#parts;
    const { isRestored, view } = cluster;
    const isCurrent =
      view !== undefined &&
      !isRestored &&
      isSameTerm(view, present) &&
      view.revision >= present.revision;
    contact.heard(nowMs, isCurrent);
    if (isCurrent) lastKnown.confirmed(nowMs);
    tables.isPaused = contact.refusal(nowMs) !== undefined;
  }
}
