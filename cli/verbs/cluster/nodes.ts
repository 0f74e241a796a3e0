// `stele nodes`: the datanodes, as the master sees them.

import { settingsOf } from '../../../base/config.ts';
import { listingOptions } from '../../client-settings.ts';
import { showListing } from '../../listings/listing.ts';
import { NODES } from '../../listings/nodes.ts';
import { defineVerb } from '../../verb.ts';
import { withAdmin } from '../../with-admin.ts';

export const definition = defineVerb({
  name: 'nodes',
  operands: '',
  schema: settingsOf(listingOptions),
  examples: ['stele nodes', 'stele nodes -o wide', 'stele nodes -o json', 'stele nodes --watch'],
  run: ({ settings: { values }, output }) =>
    withAdmin(values, (admin) => showListing(NODES, output, values, () => admin.listNodes())),
});
