// `stele resume KS`: brings a suspended keyspace back into memory.

import { settingsOf } from '../../../base/config.ts';
import { keyspaceName } from '../../../base/ids.ts';
import { resultOptions } from '../../client-settings.ts';
import { EXIT_OK } from '../../exit.ts';
import { printResult } from '../../result.ts';
import { defineVerb } from '../../verb.ts';
import { withAdmin } from '../../with-admin.ts';

export const definition = defineVerb({
  name: 'resume',
  operands: '<keyspace>',
  schema: settingsOf(resultOptions),
  examples: ['stele resume prices'],
  async run({ operands, settings: { values }, output }) {
    const keyspace = keyspaceName(operands[0] ?? '');
    await withAdmin(values, (admin) => admin.resumeKeyspace(keyspace));
    const text = `${keyspace} is resumed; \`stele keyspaces\` says running when it can be read.`;
    await printResult(output, values.output, { keyspace, suspended: false }, () => text);
    return EXIT_OK;
  },
});
