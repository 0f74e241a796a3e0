// The settings of an export.

import { joinSettings, option, settingsOf } from '../../base/config.ts';
import type { SettingsValues } from '../../base/config.ts';
import { transferOptions } from '../transfer/settings.ts';

const VERSION_MAX = 1e12;

export const exportSettings = joinSettings(
  settingsOf({
    out: option.optionalText('where the files go: file:///path or s3://bucket/prefix', {
      placeholder: 'URL',
    }),
    format: option.choice('format of the files', ['jsonl', 'csv', 'parquet'] as const, 'jsonl'),
    compress: option.choice(
      'compression of the files; those of parquet have their own',
      ['none', 'gzip'] as const,
      'none',
    ),
    version: option.count('the version to export; 0: the current one', 0, {
      min: 0,
      max: VERSION_MAX,
    }),
  }),
  settingsOf({
    ...transferOptions,
    dryRun: option.flag('say what would be written, and change nothing'),
  }),
);

export type ExportSettings = SettingsValues<typeof exportSettings>;
