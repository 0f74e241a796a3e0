// `stele promote KS N`: puts a version live by hand: a rejected one, or an older one.

import { settingsOf } from '../../../base/config.ts';
import { keyspaceName, version } from '../../../base/ids.ts';
import { resultOptions } from '../../client-settings.ts';
import { EXIT_OK } from '../../exit.ts';
import { printResult } from '../../result.ts';
import { defineVerb } from '../../verb.ts';
import { withAdmin } from '../../with-admin.ts';

export const definition = defineVerb({
  name: 'promote',
  operands: '<keyspace> <version>',
  schema: settingsOf(resultOptions),
  examples: ['stele versions prices', 'stele promote prices 3'],
  async run({ operands, settings: { values }, output }) {
    const keyspace = keyspaceName(operands[0] ?? '');
    const to = version(operands[1] ?? '');
    const done = await withAdmin(values, (admin) => admin.promote({ keyspace, to }));
    const before = done.from === 0 ? 'there was none before' : `it was ${done.from}`;
    const text = `${keyspace}: version ${done.version} is current (${before}).`;
    await printResult(output, values.output, { keyspace, ...done }, () => text);
    return EXIT_OK;
  },
});
