// `stele backup`: keyspaces into a folder or a bucket, and what is there.

import { joinSettings, option, settingsOf } from '../../../base/config.ts';
import { SteleError } from '../../../base/errors.ts';
import { transferOptions } from '../../../loader/transfer/settings.ts';
import { printJson } from '../../json-output.ts';
import { defineVerb } from '../../verb.ts';

const schema = joinSettings(
  settingsOf(transferOptions),
  settingsOf({
    list: option.flag('list the snapshots that are there instead'),
    output: option.choice('a summary for people, or JSON', ['table', 'json'], 'table'),
  }),
);

export const definition = defineVerb({
  name: 'backup',
  operands: '<url> [keyspace...]',
  schema,
  examples: [
    'stele backup s3://backups/stele',
    'stele backup file:///mnt/backups/stele prices geo',
    'stele backup s3://backups/stele --dry-run',
    'stele backup s3://backups/stele --list',
    'stele backup s3://stele/a --s3-endpoint https://minio.example.com:9000 --limit-rate 50MiB',
  ],
  async run({ operands, settings: { values }, global, output }) {
    const [url = '', ...keyspaces] = operands;
    const isJson = values.output === 'json';
    const { watched } = await import('../../archive/watched.ts');
    const { backupText, snapshotsText } = await import('../../archive/summaries.ts');
    if (values.list) {
      if (keyspaces.length > 0) {
        const text = '--list takes no keyspaces: it lists the snapshots of the whole archive.';
        throw new SteleError('INVALID_ARGUMENT', text);
      }
      const { listSnapshots } = await import('../../../loader/backup/list-snapshots.ts');
      return watched(output, global, isJson, async ({ signal = new AbortController().signal }) => {
        const snapshots = await listSnapshots(url, values, signal);
        return () =>
          isJson ? printJson(output, { snapshots }) : output.line(snapshotsText(snapshots));
      });
    }
    const { runBackup } = await import('../../../loader/backup/backup.ts');
    return watched(output, global, isJson, async (hooks) => {
      const summary = await runBackup(url, keyspaces, values, hooks);
      return () => (isJson ? printJson(output, summary) : output.line(backupText(summary)));
    });
  },
});
