// `stele keyspaces`: lists the keyspaces, and how much each holds.

import { settingsOf } from '../../../base/config.ts';
import { listingOptions } from '../../client-settings.ts';
import { KEYSPACES } from '../../listings/keyspaces.ts';
import { showListing } from '../../listings/listing.ts';
import { defineVerb } from '../../verb.ts';
import { withAdmin } from '../../with-admin.ts';

export const definition = defineVerb({
  name: 'keyspaces',
  operands: '',
  schema: settingsOf(listingOptions),
  examples: ['stele keyspaces', 'stele keyspaces -o json', 'stele keyspaces -o name'],
  run: ({ settings: { values }, output }) =>
    withAdmin(values, (admin) =>
      showListing(KEYSPACES, output, values, () => admin.listKeyspaces()),
    ),
});
