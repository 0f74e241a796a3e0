// Asks the cluster for what a dry run needs: the number of shards, and the version that the new one
// would follow. A dry run needs no cluster: without an answer these stay unknown.

import { addressList } from '../../base/address.ts';
import { toSteleError } from '../../base/errors.ts';
import { SHARD_COUNT_DEFAULT } from '../../base/limits.ts';
import { assertShardCount } from '../../base/shard-count.ts';
import type { TargetCluster } from '../../loader/stages/gate-forecast.ts';
import { credentialsOf } from '../../transport/client-identity.ts';
import { tlsSource } from '../../transport/tls/tls-settings.ts';
import { withAdmin } from '../with-admin.ts';
import type { Admin, ConnectSettings } from '../with-admin.ts';

const TIMEOUT_MS = 1_000;
const LOOKUP_TIMEOUT_MS = 5_000;

/** `shards` 0 asks the master. Throws INVALID_ARGUMENT for an impossible number of shards. */
export async function askTarget(
  settings: Omit<ConnectSettings, 'timeout'> & { readonly shards: number },
  keyspace: string,
): Promise<TargetCluster> {
  const { master, shards } = settings;
  if (shards !== 0) assertShardCount(shards);
  let shardCount = shards || SHARD_COUNT_DEFAULT;
  try {
    return await withAdmin({ ...settings, timeout: TIMEOUT_MS }, async (admin) => {
      if (shards === 0) shardCount = (await admin.listShards()).shards.length;
      const current = await currentVersion(admin, keyspace);
      return { shardCount, current, whyUnknown: '', lookUp: lookUpIn(settings, keyspace) };
    });
  } catch (thrown) {
    const isAway = toSteleError(thrown).code === 'UNAVAILABLE';
    const whyUnknown = `${isAway ? 'no master answers' : 'the master does not say what is current'} at ${master}`;
    return { shardCount, current: undefined, whyUnknown };
  }
}

async function currentVersion(
  admin: Admin,
  keyspace: string,
): Promise<Exclude<TargetCluster['current'], undefined>> {
  try {
    const { versions } = await admin.listVersions(keyspace);
    const current = versions.find((version) => version.current);
    return current === undefined ? null : { number: current.version, records: current.records };
  } catch (thrown) {
    if (toSteleError(thrown).code === 'KEYSPACE_NOT_FOUND') return null;
    throw thrown;
  }
}

function lookUpIn(
  settings: Omit<ConnectSettings, 'timeout'>,
  keyspace: string,
): NonNullable<TargetCluster['lookUp']> {
  return async (keys) => {
    const { SteleClient } = await import('../../client/stele-client.ts');
    const client = new SteleClient({
      seeds: addressList(settings.master),
      deadlineMs: LOOKUP_TIMEOUT_MS,
      tls: tlsSource(settings),
      ...credentialsOf(settings),
    });
    try {
      return (await client.getMany(keyspace, keys)).values;
    } finally {
      await client.close();
    }
  };
}
