// `stele export`: a version of a keyspace as files for any program.

import { joinSettings, option, settingsOf } from '../../../base/config.ts';
import { exportSettings } from '../../../loader/export/settings.ts';
import { printJson } from '../../json-output.ts';
import { defineVerb } from '../../verb.ts';

const schema = joinSettings(
  exportSettings,
  settingsOf({
    output: option.choice('a summary for people, or JSON', ['table', 'json'], 'table'),
  }),
);

export const definition = defineVerb({
  name: 'export',
  operands: '<keyspace>',
  schema,
  examples: [
    'stele export prices --out file:///mnt/exports/prices',
    'stele export prices --out s3://exports/prices/41 --version 41 --format parquet',
    'stele export prices --out s3://exports/prices --format csv --compress gzip --limit-rate 50MiB',
    'stele export prices --out file:///mnt/exports/prices --dry-run',
  ],
  async run({ operands: [keyspace = ''], settings: { values }, global, output }) {
    const isJson = values.output === 'json';
    const { watched } = await import('../../archive/watched.ts');
    const { exportText } = await import('../../archive/summaries.ts');
    const { runExport } = await import('../../../loader/export/export.ts');
    return watched(output, global, isJson, async (hooks) => {
      const summary = await runExport(keyspace, values, hooks);
      return () => (isJson ? printJson(output, summary) : output.line(exportText(summary)));
    });
  },
});
