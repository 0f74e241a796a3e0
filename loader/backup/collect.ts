// Reads the manifests of the versions of a backup.

import { SteleError } from '../../base/errors.ts';
import type {
  GetRecordsResponse,
  KeyspaceRecords,
  VersionRecords,
} from '../../proto/gen/stele/v1/cluster.ts';
import type { HeldSegment } from '../transfer/cluster-client.ts';
import type { Transfer } from '../transfer/open-transfer.ts';

/** One version with its segments and those who hold them, as of one moment. */
export interface Collected {
  readonly keyspace: KeyspaceRecords;
  readonly version: VersionRecords;
  readonly segments: readonly HeldSegment[];
}

/** All versions of `records`, without those that were dropped since, unless they were current. */
export async function collectManifests(
  transfer: Transfer,
  { keyspaces }: Pick<GetRecordsResponse, 'keyspaces'>,
): Promise<Collected[]> {
  const all = keyspaces.flatMap((keyspace) =>
    keyspace.versions.map((version) => ({ keyspace, version })),
  );
  return collectAgain(transfer, all);
}

/** The same versions with their segments of now: deltas may have been merged, and copies moved. */
export async function collectAgain(
  { cluster, notice }: Transfer,
  versions: readonly Pick<Collected, 'keyspace' | 'version'>[],
): Promise<Collected[]> {
  const collected: Collected[] = [];
  for (const { keyspace, version } of versions) {
    try {
      const segments = await cluster.manifest(keyspace, version.number);
      collected.push({ keyspace, version, segments });
    } catch (thrown) {
      if (!(thrown instanceof SteleError) || thrown.code !== 'VERSION_NOT_FOUND') throw thrown;
      const what = `version ${version.number} of keyspace '${keyspace.name}'`;
      if (version.number === keyspace.currentVersion) {
        const text = `The backup was not made: ${what} was current when it began, and was dropped meanwhile; run it again.`;
        throw new SteleError('CONFLICT', text, { cause: thrown });
      }
      notice(`${what} was dropped meanwhile and is left out`);
    }
  }
  return collected;
}
