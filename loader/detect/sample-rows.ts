// The first rows of a delimited file as text. They are cut where a load cuts them (csv-records.ts).
//
// The first row, which may name the columns, is read by the parser of the rows (parse-quoted.ts),
// so that no file is read by two grammars. The rows below it are only looked at, and are read by
// csv-parse. The two agree but for NUL after a quote and for what --trim takes away (a property
// test): csv-parse takes all white space of Unicode, and not spaces and tabs alone.

import { parse } from 'csv-parse/sync';
import { CsvRecords, bytesSource, isBlank } from '../parse/delimited/csv-records.ts';
import { recordCells } from '../parse/delimited/parse-quoted.ts';
import { CARRIAGE_RETURN, NEWLINE } from '../input/dialect.ts';
import type { ReadingRules } from '../input/dialect.ts';

/** Limits on the rows of a head that are sampled. */
export interface SampleLimits {
  readonly rowsMax: number;
  readonly bytesMax: number;
}

/** The beginning of one file, and how it is read. */
export interface Opened {
  readonly head: Buffer;
  /** Offset of the first row: after byte order marks and skipped lines. */
  readonly start: number;
  /** Whether the head is the whole file; otherwise its last row may be cut off. */
  readonly isWhole: boolean;
  readonly format: 'csv' | 'tsv';
  readonly rules: ReadingRules;
}

export interface RowSample {
  /** Without blank lines and comments. */
  readonly rows: readonly (readonly string[])[];
  /** Offsets of the first row and of the end of its line. */
  readonly firstStart: number;
  readonly firstEnd: number;
  readonly firstEndsInReturn: boolean;
  /** Why the first row is malformed, and the offset of the fault; its cells are then a guess. */
  readonly firstFault?: { readonly reason: string; readonly at: number };
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
    // A quote that nothing closes up to the end of the head may be closed after it.
    const mayBeCutShort = (end === head.length || records.wasOpenAtEnd) && !isWhole;
    const isFar = end - start > bytesMax;
    if ((mayBeCutShort || isFar) && ranges.length > 0) break;
    const isComment = comment.length > 0 && head.indexOf(comment, at) === at;
    if (!isComment && !isBlankLine(head, at, end, delimiter, rules.trims)) ranges.push([at, end]);
    at = end;
  }
  const [firstStart, firstEnd] = ranges[0] ?? [start, start];
  const firstEndsInReturn = endsInReturn(head, firstStart, firstEnd);
  const lines = ranges.map(([from, to]) => head.subarray(from, to));
  const first = { firstStart, firstEnd, firstEndsInReturn };
  const [firstLine, ...below] = lines;
  if (firstLine === undefined || format === 'tsv') {
    const cells = (line: Buffer): string[] =>
      tsvCells(line, delimiter, firstEndsInReturn, rules.trims);
    return { rows: lines.map(cells), ...first };
  }
  const rows = csvRows(below, delimiter, rules.trims);
  const read = recordCells(firstLine, { ...rules, delimiter });
  if (!('fault' in read)) return { rows: [read, ...rows], ...first };
  const guessed = tsvCells(firstLine, delimiter, true, rules.trims);
  const firstFault = { reason: read.fault, at: firstStart + read.faultAt };
  return { rows: [guessed, ...rows], ...first, firstFault };
}

function lineEnd(head: Buffer, from: number): number {
  const newline = head.indexOf(NEWLINE, from);
  return newline < 0 ? head.length : newline + 1;
}

function endsInReturn(head: Buffer, start: number, end: number): boolean {
  return end - start >= 2 && head[end - 1] === NEWLINE && head[end - 2] === CARRIAGE_RETURN;
}

function isBlankLine(
  head: Buffer,
  start: number,
  end: number,
  delimiter: number,
  trims: boolean,
): boolean {
  let at = start;
  if (trims) while (at < end && isBlank(head[at] as number, delimiter)) at++;
  const length = end - at;
  if (length === 1) return head[at] === NEWLINE;
  return length === 2 && head[at] === CARRIAGE_RETURN && head[at + 1] === NEWLINE;
}

function tsvCells(line: Buffer, delimiter: number, strips: boolean, trims: boolean): string[] {
  // A delimiter outside ASCII is one byte, not a character of UTF-8.
  const encoding = delimiter < 0x80 ? 'utf8' : 'latin1';
  const text = line.toString(encoding).replace(strips ? /\r?\n$/ : /\n$/, '');
  const cells = text.split(String.fromCharCode(delimiter));
  return trims ? cells.map((cell) => cell.trim()) : cells;
}

/** Reads all rows at once, which is fast; one by one if one of them is malformed. */
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
    // One of them is malformed.
  }
  return lines.map((line) => {
    try {
      const rows: string[][] = parse(line, options);
      return rows[0] ?? [];
    } catch {
      // A malformed row is rejected with its offset later; here its quotes count as ordinary
      // characters.
      return tsvCells(line, delimiter, true, trims);
    }
  });
}
