// `stele events [KS]`: who did what to the cluster, or to one keyspace, newest first; with -f as it
// happens.

import { option, settingsOf } from '../../../base/config.ts';
import { SteleError } from '../../../base/errors.ts';
import { keyspaceName } from '../../../base/ids.ts';
import { listingOptions } from '../../client-settings.ts';
import { EVENTS } from '../../listings/events.ts';
import { followEvents } from '../../listings/follow-events.ts';
import { showListing } from '../../listings/listing.ts';
import { defineVerb } from '../../verb.ts';
import { withAdmin } from '../../with-admin.ts';

const LIMIT_DEFAULT = 50;
const LIMIT_MAX = 10_000;

export const definition = defineVerb({
  name: 'events',
  operands: '[keyspace]',
  schema: settingsOf({
    limit: option.count('number of events, newest first', LIMIT_DEFAULT, {
      min: 1,
      max: LIMIT_MAX,
    }),
    follow: option.flag('show the last ones, oldest first, then each as it happens'),
    ...listingOptions,
  }),
  short: { follow: 'f' },
  examples: [
    'stele events',
    'stele events prices --limit 10',
    'stele events -f',
    'stele events -f --limit 1 -o json',
  ],
  async run({ operands, settings: { values }, output }) {
    const keyspace = operands[0] === undefined ? '' : keyspaceName(operands[0]);
    const { limit } = values;
    if (values.follow && values.watch !== undefined) {
      throw new SteleError('INVALID_ARGUMENT', 'Use either --follow or --watch, not both.');
    }
    if (values.follow) {
      return withAdmin(values, (admin) => followEvents(admin, { output, values, keyspace, limit }));
    }
    return withAdmin(values, (admin) =>
      showListing(EVENTS, output, values, () => admin.listEvents({ keyspace, limit })),
    );
  },
});
