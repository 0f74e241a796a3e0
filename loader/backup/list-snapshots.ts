// The snapshots of an archive, for people. Asks no cluster.

import { Archive } from '../../archive/archive.ts';
import { openStore } from '../../archive/open-store.ts';
import type { StoreSettings } from '../../archive/open-store.ts';
import { toSteleError } from '../../base/errors.ts';

export interface ListedSnapshot {
  readonly name: string;
  /** ISO 8601; empty if it cannot be read. */
  readonly createdAt: string;
  readonly keyspaces: number;
  readonly versions: number;
  /** Of the segments of all versions; those that several have count several times. */
  readonly bytes: number;
  /** Why it cannot be read; empty: it can. */
  readonly trouble: string;
}

/** Newest first. Throws NOT_FOUND if there is no archive. */
export async function listSnapshots(
  url: string,
  settings: StoreSettings,
  signal: AbortSignal,
): Promise<ListedSnapshot[]> {
  const store = await openStore(url, settings);
  try {
    const archive = new Archive(store);
    await archive.requireMark({ signal });
    const listed: ListedSnapshot[] = [];
    for (const { name } of await archive.snapshots({ signal })) {
      listed.push(await describe(archive, name, signal));
    }
    return listed;
  } finally {
    store.close();
  }
}

async function describe(
  archive: Archive,
  name: string,
  signal: AbortSignal,
): Promise<ListedSnapshot> {
  const nothing = { name, createdAt: '', keyspaces: 0, versions: 0, bytes: 0 };
  try {
    const { createdAt, keyspaces } = await archive.snapshot(name, { signal });
    const versions = keyspaces.flatMap((keyspace) => keyspace.versions);
    const bytes = versions.reduce((sum, { segmentBytes }) => sum + segmentBytes, 0);
    const counts = { keyspaces: keyspaces.length, versions: versions.length, bytes };
    return { name, createdAt, ...counts, trouble: '' };
  } catch (thrown) {
    const { code } = toSteleError(thrown);
    if (code === 'CORRUPT') return { ...nothing, trouble: 'damaged' };
    if (code === 'UNKNOWN_FORMAT') return { ...nothing, trouble: 'of a later release' };
    throw thrown;
  }
}
