// The deep store of the cluster: what is in it, and its cleaning.

import { SteleError } from '../../base/errors.ts';
import type {
  CleanArchiveRequest,
  CleanArchiveResponse,
  GetArchiveResponse,
} from '../../proto/gen/stele/v1/cluster.ts';
import type { Archiving } from '../control/archiving/archiving.ts';
import type { Leader } from '../control/leader.ts';

/** Throws CONFLICT if the cluster has no deep store. */
export function describeArchive(leader: Leader): GetArchiveResponse {
  const { ref, snapshot, trouble, versions, waiting } = requireArchiving(leader).report();
  return {
    ...ref,
    versions,
    waiting: [...waiting],
    snapshot: snapshot?.name ?? '',
    snapshotAt: snapshot?.at ?? '',
    trouble,
  };
}

/** Throws CONFLICT if the cluster has no deep store, and the errors of `cleanStore`. */
export function cleanArchive(
  leader: Leader,
  { dryRun }: CleanArchiveRequest,
): Promise<CleanArchiveResponse> {
  return requireArchiving(leader).clean(dryRun);
}

function requireArchiving({ archiving }: Leader): Archiving {
  if (archiving !== undefined) return archiving;
  throw new SteleError(
    'CONFLICT',
    'The cluster has no deep store; start its masters with --deep-store file:///path or s3://bucket/prefix.',
  );
}
