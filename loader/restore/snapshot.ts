// Finds a snapshot in an archive, and reads all that it names before anything is written.

import { SNAPSHOTS, segmentObject } from '../../archive/layout.ts';
import type { ArchivedKeyspace, ArchivedManifest, Snapshot } from '../../archive/archived.ts';
import { SteleError } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';
import type { Transfer } from '../transfer/open-transfer.ts';

/** One keyspace to restore, with the manifests of the versions wanted, ascending. */
export interface WantedKeyspace {
  readonly keyspace: ArchivedKeyspace;
  readonly manifests: readonly ArchivedManifest[];
  /** The number of the version that is to be current. */
  readonly current: number;
}

export interface ChosenSnapshot {
  readonly name: string;
  readonly snapshot: Snapshot;
}

/**
 * `name`: as a backup prints it, with or without folder and ending; undefined: the newest. Throws
 * NOT_FOUND.
 */
export async function chooseSnapshot(
  { archive, stop }: Transfer,
  name: string | undefined,
): Promise<ChosenSnapshot> {
  const options = { signal: stop.signal };
  const { url } = archive.store;
  await archive.requireMark(options);
  let wanted: string | undefined;
  if (name === undefined) wanted = (await archive.snapshots(options))[0]?.name;
  else wanted = `${SNAPSHOTS}${name.replace(/^snapshots\//, '').replace(/\.json$/, '')}.json`;
  if (wanted === undefined) {
    throw new SteleError('NOT_FOUND', `${url} has no snapshot: no backup to it has ended yet.`);
  }
  try {
    return { name: wanted, snapshot: await archive.snapshot(wanted, options) };
  } catch (thrown) {
    const isMissing = thrown instanceof SteleError && thrown.code === 'NOT_FOUND';
    if (!isMissing || name === undefined) throw thrown;
    const text = `${url} has no snapshot '${shorten(name)}'; \`stele backup ${url} --list\` lists those there are.`;
    throw new SteleError('NOT_FOUND', text, { cause: thrown });
  }
}

/** Throws KEYSPACE_NOT_FOUND, VERSION_NOT_FOUND, and CORRUPT if a manifest is damaged. */
export async function readWanted(
  { archive, stop }: Transfer,
  { name, snapshot }: ChosenSnapshot,
  keyspaces: readonly string[],
  version: number,
): Promise<WantedKeyspace[]> {
  const stranger = keyspaces.find((one) => !snapshot.keyspaces.some((each) => each.name === one));
  if (stranger !== undefined) {
    const text = `Snapshot '${name}' has no keyspace '${shorten(stranger)}'.`;
    throw new SteleError('KEYSPACE_NOT_FOUND', text);
  }
  const wanted: WantedKeyspace[] = [];
  for (const keyspace of snapshot.keyspaces) {
    if (keyspaces.length > 0 && !keyspaces.includes(keyspace.name)) continue;
    const versions = keyspace.versions.filter(({ number }) => version === 0 || number === version);
    if (versions.length === 0 && version !== 0) {
      const kept = keyspace.versions.map(({ number }) => number).join(', ') || 'none';
      const text = `Snapshot '${name}' has no version ${version} of keyspace '${keyspace.name}'; it has ${kept}.`;
      throw new SteleError('VERSION_NOT_FOUND', text);
    }
    if (keyspace.currentVersion === 0) continue;
    const manifests: ArchivedManifest[] = [];
    for (const { manifest, number } of versions) {
      const read = await archive.manifest(manifest, { signal: stop.signal });
      if (read.shardCount !== snapshot.shardCount || read.version.number !== number) {
        const text = `Snapshot '${name}' and '${manifest}' do not fit together, so nothing was changed.`;
        throw new SteleError('CORRUPT', text);
      }
      manifests.push(read);
    }
    wanted.push({ keyspace, manifests, current: version || keyspace.currentVersion });
  }
  return wanted;
}

/** Throws CORRUPT unless the archive has every segment in its size. */
export async function requireSegments(
  { archive, stop }: Transfer,
  wanted: readonly WantedKeyspace[],
): Promise<void> {
  const options = { signal: stop.signal };
  for (const { keyspace, manifests } of wanted) {
    const { name, uid } = keyspace;
    const present = await archive.segmentSizes(uid, options);
    for (const { segments, version } of manifests) {
      const bad = segments.filter(
        ({ fileBytes, id }) => present.get(segmentObject(uid, id)) !== fileBytes,
      );
      const [first] = bad;
      if (first === undefined) continue;
      const has = present.get(segmentObject(uid, first.id));
      const how =
        has === undefined ? 'is missing' : `has ${has} bytes in place of ${first.fileBytes}`;
      throw new SteleError(
        'CORRUPT',
        `The archive is damaged, so nothing was changed: of keyspace '${name}' version ${version.number}, ${bad.length} segment${bad.length === 1 ? '' : 's'} cannot be used; '${segmentObject(uid, first.id)}' ${how}. Use another snapshot (--snapshot), or a copy of the archive.`,
      );
    }
  }
}
