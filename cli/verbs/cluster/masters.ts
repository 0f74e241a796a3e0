// `stele masters [step-down]`: who leads and who follows, and another leader.

import { settingsOf } from '../../../base/config.ts';
import { SteleError } from '../../../base/errors.ts';
import { shorten } from '../../../base/ids.ts';
import type { ListMastersResponse, MasterSummary } from '../../../proto/gen/stele/v1/cluster.ts';
import { masterJson } from '../../../proto/json-shapes.ts';
import { listingOptions } from '../../client-settings.ts';
import { EXIT_OK } from '../../exit.ts';
import { showListing } from '../../listings/listing.ts';
import type { Listing } from '../../listings/listing.ts';
import { printResult } from '../../result.ts';
import { didYouMean } from '../../suggestions.ts';
import { defineVerb } from '../../verb.ts';
import { withAdmin } from '../../with-admin.ts';
import { releaseText } from '../../words.ts';

export const definition = defineVerb({
  name: 'masters',
  operands: '[action]',
  actions: ['step-down'],
  schema: settingsOf(listingOptions),
  examples: [
    'stele masters',
    'stele masters -o wide',
    'stele masters step-down',
    'stele masters -o json',
  ],
  async run({ operands: [action], settings: { values }, output }) {
    if (action === 'step-down') {
      await withAdmin(values, (admin) => admin.stepDown());
      const text = 'The leader has stepped down; another master is being elected.';
      await printResult(output, values.output, { action }, () => text);
      return EXIT_OK;
    }
    if (action !== undefined) {
      throw new SteleError(
        'INVALID_ARGUMENT',
        `stele masters takes step-down or nothing, and not '${shorten(action)}'${didYouMean(action, ['step-down'])}.`,
      );
    }
    return withAdmin(values, (admin) =>
      showListing(mastersOf(values.master), output, values, () => admin.listMasters()),
    );
  },
});

/** `asked` stands for a master that does not know its own address. */
function mastersOf(asked: string): Listing<ListMastersResponse, MasterSummary> {
  const ofAnswering =
    (cell: (master: MasterSummary) => string) =>
    (master: MasterSummary): string =>
      master.trouble === '' ? cell(master) : '-';
  return {
    columns: [
      { title: 'MASTER', cell: ({ address }) => address || asked },
      {
        title: 'ROLE',
        cell: (master) => (master.leads ? 'leads' : ofAnswering(() => 'follows')(master)),
      },
      { title: 'SINCE', cell: ({ since }) => since || '-' },
      { title: 'EPOCH', align: 'right', cell: ofAnswering(({ epoch }) => String(epoch)) },
      { title: 'LAG', align: 'right', cell: ofAnswering(({ viewLag }) => String(viewLag)) },
      { title: 'RELEASE', wide: true, cell: releaseText },
      { title: 'TROUBLE', cell: ({ trouble }) => trouble || '-' },
    ],
    rows: ({ masters }) => masters,
    name: ({ address }) => address || asked,
    json: ({ masters }) => masters.map(masterJson),
    empty: 'No master is known.',
  };
}
