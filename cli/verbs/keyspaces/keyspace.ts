// `stele keyspace create KS`: makes a keyspace without a version, which fixes what builds of its
// segments need to know: its uid and the number of shards.

import { option, settingsOf } from '../../../base/config.ts';
import { SteleError } from '../../../base/errors.ts';
import { newKeyspaceName, shorten } from '../../../base/ids.ts';
import { KEEP_MAX, REPLICATION_MAX } from '../../../base/limits.ts';
import { resultOptions } from '../../client-settings.ts';
import { EXIT_OK } from '../../exit.ts';
import { printResult } from '../../result.ts';
import { didYouMean } from '../../suggestions.ts';
import type { StoreSettings } from '../../../archive/open-store.ts';
import { storeOptions } from '../../../archive/store-settings.ts';
import { defineVerb } from '../../verb.ts';
import { withAdmin } from '../../with-admin.ts';
import type { Admin } from '../../with-admin.ts';

type Created = Awaited<ReturnType<Admin['createKeyspace']>>;

export const definition = defineVerb({
  name: 'keyspace',
  operands: '<action> <keyspace>',
  actions: ['create'],
  schema: settingsOf({
    replication: option.count('copies that it has; 0: as many as the cluster says', 0, {
      min: 0,
      max: REPLICATION_MAX,
    }),
    keep: option.count('versions that it keeps; 0: as many as by default', 0, {
      min: 0,
      max: KEEP_MAX,
    }),
    out: option.optionalText('a URL to build its segments at, file:///... or s3://...', {
      placeholder: 'URL',
    }),
    ...storeOptions,
    ...resultOptions,
  }),
  examples: [
    'stele keyspace create prices',
    'stele keyspace create prices --replication 3',
    'stele keyspace create prices --out s3://builds/prices/2026-12-01',
  ],
  async run({ operands, settings: { values }, output }) {
    const [action = '', name = ''] = operands;
    if (action !== 'create') {
      const near = didYouMean(action, ['create']);
      const text = `'${shorten(action)}' is not an action on a keyspace${near}; use create.`;
      throw new SteleError('INVALID_ARGUMENT', text);
    }
    const keyspace = newKeyspaceName(name);
    const { keep, replication } = values;
    const create = async (): Promise<Created> =>
      await withAdmin(values, async (admin) => {
        const done = await admin.createKeyspace(keyspace);
        if (replication !== 0) await admin.setReplication(keyspace, replication);
        if (keep !== 0) await admin.setKeep(keyspace, keep);
        return done;
      });
    const { out } = values;
    const { keyspaceUid, ...found } =
      out === undefined ? await create() : await createWithBuild(keyspace, out, values, create);
    const { created, shardCount } = found;
    const how = created ? 'is created' : 'is there';
    const text = `${keyspace} ${how}: uid ${keyspaceUid}, ${shardCount} shards.`;
    await printResult(output, values.output, { keyspace, uid: keyspaceUid, ...found }, () => text);
    return EXIT_OK;
  },
});

/**
 * Makes the keyspace, and the URL a build of it. Throws CONFLICT if that is a build of another one,
 * and what is wrong with the URL, before the keyspace is made.
 */
async function createWithBuild(
  keyspace: string,
  url: string,
  settings: StoreSettings,
  create: () => Promise<Created>,
): Promise<Created> {
  const { openStore } = await import('../../../archive/open-store.ts');
  const { BuildStore } = await import('../../../archive/builds/build-store.ts');
  const store = await openStore(url, settings);
  try {
    const build = new BuildStore(store);
    await build.requireFree(keyspace);
    const made = await create();
    const { clusterId, keyspaceUid, shardCount } = made;
    const createdAt = new Date().toISOString();
    await build.claim({ keyspace, keyspaceUid, shardCount, clusterId, createdAt });
    return made;
  } finally {
    store.close();
  }
}
