// The catalog as it is in etcd at one revision, also while masters change it: for those who do not
// lead. A leader reads less (etcd-metadata.ts).

import { Turns } from '../../../base/clock.ts';
import type { Entry } from '../port.ts';
import type { EtcdApi, EtcdEntry } from './api.ts';
import type { StoredEntry } from './large-values.ts';
import { endOf, loadValue } from './layout.ts';
import type { EtcdLayout } from './layout.ts';

/** A step of a transaction as it is stored. `text` undefined: the key is deleted. */
export interface Step {
  readonly key: string;
  readonly text: string | undefined;
}

/** Begins the marker from a restore until the next transaction of the catalog. */
export const RESTORED = 'restored ';

/** A catalog without a marker is that of an etcd that was restored (etcd-metadata.ts). */
export function isOfRestore(marker: EtcdEntry | undefined, hasEntries: boolean): boolean {
  return marker === undefined ? hasEntries : marker.value.toString().startsWith(RESTORED);
}

interface StoredCatalog {
  readonly revision: number;
  /** With a transaction applied that is committed and not yet applied in etcd. */
  readonly entries: readonly Entry[];
  /** Whether it is the content of a backup and nothing was committed since. */
  readonly restored: boolean;
}

/**
 * Reads the catalog. Throws UNAVAILABLE, and CORRUPT if it is damaged or the revision was compacted
 * during the read.
 */
export async function readStored(api: EtcdApi, layout: EtcdLayout): Promise<StoredCatalog> {
  const { entries, revision } = await api.range(layout.catalog, endOf(layout.catalog));
  const [journals, stored, marks] = await Promise.all([
    api.range(layout.journal, undefined, { revision }),
    api.range(layout.pieces, endOf(layout.pieces), { revision }),
    api.range(layout.marker, undefined, { revision }),
  ]);
  const pieces = piecesByHash(layout, stored.entries);
  const byKey = new Map<string, StoredEntry>();
  for (const { key: full, modRevision: at, value } of entries) {
    const key = full.slice(layout.catalog.length);
    byKey.set(key, { key, text: value.toString(), revision: at });
  }
  const [journal] = journals.entries;
  const steps =
    journal &&
    (JSON.parse(
      loadValue(layout.journal, journal.value.toString(), (hash) => pieces.get(hash)),
    ) as Step[]);
  for (const { key, text } of steps ?? []) {
    if (text === undefined) byKey.delete(key);
    else byKey.set(key, { key, text, revision: journal?.modRevision ?? 0 });
  }
  const found = await decodeEntries(layout, byKey.values(), pieces);
  const restored = isOfRestore(marks.entries[0], found.length > 0);
  return { revision, entries: found, restored };
}

/** The pieces among the entries of etcd below `layout.pieces`. */
function piecesByHash(
  layout: EtcdLayout,
  entries: readonly EtcdEntry[],
): ReadonlyMap<string, Buffer> {
  return new Map(entries.map(({ key, value }) => [key.slice(layout.pieces.length), value]));
}

/** Throws CORRUPT if a piece is missing or damaged. */
async function decodeEntries(
  layout: EtcdLayout,
  stored: Iterable<StoredEntry>,
  pieces: ReadonlyMap<string, Buffer>,
): Promise<Entry[]> {
  const found: Entry[] = [];
  const turns = new Turns();
  for (const { key, revision, text } of stored) {
    const value = loadValue(`${layout.catalog}${key}`, text, (hash) => pieces.get(hash));
    found.push({ key, value, revision });
    await turns.after(value.length);
  }
  return found;
}
