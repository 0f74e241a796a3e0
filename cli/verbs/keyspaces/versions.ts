// `stele versions KS`: lists the versions of a keyspace that are kept, and which one is read.

import { settingsOf } from '../../../base/config.ts';
import { keyspaceName } from '../../../base/ids.ts';
import { listingOptions } from '../../client-settings.ts';
import { showListing } from '../../listings/listing.ts';
import { defineVerb } from '../../verb.ts';
import { versionsOf } from '../../listings/versions.ts';
import { withAdmin } from '../../with-admin.ts';

export const definition = defineVerb({
  name: 'versions',
  operands: '<keyspace>',
  schema: settingsOf(listingOptions),
  examples: ['stele versions prices', 'stele versions prices -o json'],
  run({ operands, settings: { values }, output }) {
    const keyspace = keyspaceName(operands[0] ?? '');
    return withAdmin(values, (admin) =>
      showListing(versionsOf(keyspace), output, values, () => admin.listVersions(keyspace)),
    );
  },
});
