// `stele archive status|verify|gc`: what is in the deep store, its check, and its cleaning.

import type { StoreSettings } from '../../../archive/open-store.ts';
import { storeOptions } from '../../../archive/store-settings.ts';
import { option, settingsOf } from '../../../base/config.ts';
import type { SettingsValues } from '../../../base/config.ts';
import { SteleError } from '../../../base/errors.ts';
import { shorten } from '../../../base/ids.ts';
import { formatBytes } from '../../../base/units.ts';
import { transferOptions } from '../../../loader/transfer/settings.ts';
import type { GetArchiveResponse, WaitingVersion } from '../../../proto/gen/stele/v1/cluster.ts';
import { listingOptions } from '../../client-settings.ts';
import { EXIT_FAILED, EXIT_OK } from '../../exit.ts';
import { showListing } from '../../listings/listing.ts';
import type { Listing } from '../../listings/listing.ts';
import type { Output } from '../../output.ts';
import { printResult, serialized } from '../../result.ts';
import { didYouMean } from '../../suggestions.ts';
import { formatCount } from '../../text-table.ts';
import { defineVerb } from '../../verb.ts';
import type { GlobalSettings } from '../../verb.ts';
import { withAdmin } from '../../with-admin.ts';
import { counted } from '../../words.ts';

const ACTIONS = ['status', 'verify', 'gc'];

const schema = settingsOf({
  ...listingOptions,
  dryRun: option.flag('with gc: only count what would be removed'),
  url: option.optionalText('with verify: another archive than the deep store, as of a backup', {
    placeholder: 'URL',
  }),
  keyspace: option.list('with verify: only this keyspace; may be given again', {
    placeholder: 'KEYSPACE',
  }),
  limitRate: transferOptions.limitRate,
  transfers: transferOptions.transfers,
  ...storeOptions,
});

export const definition = defineVerb({
  name: 'archive',
  operands: '[action]',
  actions: ACTIONS,
  schema,
  examples: [
    'stele archive status',
    'stele archive status --watch',
    'stele archive verify --limit-rate 50MiB',
    'stele archive verify --url s3://backups/stele --keyspace prices',
    'stele archive gc --dry-run',
  ],
  async run({ operands: [action = 'status'], settings: { values }, global, output }) {
    if (!ACTIONS.includes(action)) {
      throw new SteleError(
        'INVALID_ARGUMENT',
        `stele archive takes status, verify or gc, and not '${shorten(action)}'${didYouMean(action, ACTIONS)}.`,
      );
    }
    if (action === 'verify') return verify(values, global, output);
    return withAdmin(values, async (admin) => {
      if (action === 'status')
        return showListing(ARCHIVE, output, values, () => admin.getArchive());
      const { dryRun } = values;
      const cleaned = await admin.cleanArchive(dryRun);
      const form = values.output === 'wide' || values.output === 'name' ? 'table' : values.output;
      await printResult(output, form, { dryRun, ...cleaned }, () => {
        const { keptBytes, keptObjects, removedBytes, removedObjects } = cleaned;
        const removed = `${counted(removedObjects, 'object')} (${formatBytes(removedBytes)})`;
        const kept = `${formatCount(keptObjects)} (${formatBytes(keptBytes)})`;
        return `${removed} ${dryRun ? 'would be' : 'were'} removed, ${kept} are kept.`;
      });
      return EXIT_OK;
    });
  },
});

type Values = SettingsValues<typeof schema>;

/** Checks the deep store, as the leader names it, or the archive of --url without a cluster. */
async function verify(values: Values, global: GlobalSettings, output: Output): Promise<number> {
  const { keyspace: keyspaces, limitRate, transfers } = values;
  const form = values.output === 'wide' || values.output === 'name' ? 'table' : values.output;
  const { watched } = await import('../../archive/watched.ts');
  const { verifiedText } = await import('../../archive/summaries.ts');
  const { verifyArchive } = await import('../../../loader/backup/verify-archive.ts');
  return watched(output, global, form !== 'table', async (hooks) => {
    const { url, ...where } = await archiveOf(values);
    const report = await verifyArchive(url, { ...where, keyspaces, limitRate, transfers }, hooks);
    const repair = values.url === undefined ? REPAIR_DEEP_STORE : REPAIR_BACKUP;
    const text = form === 'table' ? verifiedText(report, repair) : await serialized(form, report);
    return () => {
      output.line(text);
      return report.damaged.length === 0 ? EXIT_OK : EXIT_FAILED;
    };
  });
}

const REPAIR_DEEP_STORE =
  'The cluster has copies of its own: start the masters with another folder or prefix as --deep-store, and everything is written there again.';
const REPAIR_BACKUP =
  'Remove the damaged objects, and run `stele backup` once more: it copies what is missing, of versions that the cluster still keeps. For the others, use another copy of the archive.';

async function archiveOf(values: Values): Promise<StoreSettings & { readonly url: string }> {
  const { s3Endpoint, s3Region, url } = values;
  if (url !== undefined) return { url, s3Endpoint, s3Region };
  const archive = await withAdmin(values, (admin) => admin.getArchive());
  return {
    url: archive.url,
    s3Endpoint: s3Endpoint ?? (archive.s3Endpoint || undefined),
    s3Region: s3Region ?? (archive.s3Region || undefined),
  };
}

const ARCHIVE: Listing<GetArchiveResponse, WaitingVersion> = {
  columns: [
    { title: 'KEYSPACE', cell: ({ keyspace }) => keyspace },
    { title: 'VERSION', align: 'right', cell: ({ version }) => String(version) },
    { title: 'SEGMENTS LEFT', align: 'right', cell: ({ segments }) => formatCount(segments) },
    { title: 'BYTES LEFT', align: 'right', cell: ({ bytes }) => formatBytes(bytes) },
    { title: 'LAST FAILURE', cell: ({ reason }) => reason || '-' },
  ],
  rows: ({ waiting }) => waiting,
  name: ({ keyspace, version }) => `${keyspace}/${version}`,
  json: ({ s3Endpoint: _endpoint, s3Region: _region, ...archive }) => archive,
  empty: 'Every kept version is in the deep store.',
  notes: (_rows, { snapshot, snapshotAt, trouble, url, versions, waiting }) => [
    `${url}: ${formatCount(versions - waiting.length)} of ${counted(versions, 'version')}${snapshot && `, snapshot of ${snapshotAt}`}`,
    ...(trouble === '' ? [] : [`trouble: ${trouble}`]),
  ],
};
