// `stele cache KS on|off`: whether the master caches the values of a keyspace.

import { settingsOf } from '../../../base/config.ts';
import { SteleError } from '../../../base/errors.ts';
import { keyspaceName, shorten } from '../../../base/ids.ts';
import { resultOptions } from '../../client-settings.ts';
import { EXIT_OK } from '../../exit.ts';
import { printResult } from '../../result.ts';
import { defineVerb } from '../../verb.ts';
import { withAdmin } from '../../with-admin.ts';

export const definition = defineVerb({
  name: 'cache',
  operands: '<keyspace> <on|off>',
  schema: settingsOf(resultOptions),
  examples: ['stele cache prices off', 'stele cache prices on'],
  async run({ operands, settings: { values }, output }) {
    const keyspace = keyspaceName(operands[0] ?? '');
    const wanted = switchOf(operands[1] ?? '');
    const done = await withAdmin(values, (admin) => admin.setCache(keyspace, wanted));
    const text = `Values of ${keyspace} are ${done.cache ? '' : 'not '}cached by the master.`;
    await printResult(output, values.output, { keyspace, ...done }, () => text);
    return EXIT_OK;
  },
});

function switchOf(text: string): boolean {
  if (text === 'on') return true;
  if (text === 'off') return false;
  throw new SteleError('INVALID_ARGUMENT', `'${shorten(text)}' is not 'on' or 'off'.`);
}
