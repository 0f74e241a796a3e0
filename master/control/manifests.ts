// Creates the manifests for datanodes from the catalog's records, and finds outdated ones on a
// node.
//
// A version's manifest changes after its deltas are merged, or when numbers are skipped
// (revisionOf). For other versions the view suffices: in response to each view, a node reports the
// manifests it lacks. If nodes get no views (leadership.ts), every manifest that they are not known
// to have counts as outdated.

import type { VersionRef } from '../../proto/gen/stele/v1/datanode.ts';
import type { Manifest } from '../../proto/gen/stele/v1/segment.ts';
import type { CatalogState } from '../catalog/catalog.ts';
import { clusterOf, revisionOf } from '../catalog/queries.ts';
import { manifestMessage } from '../catalog/messages.ts';
import { versionId } from '../catalog/records.ts';
import type { ControlState } from '../core/control-state.ts';
import { knowsRevision } from '../core/world/holdings.ts';
import type { NodeHoldings } from '../core/world/holdings.ts';
import type { Dataset } from '../core/world/world.ts';

/** The manifest of a committed version; undefined when it is gone. */
export function manifestOf(state: CatalogState, ref: VersionRef): Manifest | undefined {
  const id = versionId(ref.keyspaceUid, ref.version);
  const version = state.version.get(id);
  const keyspace = version && state.keyspace.get(version.uid);
  const manifest = state.manifest.get(id);
  if (keyspace === undefined || version === undefined || manifest === undefined) return undefined;
  const { shardCount } = clusterOf(state);
  const revision = revisionOf(state, manifest);
  return manifestMessage(keyspace, version, manifest, { revision, shardCount });
}

/** The result of the last check of a node, with its inputs. */
interface Outdated {
  readonly datasets: readonly Dataset[];
  readonly manifests: NodeHoldings['manifests'] | undefined;
  readonly givesViews: boolean;
  readonly refs: readonly VersionRef[];
}

/**
 * Finds the versions of which a node has an older manifest. It runs with each heartbeat, and caches
 * its result.
 */
export class OutdatedManifests {
  readonly #byNode = new Map<string, Outdated>();

  of(
    nodeId: string,
    { facts, holdings }: ControlState,
    givesViews: boolean,
  ): readonly VersionRef[] {
    const held = holdings.get(nodeId);
    const manifests = held?.manifests;
    const { datasets } = facts;
    const before = this.#byNode.get(nodeId);
    const isSame = before?.datasets === datasets && before.manifests === manifests;
    if (isSame && before.givesViews === givesViews) return before.refs;
    const refs = datasets
      .filter(({ revision }) => revision > 0 || !givesViews)
      .filter(({ ref, revision }) => !knowsRevision(held, ref, revision))
      .map(({ uid, version }) => ({ keyspaceUid: uid, version }));
    this.#byNode.set(nodeId, { datasets, manifests, givesViews, refs });
    return refs;
  }

  forget(nodeId: string): void {
    this.#byNode.delete(nodeId);
  }
}
