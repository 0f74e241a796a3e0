// `stele replication KS N`: sets how many copies a keyspace has.

import { settingsOf } from '../../../base/config.ts';
import { SteleError } from '../../../base/errors.ts';
import { keyspaceName, shorten } from '../../../base/ids.ts';
import { REPLICATION_MAX } from '../../../base/limits.ts';
import { resultOptions } from '../../client-settings.ts';
import { EXIT_OK } from '../../exit.ts';
import { printResult } from '../../result.ts';
import { defineVerb } from '../../verb.ts';
import { withAdmin } from '../../with-admin.ts';
import { counted } from '../../words.ts';

export const definition = defineVerb({
  name: 'replication',
  operands: '<keyspace> <copies>',
  schema: settingsOf(resultOptions),
  examples: ['stele replication prices 3', 'stele replication prices default'],
  async run({ operands, settings: { values }, output }) {
    const keyspace = keyspaceName(operands[0] ?? '');
    const count = countOf(operands[1] ?? '');
    const [done, nodeCount] = await withAdmin(values, async (admin) => {
      const set = await admin.setReplication(keyspace, count);
      return [set, (await admin.listNodes()).nodes.length] as const;
    });
    const copies = counted(done.replication, 'copy', 'copies');
    const lacking =
      nodeCount < done.replication
        ? `there are ${counted(nodeCount, 'datanode')}, so it has that many until more join`
        : '`stele status --wait green` waits until it has them';
    const text = `${keyspace} will have ${copies}; ${lacking}.`;
    await printResult(output, values.output, { keyspace, ...done }, () => text);
    return EXIT_OK;
  },
});

function countOf(text: string): number {
  if (text === 'default') return 0;
  const count = /^[0-9]{1,3}$/.test(text) ? Number(text) : Number.NaN;
  if (count >= 1 && count <= REPLICATION_MAX) return count;
  throw new SteleError(
    'INVALID_ARGUMENT',
    `'${shorten(text)}' is not a number of copies: use 1 to ${REPLICATION_MAX}, or 'default' for what the cluster has.`,
  );
}
