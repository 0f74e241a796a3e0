// `stele resume KS`: brings a suspended keyspace back into memory.

import { settingsOf } from '../../base/config.ts';
import { keyspaceName } from '../../base/ids.ts';
import { clientOptions } from '../client-settings.ts';
import { EXIT_OK } from '../exit.ts';
import { defineVerb } from '../verb.ts';
import { withAdmin } from '../with-admin.ts';

export const resume = defineVerb({
  name: 'resume',
  summary: 'bring a suspended keyspace back into memory',
  operands: '<keyspace>',
  schema: settingsOf(clientOptions),
  examples: ['stele resume prices'],
  async run({ operands, settings: { values }, output }) {
    const keyspace = keyspaceName(operands[0] ?? '');
    await withAdmin(values, (admin) => admin.resumeKeyspace(keyspace));
    output.line(`${keyspace} comes back; \`stele keyspaces\` says running when it is read again.`);
    return EXIT_OK;
  },
});
