// The deep store of the cluster: what is in it, and its cleaning.

import type {
  CleanArchiveRequest,
  CleanArchiveResponse,
  GetArchiveResponse,
} from '../../proto/gen/stele/v1/cluster.ts';
import { requireArchiving } from '../control/archiving/archiving.ts';
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
