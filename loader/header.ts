// The first bytes of an input: byte order mark, columns, and whether the first row names them.
//
// --header auto. The first row is a header if --key or --value names one of its cells, or else if
// every cell of it looks like a name (a letter or `_` first; letters, digits, `_ . -` and spaces; at
// most four digits; no two alike) and
//   - one of them is a word that headers use (id, key, name, value, uuid, code ...), or
//   - in at least one column no later row of the sample looks like a name.
// What was decided is logged, and `--header yes|no` settles it.

import { isUtf8 } from 'node:buffer';
import { parse } from 'csv-parse/sync';
import { SteleError } from '../base/errors.ts';
import { shorten } from '../base/ids.ts';
import { CsvRecords, bytesSource } from './csv-records.ts';
import {
  CARRIAGE_RETURN,
  COMMA,
  DEFAULT_RULES,
  LINE_DIALECT,
  NEWLINE,
  TAB,
  VALUE_IS_JSON,
} from './dialect.ts';
import { delimitedDialect } from './dialect.ts';
import type { Dialect } from './dialect.ts';
import type { LoadFormat } from './formats.ts';
import { readJsonlDialect } from './jsonl-head.ts';
import { HEAD_BYTES } from './read-head.ts';

const SAMPLE_ROWS = 20;
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);
const HEADER_WORDS = new Set(
  'id key name value uuid guid code sku email user url type title description date'.split(' '),
);

export interface HeaderChoice {
  readonly key: string | undefined;
  readonly value: string | undefined;
  readonly header: 'auto' | 'yes' | 'no';
}

/** What the first bytes of one input say. */
export interface Head {
  readonly dialect: Dialect;
  /** Where its rows begin. */
  readonly dataStart: number;
  /** Lines before that. */
  readonly dataStartLine: number;
}

/**
 * `head` is what readHead gives: the whole first row is in it. Throws INVALID_ARGUMENT or INPUT_INVALID,
 * with a sentence, where there is no dialect to be had.
 */
export function readDialect(head: Buffer, format: LoadFormat, choice: HeaderChoice): Head {
  const start = head.subarray(0, 3).equals(BYTE_ORDER_MARK) ? 3 : 0;
  if (format === 'line') {
    refuseColumns(choice);
    return { dialect: LINE_DIALECT, dataStart: start, dataStartLine: 0 };
  }
  if (format === 'jsonl') {
    const isWhole = head.length < HEAD_BYTES;
    return {
      dialect: readJsonlDialect(head, start, isWhole, choice),
      dataStart: start,
      dataStartLine: 0,
    };
  }
  return readDelimited(head, start, format, choice);
}

function refuseColumns(choice: HeaderChoice): void {
  if (choice.key === undefined && choice.value === undefined) return;
  throw new SteleError(
    'INVALID_ARGUMENT',
    '--key and --value choose columns, and lines have none; is --format csv, tsv or jsonl meant?',
  );
}

function readDelimited(
  head: Buffer,
  start: number,
  format: 'csv' | 'tsv',
  choice: HeaderChoice,
): Head {
  const { rows, firstEnd, endsInReturn } = sampleRows(head, start, format);
  const first = rows[0];
  if (first === undefined) {
    throw new SteleError('INPUT_INVALID', 'The input has no row in it.');
  }
  const hasHeader = isHeader(first, rows.slice(1), choice);
  const columns = hasHeader ? first : first.map((_, index) => `column${index + 1}`);
  const strips = format === 'csv' || endsInReturn;
  const dialect = delimitedDialect(format, columns, hasHeader, strips, choice);
  const namesAreUsed = hasHeader && dialect.valueColumn === VALUE_IS_JSON;
  if (namesAreUsed && !isUtf8(head.subarray(start, firstEnd))) throw headerNotUtf8();
  const dataStart = hasHeader ? firstEnd : start;
  return { dialect, dataStart, dataStartLine: countNewlines(head, dataStart) };
}

function headerNotUtf8(): SteleError {
  return new SteleError(
    'INPUT_INVALID',
    'The header is not UTF-8, which the names in a JSON object must be; choose one column with --value, or convert the file (iconv -t UTF-8).',
  );
}

interface Sample {
  readonly rows: string[][];
  /** Behind the first row and its line end. */
  readonly firstEnd: number;
  readonly endsInReturn: boolean;
}

function sampleRows(head: Buffer, start: number, format: 'csv' | 'tsv'): Sample {
  const records = new CsvRecords(bytesSource(head), { ...DEFAULT_RULES, delimiter: COMMA });
  const rows: string[][] = [];
  let firstEnd = start;
  let endsInReturn = false;
  for (let at = start; at < head.length && rows.length <= SAMPLE_ROWS;) {
    const end = format === 'csv' ? records.endOf(at) : lineEnd(head, at);
    const mayBeCutShort = end === head.length && head.length >= HEAD_BYTES;
    if (mayBeCutShort && rows.length > 0) break;
    const hasReturn =
      end - at >= 2 && head[end - 1] === NEWLINE && head[end - 2] === CARRIAGE_RETURN;
    const cells = cellsOf(head.subarray(at, end), format, format === 'csv' || hasReturn);
    if (rows.length === 0) {
      firstEnd = end;
      endsInReturn = hasReturn;
    }
    if (cells.length > 1 || cells[0] !== '') rows.push(cells);
    at = end;
  }
  return { rows, firstEnd, endsInReturn };
}

function countNewlines(head: Buffer, end: number): number {
  let count = 0;
  for (let at = 0; at < end; at++) if (head[at] === NEWLINE) count++;
  return count;
}

function lineEnd(head: Buffer, from: number): number {
  const newline = head.indexOf(NEWLINE, from);
  return newline < 0 ? head.length : newline + 1;
}

function cellsOf(record: Buffer, format: 'csv' | 'tsv', stripsReturn: boolean): string[] {
  if (format === 'csv') return csvCells(record);
  const text = record.toString('utf8').replace(stripsReturn ? /\r?\n$/ : /\n$/, '');
  return text.split(String.fromCharCode(TAB));
}

function csvCells(record: Buffer): string[] {
  try {
    const parsed = parse(record, { relax_column_count: true, record_delimiter: ['\r\n', '\n'] });
    return parsed[0] ?? [''];
  } catch {
    // A malformed row is rejected with its offset later; here it is one cell that names nothing.
    return [record.toString('utf8').trimEnd()];
  }
}

function isHeader(
  first: readonly string[],
  later: readonly (readonly string[])[],
  choice: HeaderChoice,
): boolean {
  if (choice.header !== 'auto') return choice.header === 'yes';
  const isNamed = (wanted: string | undefined): boolean =>
    wanted !== undefined && !/^[0-9]+$/.test(wanted) && first.includes(wanted);
  if (isNamed(choice.key) || isNamed(choice.value)) return true;
  if (!first.every(looksLikeName) || new Set(first).size !== first.length) return false;
  if (first.some((cell) => HEADER_WORDS.has(cell.toLowerCase()))) return true;
  if (later.length === 0) return false;
  return first.some((_, column) => later.every((row) => !looksLikeName(row[column] ?? '')));
}

function looksLikeName(cell: string): boolean {
  if (!/^[A-Za-z_][A-Za-z0-9_ .-]{0,63}$/.test(cell)) return false;
  return cell.replace(/[^0-9]/g, '').length <= 4;
}

/** Every further input must have the columns of the first. Throws INPUT_INVALID naming the file. */
export function checkSameColumns(first: Dialect, other: Dialect, path: string): void {
  const same =
    first.hasHeader === other.hasHeader &&
    first.columns.length === other.columns.length &&
    first.columns.every((name, index) => name === other.columns[index]);
  if (same) return;
  throw new SteleError(
    'INPUT_INVALID',
    `'${shorten(path, 200)}' has other columns (${other.columns.slice(0, 8).join(', ')}) than the first input (${first.columns.slice(0, 8).join(', ')}); load them one after the other, or say --header yes or no.`,
  );
}
