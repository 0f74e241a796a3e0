// `stele suspend KS`: frees a keyspace's memory; its data stays on the datanodes' disks.

import { settingsOf } from '../../../base/config.ts';
import { keyspaceName } from '../../../base/ids.ts';
import { resultOptions } from '../../client-settings.ts';
import { EXIT_OK } from '../../exit.ts';
import { printResult } from '../../result.ts';
import { defineVerb } from '../../verb.ts';
import { withAdmin } from '../../with-admin.ts';

export const definition = defineVerb({
  name: 'suspend',
  operands: '<keyspace>',
  schema: settingsOf(resultOptions),
  examples: ['stele suspend prices'],
  async run({ operands, settings: { values }, output }) {
    const keyspace = keyspaceName(operands[0] ?? '');
    await withAdmin(values, (admin) => admin.suspendKeyspace(keyspace));
    const text = `${keyspace} is suspended: reads are refused, its data stays on disk.`;
    await printResult(output, values.output, { keyspace, suspended: true }, () => text);
    return EXIT_OK;
  },
});
