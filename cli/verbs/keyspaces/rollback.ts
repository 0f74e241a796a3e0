// `stele rollback KS`: makes an earlier version current, at once and for all readers.

import { option, settingsOf } from '../../../base/config.ts';
import { keyspaceName, version } from '../../../base/ids.ts';
import { resultOptions } from '../../client-settings.ts';
import { EXIT_OK } from '../../exit.ts';
import { printResult } from '../../result.ts';
import { defineVerb } from '../../verb.ts';
import { withAdmin } from '../../with-admin.ts';

export const definition = defineVerb({
  name: 'rollback',
  operands: '<keyspace>',
  schema: settingsOf({
    to: option.optionalText('the version (default: the one that was current before)', {
      placeholder: 'version',
    }),
    ...resultOptions,
  }),
  examples: ['stele rollback prices', 'stele rollback prices --to 3'],
  async run({ operands, settings: { values }, output }) {
    const keyspace = keyspaceName(operands[0] ?? '');
    const to = values.to === undefined ? 0 : version(values.to);
    const done = await withAdmin(values, (admin) => admin.rollback({ keyspace, to }));
    const text = `${keyspace}: version ${done.version} is current (it was ${done.from}).`;
    await printResult(output, values.output, { keyspace, ...done }, () => text);
    return EXIT_OK;
  },
});
