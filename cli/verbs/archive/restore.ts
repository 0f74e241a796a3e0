// `stele restore`: keyspaces from a snapshot in a folder or a bucket.

import { joinSettings, option, settingsOf } from '../../../base/config.ts';
import { transferOptions } from '../../../loader/transfer/settings.ts';
import { printJson } from '../../json-output.ts';
import { defineVerb } from '../../verb.ts';

const VERSION_MAX = 1e12;

const schema = joinSettings(
  settingsOf(transferOptions),
  settingsOf({
    snapshot: option.optionalText('the snapshot to restore; default: the newest', {
      placeholder: 'NAME',
    }),
    as: option.optionalText('another name for the keyspace that is restored', {
      placeholder: 'NAME',
    }),
    version: option.count('the version to restore; 0: all that were kept', 0, {
      min: 0,
      max: VERSION_MAX,
    }),
    workDir: option.text('folder for rows, where the segments cannot be used as they are', '', {
      placeholder: 'DIR',
      defaultText: '.stele/loads',
    }),
    output: option.choice('a summary for people, or JSON', ['table', 'json'], 'table'),
  }),
);

export const definition = defineVerb({
  name: 'restore',
  operands: '<url> [keyspace...]',
  schema,
  examples: [
    'stele restore s3://backups/stele',
    'stele restore s3://backups/stele prices --as prices_before',
    'stele restore file:///mnt/backups/stele prices --version 41',
    'stele restore s3://backups/stele --snapshot 20261201T030000Z-0123456789abcdef0123456789abcdef',
    'stele restore s3://backups/stele --dry-run',
  ],
  async run({ operands, settings: { values }, global, output }) {
    const [url = '', ...keyspaces] = operands;
    const isJson = values.output === 'json';
    const { watched } = await import('../../archive/watched.ts');
    const { restoreText } = await import('../../archive/summaries.ts');
    const { runRestore } = await import('../../../loader/restore/restore.ts');
    return watched(output, global, isJson, async (hooks) => {
      const summary = await runRestore(url, keyspaces, values, hooks);
      return () => (isJson ? printJson(output, summary) : output.line(restoreText(summary)));
    });
  },
});
