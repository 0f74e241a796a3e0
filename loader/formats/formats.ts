// The formats. Those that need a library are loaded when an input has them.

import { SteleError } from '../../base/errors.ts';
import type { LoadFormat } from '../format-names.ts';
import { csvFormat, tsvFormat } from './delimited.ts';
import type { InputFormat } from './input-format.ts';
import { jsonlFormat } from './jsonl.ts';
import { lineFormat } from './line.ts';

/** A format, or what loads it. */
const FORMATS: Readonly<Record<LoadFormat, InputFormat | (() => Promise<InputFormat>)>> = {
  line: lineFormat,
  csv: csvFormat,
  tsv: tsvFormat,
  jsonl: jsonlFormat,
  parquet: async () => (await import('./parquet/format.ts')).parquetFormat,
  avro: async () => (await import('./avro/format.ts')).avroFormat,
};

/** Those that have been loaded. */
const loaded = new Map<LoadFormat, InputFormat>();

/**
 * Must be called in each thread before `formatNamed`; a promise only if there is something to load.
 */
export function loadFormat(name: LoadFormat): Promise<void> | undefined {
  const format = FORMATS[name];
  if (typeof format !== 'function' || loaded.has(name)) return undefined;
  return format().then((one) => {
    loaded.set(name, one);
  });
}

/** The format of a dialect. Throws INTERNAL if it has not been loaded. */
export function formatNamed(name: LoadFormat): InputFormat {
  const format = FORMATS[name];
  if (typeof format !== 'function') return format;
  const found = loaded.get(name);
  if (found !== undefined) return found;
  throw new SteleError('INTERNAL', `The format ${name} has not been loaded.`);
}
