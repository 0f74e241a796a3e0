// Removes from the deep store what nothing needs any more: mark and sweep.
//
//   marked    what the catalog's kept versions need, and what the snapshots need that are kept: the newest
//             one, and those younger than the grace time
//   swept     the rest, if the store has had it for longer than the grace time
//
// Safe beside another master: a master that relies on an object that is there has it written again
// once it is older than half the grace time (datanode/transfer/archiver.ts). So what a newer leader
// needs, and the catalog of this one does not show, is too young to be swept. What remains is a
// deletion that was decided before the object was written again, and is carried out after it: so
// nothing is archived while this master deletes, nor in the first `deletionMsMax` of a master,
// after which no deletion of an earlier one goes on.

import type { Archive } from '../../../archive/archive.ts';
import { MANIFESTS, SEGMENTS, SNAPSHOTS, segmentObject } from '../../../archive/layout.ts';
import type { StoredObject } from '../../../archive/object-store.ts';
import { bodyOfBytes } from '../../../archive/open-store.ts';
import type { Env } from '../../../base/env.ts';
import { SteleError } from '../../../base/errors.ts';
import { archivedIn } from '../../catalog/archive-transitions.ts';
import type { CatalogState } from '../../catalog/catalog.ts';
import { isHeld } from '../../catalog/queries.ts';
import { versionId } from '../../catalog/records.ts';

const DELETE_AT_A_TIME = 500;

export interface CleaningOptions {
  readonly graceMs: number;
  /** A deletion that takes longer is given up; the next cleaning finds what is left. */
  readonly deletionMsMax: number;
  /**
   * The objects that the catalog needs now of these keyspaces (`neededByCatalog`); asked before
   * each deletion.
   */
  readonly needed: (uids: ReadonlySet<string>) => ReadonlySet<string>;
  /** Throws if this master may not delete any more. */
  readonly requireLead: () => void;
  /** Only counts. */
  readonly isDry: boolean;
  readonly env: Env;
}

/** Objects and their bytes: removed (or to be), and left. */
export interface Cleaned {
  removedObjects: number;
  removedBytes: number;
  keptObjects: number;
  keptBytes: number;
}

/**
 * Throws the errors of the store and of `requireLead`, CORRUPT for a damaged snapshot: nothing is
 * removed then.
 */
export async function cleanStore(archive: Archive, options: CleaningOptions): Promise<Cleaned> {
  const { env, graceMs, isDry, needed, requireLead } = options;
  const bornBeforeMs = (await storeNowMs(archive, env.randomId())) - graceMs;
  const marked = await markedBySnapshots(archive, bornBeforeMs);
  const cleaned = { removedObjects: 0, removedBytes: 0, keptObjects: 0, keptBytes: 0 };
  for (const prefix of [SNAPSHOTS, MANIFESTS, SEGMENTS]) {
    let old: StoredObject[] = [];
    const sweep = async (): Promise<void> => {
      requireLead();
      const stillNeeded = needed(new Set(old.map(({ name }) => name.split('/', 2)[1] ?? '')));
      const names = old.map(({ name }) => name).filter((name) => !stillNeeded.has(name));
      if (!isDry) await deleteSoon(archive, names, options);
      for (const { byteCount, name } of old) count(cleaned, byteCount, !stillNeeded.has(name));
      old = [];
    };
    for await (const object of archive.store.list(prefix)) {
      const isSpared = object.modifiedMs >= bornBeforeMs || marked.has(object.name);
      if (isSpared) count(cleaned, object.byteCount, false);
      else if (old.push(object) >= DELETE_AT_A_TIME) await sweep();
    }
    await sweep();
  }
  return cleaned;
}

/** The segments and manifests of the kept versions of keyspaces. */
export function neededByCatalog(
  state: CatalogState,
  store: string,
  uids: ReadonlySet<string>,
): ReadonlySet<string> {
  const names = new Set<string>();
  for (const version of state.version.values()) {
    if (!uids.has(version.uid) || !isHeld(version)) continue;
    const id = versionId(version.uid, version.number);
    for (const segment of state.manifest.get(id)?.segments ?? []) {
      names.add(segmentObject(version.uid, segment.id));
    }
    const archived = archivedIn(state, id, store);
    if (archived !== undefined) names.add(archived.manifest);
  }
  return names;
}

async function markedBySnapshots(
  archive: Archive,
  bornBeforeMs: number,
): Promise<ReadonlySet<string>> {
  const marked = new Set<string>();
  const manifests = new Set<string>();
  for (const [at, { modifiedMs, name }] of (await archive.snapshots()).entries()) {
    if (at > 0 && modifiedMs < bornBeforeMs) continue;
    marked.add(name);
    const { keyspaces } = await archive.snapshot(name);
    for (const { manifest } of keyspaces.flatMap(({ versions }) => versions))
      manifests.add(manifest);
  }
  for (const name of manifests) {
    marked.add(name);
    const { keyspaceUid, segments } = await archive.manifest(name);
    for (const { id } of segments) marked.add(segmentObject(keyspaceUid, id));
  }
  return marked;
}

function count(cleaned: Cleaned, byteCount: number, isRemoved: boolean): void {
  cleaned[isRemoved ? 'removedObjects' : 'keptObjects']++;
  cleaned[isRemoved ? 'removedBytes' : 'keptBytes'] += byteCount;
}

async function deleteSoon(
  { store }: Archive,
  names: readonly string[],
  { deletionMsMax, env }: CleaningOptions,
): Promise<void> {
  const overdue = new AbortController();
  const cancel = env.after(deletionMsMax, () => overdue.abort());
  try {
    await store.delete(names, { signal: overdue.signal });
  } finally {
    cancel();
  }
}

/** The time by the clock of the store, which dates the objects. */
async function storeNowMs({ store }: Archive, id: string): Promise<number> {
  const name = `probes/${id}`;
  await store.put(name, bodyOfBytes(Buffer.from('clock')));
  try {
    const written = await store.stat(name);
    if (written !== undefined) return written.modifiedMs;
  } finally {
    await store.delete([name]);
  }
  throw new SteleError('UNAVAILABLE', `${store.url} has lost what was just written to it.`);
}
