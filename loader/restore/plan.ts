// How each keyspace is restored, by what the cluster has. Pure.
//
//     the cluster has            and                                       ->
//     nothing of that name,      as many shards, and the uid is free       segments, as they are, with their numbers
//     or no version of it        otherwise                                 rows, as a load of the current version
//     a keyspace of that name    the versions wanted, with their digests   nothing: it is there
//       with the same uid        only lower numbers than some wanted       segments: the rest of them
//                                otherwise                                 refused
//       with another uid         the digest wanted as current              nothing: it is there
//                                otherwise                                 refused

import type { ArchivedManifest } from '../../archive/archived.ts';
import { SteleError } from '../../base/errors.ts';
import type { WantedKeyspace } from './snapshot.ts';

export type RestoreWay = 'segments' | 'rows' | 'there';

export interface PlannedKeyspace {
  readonly wanted: WantedKeyspace;
  /** Its name in the cluster. */
  readonly target: string;
  readonly way: RestoreWay;
  /** The versions to restore, ascending; of rows, one. */
  readonly manifests: readonly ArchivedManifest[];
}

/** What the cluster has of a keyspace. */
export interface PresentKeyspace {
  readonly uid: string;
  readonly name: string;
  readonly currentVersion: number;
  readonly versions: readonly { readonly number: number; readonly digest: string }[];
}

/** Throws CONFLICT for a keyspace that is in the way. */
export function planKeyspace(
  wanted: WantedKeyspace,
  target: string,
  present: readonly PresentKeyspace[],
  isSameShards: boolean,
): PlannedKeyspace {
  const { current, keyspace, manifests } = wanted;
  const rows = manifests.filter(({ version }) => version.number === current);
  const named = present.find(({ name }) => name === target);
  // The first load of a keyspace may be that of an earlier restore.
  const isEmpty = named !== undefined && named.versions.length === 0;
  if (named === undefined || (isEmpty && named.uid !== keyspace.uid)) {
    const isFree = !present.some(({ uid }) => uid === keyspace.uid);
    if (isFree && isSameShards && !isEmpty) return { wanted, target, way: 'segments', manifests };
    return { wanted, target, way: 'rows', manifests: rows };
  }
  const left = named.uid === keyspace.uid ? stillMissing(named, manifests) : undefined;
  if (left !== undefined) {
    const isDone = left.length === 0 && named.currentVersion === current;
    return { wanted, target, way: isDone ? 'there' : 'segments', manifests: left };
  }
  const digest = rows[0]?.version.digest;
  const has = named.versions.find(({ number }) => number === named.currentVersion);
  if (named.uid !== keyspace.uid && has?.digest === digest) {
    return { wanted, target, way: 'there', manifests: [] };
  }
  throw new SteleError(
    'CONFLICT',
    `The cluster has a keyspace '${target}' with other content, so nothing was restored; restore beside it with --as NAME, or drop it first with \`stele drop ${target}\`.`,
  );
}

/** The versions that are to follow those that are there; undefined if they do not fit. */
function stillMissing(
  { versions }: PresentKeyspace,
  manifests: readonly ArchivedManifest[],
): ArchivedManifest[] | undefined {
  const digests = new Map(versions.map(({ digest, number }) => [number, digest]));
  const newest = Math.max(0, ...digests.keys());
  const left = manifests.filter(({ version }) => !digests.has(version.number));
  const isOther = manifests.some(({ version: { digest, number } }) => {
    const has = digests.get(number);
    return has === undefined ? number <= newest : has !== digest;
  });
  return isOther ? undefined : left;
}
