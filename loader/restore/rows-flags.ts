// How a load reads the rows that a restore has written (threads/segment-task.ts): two columns,
// always in quotes, in which every byte is itself.

import type { LoadSettings } from '../settings.ts';

/** Flags of a load, before they are checked. */
export const rowsFlags = {
  format: 'csv',
  header: 'no',
  delimiter: ',',
  key: '1',
  value: '2',
  maxLinesPerValue: '100000000',
  maxShrink: '100%',
} satisfies Partial<Record<keyof LoadSettings, string>>;
