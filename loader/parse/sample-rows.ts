// The first rows of a delimited file as text, for finding out what they are. They are cut where a load
// cuts them (csv-records.ts) and read by csv-parse.

import { parse } from 'csv-parse/sync';
import { CsvRecords, bytesSource } from './csv-records.ts';
import { CARRIAGE_RETURN, NEWLINE } from '../input/dialect.ts';
import type { ReadingRules } from '../input/dialect.ts';

/** The rows of a head that are looked at. */
export interface SampleLimits {
  readonly rowsMax: number;
  readonly bytesMax: number;
}

/** The beginning of one file, and how it is to be read. */
export interface Opened {
  readonly head: Buffer;
  /** Where its first line begins that belongs to nobody else: after marks and skipped lines. */
  readonly start: number;
  /** Whether the head is the whole file, so that its last row is not cut short. */
  readonly isWhole: boolean;
  readonly format: 'csv' | 'tsv';
  readonly rules: ReadingRules;
}

export interface RowSample {
  /** Without blank lines and comments. */
  readonly rows: readonly (readonly string[])[];
  /** Of the first row, and after its line end. */
  readonly firstStart: number;
  readonly firstEnd: number;
  readonly firstEndsInReturn: boolean;
}

export function sampleRows(
  { format, head, isWhole, rules, start }: Opened,
  delimiter: number,
  { bytesMax, rowsMax }: SampleLimits,
): RowSample {
  const records = new CsvRecords(bytesSource(head), { ...rules, delimiter });
  const comment = Buffer.from(rules.comment, 'utf8');
  const ranges: [number, number][] = [];
  for (let at = start; at < head.length && ranges.length < rowsMax;) {
    const end = format === 'csv' ? records.endOf(at) : lineEnd(head, at);
    const mayBeCutShort = end === head.length && !isWhole;
    const isFar = end - start > bytesMax;
    if ((mayBeCutShort || isFar) && ranges.length > 0) break;
    const isComment = comment.length > 0 && head.indexOf(comment, at) === at;
    if (!isComment && !isBlankLine(head, at, end)) ranges.push([at, end]);
    at = end;
  }
  const [firstStart, firstEnd] = ranges[0] ?? [start, start];
  const firstEndsInReturn = endsInReturn(head, firstStart, firstEnd);
  const lines = ranges.map(([from, to]) => head.subarray(from, to));
  const rows =
    format === 'csv'
      ? csvRows(lines, delimiter, rules.trims)
      : lines.map((line) => tsvCells(line, delimiter, firstEndsInReturn, rules.trims));
  return { rows, firstStart, firstEnd, firstEndsInReturn };
}

function lineEnd(head: Buffer, from: number): number {
  const newline = head.indexOf(NEWLINE, from);
  return newline < 0 ? head.length : newline + 1;
}

function endsInReturn(head: Buffer, start: number, end: number): boolean {
  return end - start >= 2 && head[end - 1] === NEWLINE && head[end - 2] === CARRIAGE_RETURN;
}

function isBlankLine(head: Buffer, start: number, end: number): boolean {
  const length = end - start;
  if (length === 1) return head[start] === NEWLINE;
  return length === 2 && head[start] === CARRIAGE_RETURN && head[start + 1] === NEWLINE;
}

function tsvCells(line: Buffer, delimiter: number, strips: boolean, trims: boolean): string[] {
  // A delimiter that is no ASCII is one byte, not a character.
  const encoding = delimiter < 0x80 ? 'utf8' : 'latin1';
  const text = line.toString(encoding).replace(strips ? /\r?\n$/ : /\n$/, '');
  const cells = text.split(String.fromCharCode(delimiter));
  return trims ? cells.map((cell) => cell.trim()) : cells;
}

/** All at once, which is fast; one by one where one of them is malformed. */
function csvRows(lines: readonly Buffer[], delimiter: number, trims: boolean): string[][] {
  const options = {
    delimiter: Buffer.from([delimiter]),
    relax_column_count: true,
    record_delimiter: ['\r\n', '\n'],
    trim: trims,
  };
  try {
    const rows: string[][] = parse(Buffer.concat(lines), options);
    if (rows.length === lines.length) return rows;
  } catch {
    // Told apart below.
  }
  return lines.map((line) => {
    try {
      const rows: string[][] = parse(line, options);
      return rows[0] ?? [];
    } catch {
      // A malformed row is rejected with its offset later; here it counts as if its quotes were none.
      return tsvCells(line, delimiter, true, trims);
    }
  });
}
