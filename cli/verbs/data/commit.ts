// `stele commit KS URL`: makes a build that is complete the keyspace's new version.

import { option, settingsOf } from '../../../base/config.ts';
import { storeOptions } from '../../../archive/store-settings.ts';
import { keyspaceName } from '../../../base/ids.ts';
import { commitOptions } from '../../../loader/settings.ts';
import { userOptions } from '../../../transport/client-identity.ts';
import { tlsOptions } from '../../../transport/tls/tls-settings.ts';
import { masterOption } from '../../client-settings.ts';
import { defineVerb } from '../../verb.ts';

export const definition = defineVerb({
  name: 'commit',
  operands: '<keyspace> <url>',
  schema: settingsOf({
    master: masterOption,
    ...commitOptions,
    ...storeOptions,
    ...tlsOptions,
    ...userOptions,
    output: option.choice('a summary for people, or JSON', ['table', 'json'], 'table'),
  }),
  examples: [
    'stele commit prices s3://builds/prices/2026-12-01',
    'stele commit prices file:///mnt/builds/prices --expect-rows 20000000+-1% -o json',
  ],
  async run({ operands, settings: { values }, global, output }) {
    const [name = '', url = ''] = operands;
    const settings = { ...values, keyspace: keyspaceName(name) };
    const { showLoad } = await import('../../load/load-segments.ts');
    const { runCommit } = await import('../../../loader/stored/run-stored.ts');
    const isJson = values.output === 'json';
    return showLoad(output, global, isJson, (hooks) => runCommit(url, settings, hooks));
  },
});
