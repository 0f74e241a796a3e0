// `stele archive status|gc`: what is in the deep store, and its cleaning.

import { option, settingsOf } from '../../../base/config.ts';
import { SteleError } from '../../../base/errors.ts';
import { shorten } from '../../../base/ids.ts';
import { formatBytes } from '../../../base/units.ts';
import type { GetArchiveResponse, WaitingVersion } from '../../../proto/gen/stele/v1/cluster.ts';
import { listingOptions } from '../../client-settings.ts';
import { EXIT_OK } from '../../exit.ts';
import { showListing } from '../../listings/listing.ts';
import type { Listing } from '../../listings/listing.ts';
import { printResult } from '../../result.ts';
import { didYouMean } from '../../suggestions.ts';
import { defineVerb } from '../../verb.ts';
import { withAdmin } from '../../with-admin.ts';

const ACTIONS = ['status', 'gc'];

export const definition = defineVerb({
  name: 'archive',
  operands: '[action]',
  actions: ACTIONS,
  schema: settingsOf({
    ...listingOptions,
    dryRun: option.flag('with gc: only count what would be removed'),
  }),
  examples: ['stele archive status', 'stele archive status --watch', 'stele archive gc --dry-run'],
  async run({ operands: [action = 'status'], settings: { values }, output }) {
    if (!ACTIONS.includes(action)) {
      throw new SteleError(
        'INVALID_ARGUMENT',
        `stele archive takes status or gc, and not '${shorten(action)}'${didYouMean(action, ACTIONS)}.`,
      );
    }
    return withAdmin(values, async (admin) => {
      if (action === 'status')
        return showListing(ARCHIVE, output, values, () => admin.getArchive());
      const { dryRun } = values;
      const cleaned = await admin.cleanArchive(dryRun);
      const form = values.output === 'wide' || values.output === 'name' ? 'table' : values.output;
      await printResult(output, form, { dryRun, ...cleaned }, () => {
        const { keptBytes, keptObjects, removedBytes, removedObjects } = cleaned;
        const removed = `${removedObjects} objects (${formatBytes(removedBytes)})`;
        const kept = `${keptObjects} (${formatBytes(keptBytes)})`;
        return `${removed} ${dryRun ? 'would be' : 'were'} removed, ${kept} are kept.`;
      });
      return EXIT_OK;
    });
  },
});

const ARCHIVE: Listing<GetArchiveResponse, WaitingVersion> = {
  columns: [
    { title: 'KEYSPACE', cell: ({ keyspace }) => keyspace },
    { title: 'VERSION', align: 'right', cell: ({ version }) => String(version) },
    { title: 'SEGMENTS LEFT', align: 'right', cell: ({ segments }) => String(segments) },
    { title: 'BYTES LEFT', align: 'right', cell: ({ bytes }) => formatBytes(bytes) },
    { title: 'LAST FAILURE', cell: ({ reason }) => reason || '-' },
  ],
  rows: ({ waiting }) => waiting,
  name: ({ keyspace, version }) => `${keyspace}/${version}`,
  json: ({ s3Endpoint: _endpoint, s3Region: _region, ...archive }) => archive,
  empty: 'Every kept version is in the deep store.',
  notes: (_rows, { snapshot, snapshotAt, trouble, url, versions, waiting }) => [
    `${url}: ${versions - waiting.length} of ${versions} versions${snapshot && `, snapshot of ${snapshotAt}`}`,
    ...(trouble === '' ? [] : [`trouble: ${trouble}`]),
  ],
};
