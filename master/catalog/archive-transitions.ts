// What of the versions is in the deep store. Pure.
//
// Invariant: a record says that every segment of its manifest's revision is in the store it names.
// It is removed with the version.

import type { CatalogState, Transition } from './catalog.ts';
import { isHeld } from './queries.ts';
import { versionId } from './records.ts';
import type { ArchivedRecord, VersionId } from './records.ts';

/** Result: false if the version has gone, or its deltas were merged meanwhile. */
export function noteArchived(state: CatalogState, record: ArchivedRecord): Transition<boolean> {
  const id = versionId(record.uid, record.version);
  const version = state.version.get(id);
  const manifest = state.manifest.get(id);
  const isSame = (manifest?.revision ?? 0) === record.revision;
  if (version === undefined || !isHeld(version) || !isSame) return { changes: [], result: false };
  return { changes: [{ table: 'archived', id, record }], result: true };
}

/** The record of a version that is in `store` as it is now. */
export function archivedIn(
  state: CatalogState,
  id: VersionId,
  store: string,
): ArchivedRecord | undefined {
  const record = state.archived.get(id);
  const revision = state.manifest.get(id)?.revision ?? 0;
  return record?.store === store && record.revision === revision ? record : undefined;
}

/** By the tables that it comes from: the same set while they are the same. */
const found = new WeakMap<CatalogState['archived'], [CatalogState['manifest'], Archived]>();
type Archived = ReadonlySet<VersionId>;

/** The versions that are in `store`, which is the same for all calls, as they are now. */
export function archivedVersions(state: CatalogState, store: string): Archived {
  const [manifest, known] = found.get(state.archived) ?? [];
  if (known !== undefined && manifest === state.manifest) return known;
  const ids = [...state.archived.keys()].filter((id) => archivedIn(state, id, store) !== undefined);
  const isSame = known?.size === ids.length && ids.every((id) => known.has(id));
  const archived = isSame ? known : new Set(ids);
  found.set(state.archived, [state.manifest, archived]);
  return archived;
}
