// The output of `stele load --dry-run` and `--sample`, as text or JSON.
//
//     3 files: csv, delimiter ',', with a header: key sku, value price
//     columns sku, price
//
//     KEY    VALUE    BYTES
//     a-1    10           2

import { isUtf8 } from 'node:buffer';
import { formatBytes } from '../../base/units.ts';
import type { DryRunReport } from '../../loader/dry-run.ts';
import type { FoundDialect } from '../../loader/detect/found-dialect.ts';
import type { SampleRecord, SampleReport } from '../../loader/sample.ts';
import { spanningLines } from './load-summary.ts';
import type { Output } from '../output.ts';
import { formatCount, formatTable } from '../text-table.ts';
import { toJson } from '../json-output.ts';
import { printable } from '../words.ts';

const KEY_CHARACTERS_MAX = 48;
const VALUE_CHARACTERS_MAX = 60;
const COLUMNS_SHOWN_MAX = 8;

/** Writes the table of a sample. */
export function writeSample(output: Output, { dialects, records, rejected }: SampleReport): void {
  for (const dialect of dialects) output.line(formatDialect(dialect));
  output.line('');
  output.line(formatRecords(records));
  if (rejected > 0) output.line(`${formatCount(rejected)} of the sampled rows are bad.`);
}

/** Writes the lines of a dry run. */
export function writeDryRun(output: Output, report: DryRunReport): void {
  for (const dialect of report.dialects) output.line(formatDialect(dialect));
  if (report.sample.length > 0) output.line(`\n${formatRecords(report.sample)}\n`);
  const counts = [
    `${formatCount(report.rows)} read`,
    `${formatCount(report.loaded)} keys`,
    `${formatCount(report.duplicates)} duplicates`,
    `${formatCount(report.conflicts + report.overruled)} conflicts`,
    `${formatCount(report.rejected)} rejected`,
  ];
  output.line(`rows      ${counts.join(', ')}`);
  for (const line of spanningLines(report.rowsOverLines)) output.line(line);
  output.line(
    `time      ${report.seconds.toFixed(2)} s for ${formatBytes(report.bytes)}, ${formatCount(report.rowsPerSecond)} rows/s`,
  );
  if (report.digest !== '') output.line(`digest    ${report.digest}`);
  for (const sentence of [...report.why, ...report.unchecked]) output.line(sentence);
  output.line(`${verdictOf(report)}; nothing was changed.`);
}

function verdictOf({ gateFailed, wouldLoad }: DryRunReport): string {
  if (wouldLoad) return 'It would be loaded';
  return gateFailed ? 'It would be loaded and kept as rejected' : 'It would not be loaded';
}

/** One or two lines about one kind of input. */
function formatDialect({ columnCount, columns, text }: FoundDialect): string {
  if (columnCount === 0) return text;
  const shown = columns.slice(0, COLUMNS_SHOWN_MAX).join(', ');
  return `${text}\ncolumns ${shown}${columnCount > COLUMNS_SHOWN_MAX ? ', ...' : ''}`;
}

function formatRecords(records: readonly SampleRecord[]): string {
  const rows = records.map(({ key, value, valueBytes }) => [
    printable(key, KEY_CHARACTERS_MAX),
    printable(value, VALUE_CHARACTERS_MAX),
    formatCount(valueBytes),
  ]);
  return formatTable(
    [{ title: 'KEY' }, { title: 'VALUE' }, { title: 'BYTES', align: 'right' }],
    rows,
  );
}

/** Key and value as text, or as base64 if they are not UTF-8. */
export function recordJson({ key, value, valueBytes }: SampleRecord): Record<string, unknown> {
  const isCut = value.length < valueBytes;
  return {
    ...(isUtf8(key) ? { key: key.toString('utf8') } : { key_base64: key.toString('base64') }),
    ...(isUtf8(value)
      ? { value: value.toString('utf8') }
      : { value_base64: value.toString('base64') }),
    value_bytes: valueBytes,
    ...(isCut ? { cut: true } : {}),
  };
}

/** The last line under `-o json`. */
export function sampleJson({ records, ...report }: SampleReport): string {
  return toJson({ ...report, records: records.map(recordJson) });
}

/** The last line under `-o json`. */
export function dryRunJson({ sample, ...report }: DryRunReport): string {
  const records = sample.length === 0 ? {} : { records: sample.map(recordJson) };
  return toJson({ ...report, ...records });
}
