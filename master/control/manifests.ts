// The manifests that datanodes are given: made from the catalog's records, and which of them a node has only in an
// older revision.
//
// A version's manifest changes after deltas were merged, or when numbers were stepped over (revisionOf). Versions
// whose manifests never changed are in the view's hands: with each view a node says which ones it lacks. Where nodes
// are given no views (leadership.ts), all that they are not known to have count.

import type { VersionRef } from '../../proto/gen/stele/v1/datanode.ts';
import type { Manifest } from '../../proto/gen/stele/v1/segment.ts';
import type { CatalogState } from '../catalog/catalog.ts';
import { clusterOf, revisionOf } from '../catalog/queries.ts';
import { manifestMessage, versionId } from '../catalog/records.ts';
import type { ControlState } from '../core/control-state.ts';
import { revisionRef } from '../core/world.ts';
import type { Dataset } from '../core/world.ts';

/** The manifest of a committed version; undefined when it is gone. */
export function manifestOf(state: CatalogState, ref: VersionRef): Manifest | undefined {
  const id = versionId(ref.keyspaceUid, ref.version);
  const keyspace = state.keyspace.get(ref.keyspaceUid);
  const version = state.version.get(id);
  const manifest = state.manifest.get(id);
  if (keyspace === undefined || version === undefined || manifest === undefined) return undefined;
  const { shardCount } = clusterOf(state);
  const revision = revisionOf(state, manifest);
  return manifestMessage(keyspace, version, manifest, { revision, shardCount });
}

/** What a node lacked when it was last looked at, and what was looked at. */
interface Outdated {
  readonly datasets: readonly Dataset[];
  readonly manifests: ReadonlySet<string> | undefined;
  readonly givesViews: boolean;
  readonly refs: readonly VersionRef[];
}

/** Which versions a node has an older manifest of. Asked with each heartbeat, and nearly always about the same. */
export class OutdatedManifests {
  readonly #byNode = new Map<string, Outdated>();

  of(
    nodeId: string,
    { facts, holdings }: ControlState,
    givesViews: boolean,
  ): readonly VersionRef[] {
    const manifests = holdings.get(nodeId)?.manifests;
    const { datasets } = facts;
    const before = this.#byNode.get(nodeId);
    const isSame = before?.datasets === datasets && before.manifests === manifests;
    if (isSame && before.givesViews === givesViews) return before.refs;
    const refs = datasets
      .filter(({ revision }) => revision > 0 || !givesViews)
      .filter(({ ref, revision }) => manifests?.has(revisionRef(ref, revision)) !== true)
      .map(({ uid, version }) => ({ keyspaceUid: uid, version }));
    this.#byNode.set(nodeId, { datasets, manifests, givesViews, refs });
    return refs;
  }

  forget(nodeId: string): void {
    this.#byNode.delete(nodeId);
  }
}
