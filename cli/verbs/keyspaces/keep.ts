// `stele keep KS N`: sets how many committed versions a keyspace keeps.

import { settingsOf } from '../../../base/config.ts';
import { SteleError } from '../../../base/errors.ts';
import { keyspaceName, shorten } from '../../../base/ids.ts';
import { KEEP_MAX, KEEP_MIN } from '../../../base/limits.ts';
import { resultOptions } from '../../client-settings.ts';
import { EXIT_OK } from '../../exit.ts';
import { printResult } from '../../result.ts';
import { defineVerb } from '../../verb.ts';
import { withAdmin } from '../../with-admin.ts';

export const definition = defineVerb({
  name: 'keep',
  operands: '<keyspace> <versions>',
  schema: settingsOf(resultOptions),
  examples: ['stele keep prices 5', 'stele keep prices 2'],
  async run({ operands, settings: { values }, output }) {
    const keyspace = keyspaceName(operands[0] ?? '');
    const count = countOf(operands[1] ?? '');
    const done = await withAdmin(values, (admin) => admin.setKeep(keyspace, count));
    const text = `${keyspace} keeps ${done.keep} versions${gone(done.retired)}.`;
    await printResult(output, values.output, { keyspace, ...done }, () => text);
    return EXIT_OK;
  },
});

function countOf(text: string): number {
  const count = /^[0-9]{1,6}$/.test(text) ? Number(text) : Number.NaN;
  if (count >= KEEP_MIN && count <= KEEP_MAX) return count;
  throw new SteleError(
    'INVALID_ARGUMENT',
    `'${shorten(text)}' is not a number of versions to keep: use ${KEEP_MIN} to ${KEEP_MAX}. The current one and the one before it always stay.`,
  );
}

function gone(retired: readonly number[]): string {
  if (retired.length === 0) return '';
  return `; ${retired.length === 1 ? 'version' : 'versions'} ${retired.join(', ')} will go`;
}
