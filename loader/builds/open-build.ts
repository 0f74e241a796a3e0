// Opens the build at a URL: the keyspace that it is of must be known, because its uid seeds the
// hashes in the segments, and its shards group the rows.

import type { BuildMark } from '../../archive/builds/built.ts';
import { BuildStore } from '../../archive/builds/build-store.ts';
import { openStore } from '../../archive/open-store.ts';
import { SteleError, toSteleError } from '../../base/errors.ts';
import type { Notice } from '../input/find-inputs.ts';
import { clientIdentity } from '../../transport/client-identity.ts';
import { ClusterClient } from '../transfer/cluster-client.ts';
import { requireOut } from './settings.ts';
import type { BuildSettings } from './settings.ts';

/** Runs `use` with the build, whose mark is there, and closes the store. */
export async function withBuild<Result>(
  settings: BuildSettings,
  signal: AbortSignal,
  notice: Notice,
  use: (build: BuildStore, mark: BuildMark) => Promise<Result>,
): Promise<Result> {
  const { keyspace } = settings;
  const store = await openStore(requireOut(settings), settings);
  try {
    const build = new BuildStore(store);
    let mark = await build.mark({ signal });
    if (mark === undefined) {
      mark = await build.claim(await askMaster(settings, store.url, signal), { signal });
      notice(`${store.url} is now a build of '${keyspace}' (uid ${mark.keyspaceUid})`);
    } else build.requireOf(mark, keyspace);
    return await use(build, mark);
  } finally {
    store.close();
  }
}

/** What the cluster knows of the keyspace. */
async function askMaster(
  settings: BuildSettings,
  url: string,
  signal: AbortSignal,
): Promise<BuildMark> {
  const { keyspace, master } = settings;
  const dialAs = clientIdentity(settings);
  const cluster = new ClusterClient(master, dialAs, signal);
  const create = `\`stele keyspace create ${keyspace} --out ${url}\``;
  try {
    const { at, clusterId, keyspaces, shardCount } = await cluster.records([keyspace]);
    const uid = keyspaces[0]?.uid ?? '';
    return { keyspace, keyspaceUid: uid, shardCount, clusterId, createdAt: at };
  } catch (thrown) {
    const error = toSteleError(thrown);
    if (error.code === 'KEYSPACE_NOT_FOUND') {
      const text = `There is no build at ${url} yet, and the cluster has no keyspace '${keyspace}'; create it with ${create}.`;
      throw new SteleError('KEYSPACE_NOT_FOUND', text, { cause: thrown });
    }
    if (error.code !== 'UNAVAILABLE' && error.code !== 'DEADLINE_EXCEEDED') throw error;
    throw new SteleError(
      'UNAVAILABLE',
      `There is no build at ${url} yet (no stele-build.json), and no master answers at ${master} to say what keyspace it is for. Run ${create} where the master can be reached, or name the master with --master.`,
      { cause: thrown },
    );
  } finally {
    cluster.close();
    dialAs.tls?.close();
  }
}
