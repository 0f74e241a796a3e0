// `stele loads [KS]`: the running loads, and those that ended last.

import { settingsOf } from '../../../base/config.ts';
import { keyspaceName } from '../../../base/ids.ts';
import { listingOptions } from '../../client-settings.ts';
import { showListing } from '../../listings/listing.ts';
import { LOADS } from '../../listings/loads.ts';
import { defineVerb } from '../../verb.ts';
import { withAdmin } from '../../with-admin.ts';

export const definition = defineVerb({
  name: 'loads',
  operands: '[keyspace]',
  schema: settingsOf(listingOptions),
  examples: [
    'stele loads',
    'stele loads --watch',
    'stele loads prices -o json',
    'stele load --cancel 5f1c9b0e6a7d2c34',
  ],
  run({ operands, settings: { values }, output }) {
    const keyspace = operands[0] === undefined ? '' : keyspaceName(operands[0]);
    return withAdmin(values, (admin) =>
      showListing(LOADS, output, values, () => admin.listLoads(keyspace)),
    );
  },
});
