// `stele resume KS`: brings a suspended keyspace back into memory.

import { settingsOf } from '../../../base/config.ts';
import { keyspaceName } from '../../../base/ids.ts';
import { listingOptions } from '../../client-settings.ts';
import { EXIT_OK } from '../../exit.ts';
import { printJson } from '../../json-output.ts';
import { defineVerb } from '../../verb.ts';
import { withAdmin } from '../../with-admin.ts';

export const definition = defineVerb({
  name: 'resume',
  operands: '<keyspace>',
  schema: settingsOf(listingOptions),
  examples: ['stele resume prices'],
  async run({ operands, settings: { values }, output }) {
    const keyspace = keyspaceName(operands[0] ?? '');
    await withAdmin(values, (admin) => admin.resumeKeyspace(keyspace));
    if (values.output === 'json') printJson(output, { keyspace, suspended: false });
    else {
      output.line(
        `${keyspace} is not suspended; \`stele keyspaces\` says running when it can be read.`,
      );
    }
    return EXIT_OK;
  },
});
