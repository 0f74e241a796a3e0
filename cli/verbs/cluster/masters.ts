// `stele masters [step-down]`: who leads and who follows, and another leader.

import { settingsOf } from '../../../base/config.ts';
import { SteleError } from '../../../base/errors.ts';
import { shorten } from '../../../base/ids.ts';
import type { MasterSummary } from '../../../proto/gen/stele/v1/cluster.ts';
import { masterJson } from '../../../proto/json-shapes.ts';
import { listingOptions } from '../../client-settings.ts';
import { EXIT_OK } from '../../exit.ts';
import { printJson } from '../../json-output.ts';
import { formatTable } from '../../text-table.ts';
import { defineVerb } from '../../verb.ts';
import { withAdmin } from '../../with-admin.ts';

export const definition = defineVerb({
  name: 'masters',
  operands: '[action]',
  schema: settingsOf(listingOptions),
  examples: ['stele masters', 'stele masters step-down', 'stele masters -o json'],
  async run({ operands: [action], settings: { values }, output }) {
    if (action === 'step-down') {
      await withAdmin(values, (admin) => admin.stepDown());
      output.line('The leader has stepped down; another master is being elected.');
      return EXIT_OK;
    }
    if (action !== undefined) {
      throw new SteleError(
        'INVALID_ARGUMENT',
        `stele masters takes step-down or nothing, and not '${shorten(action)}'.`,
      );
    }
    const { masters } = await withAdmin(values, (admin) => admin.listMasters());
    if (values.output === 'json') printJson(output, masters.map(masterJson));
    else
      output.line(
        formatTable(
          COLUMNS,
          masters.map((one) => toCells(one, values.master)),
        ),
      );
    return EXIT_OK;
  },
});

const COLUMNS = [
  { title: 'MASTER' },
  { title: 'ROLE' },
  { title: 'SINCE' },
  { title: 'EPOCH', align: 'right' },
  { title: 'LAG', align: 'right' },
  { title: 'TROUBLE' },
] as const;

function toCells(master: MasterSummary, asked: string): string[] {
  const { address, epoch, leads, since, trouble, viewLag } = master;
  const isSilent = trouble !== '';
  return [
    address || asked,
    leads ? 'leads' : isSilent ? '-' : 'follows',
    since || '-',
    isSilent ? '-' : String(epoch),
    isSilent ? '-' : String(viewLag),
    trouble || '-',
  ];
}
