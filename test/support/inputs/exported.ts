// How a load reads the files of an export, whatever their rows: docs/export.md names these flags.

import type { LoadSettings } from '../../../loader/settings.ts';

/** Flags of a load, before they are checked. */
export const csvFlags = {
  format: 'csv',
  header: 'yes',
  delimiter: ',',
  key: 'key',
  value: 'value',
  maxLinesPerValue: '100000000',
} satisfies Partial<Record<keyof LoadSettings, string>>;
