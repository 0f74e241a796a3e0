// What one file shows by itself: the flags that matter, the head that is read, and a table's first
// row and the rows below. formats/open.ts puts this together by format; what needs all files
// together is decided in settle-dialects.ts.

import { isUtf8 } from 'node:buffer';
import { closeSync, fstatSync, openSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { SteleError } from '../../base/errors.ts';
import { addCell, newColumnProfile } from './cell-kinds.ts';
import type { ColumnProfile } from './cell-kinds.ts';
import { delimiterOfFlag, oneColumn } from './delimiter.ts';
import { FileWindow, readFully } from '../bytes/file-window.ts';
import { CARRIAGE_RETURN, COMMA, DEFAULT_RULES, NEWLINE } from '../input/dialect.ts';
import type { Dialect, DialectChoice, ReadingRules } from '../input/dialect.ts';
import type { LoadFormat } from '../input/formats.ts';
import { sameCells } from './has-header.ts';
import { sampleRows } from './sample-rows.ts';
import type { Opened, SampleLimits } from './sample-rows.ts';
import { RECORD_BYTES_MAX, lineEnds, quotedEnds, recordTooLong } from '../parse/record-ends.ts';
import type { LoadSettings } from '../settings.ts';
import { countNewlines } from '../input/text.ts';
import type { TextFacts } from '../input/text.ts';

/** Read from the start of each input; more if its first row is longer. */
export const INPUT_HEAD_BYTES = 1024 * 1024;
const WINDOW_BYTES = 256 * 1024;

/** The flags that matter for a file's beginning; an unknown delimiter counts as a comma. */
export type HeadRules = ReadingRules & { readonly delimiter?: number };

/** The flags that decide how inputs are read. */
export interface DialectFlags extends DialectChoice {
  readonly header: 'auto' | 'yes' | 'no';
  readonly delimiter: number | undefined;
  readonly rules: ReadingRules;
}

/** What one file shows, before it is compared with the others. */
export interface Opening {
  /** In quotes, for messages. */
  readonly name: string;
  readonly format: LoadFormat;
  /** For formats of text. */
  readonly text?: TextFacts;
  /** Offset of the first row, header or not, and the number of lines before it. */
  readonly start: number;
  readonly startLine: number;
  /** For formats whose files are not compared row by row. */
  readonly dialect?: Dialect;
  /** Members of jsonl that are not stored, because their line has a value by name. */
  readonly droppedMembers: readonly string[];
  /**
   * For formats of which only a part is read: the size of that, and a checksum that stands for the
   * content of the file.
   */
  readonly part?: { readonly byteCount: number; readonly contentCrc: number };
  /** For csv and tsv. */
  readonly table?: TableHead;
}

/** The beginning of a table. */
export interface TableHead {
  readonly delimiter: number;
  readonly cells: readonly string[];
  readonly isUtf8: boolean;
  readonly stripsReturn: boolean;
  readonly dataStart: number;
  readonly dataStartLine: number;
  readonly restCrc: number;
  /**
   * Why the first row is malformed, and the offset of the fault in the file; `cells` are then a
   * guess.
   */
  readonly fault?: { readonly reason: string; readonly at: number };
  /** Whether cells of tsv look like quoted ones of csv. */
  readonly hasQuotedCells: boolean;
}

/** The flags of a load that decide how its inputs are read. Throws INVALID_ARGUMENT. */
export function dialectFlags(settings: LoadSettings): DialectFlags {
  const { comment, header, key, maxLinesPerValue, skipLines, trim, value } = settings;
  refuseOddComment(comment);
  const rules = { comment, trims: trim, linesPerValueMax: maxLinesPerValue, skipLines };
  return { key, value, header, delimiter: delimiterOfFlag(settings.delimiter), rules };
}

/** Throws INVALID_ARGUMENT for a prefix with which no line begins, or with which rows do. */
function refuseOddComment(comment: string): void {
  const isLineEnd = /[\r\n]|^(?:\\[rn])+$/.test(comment);
  if (!isLineEnd && !comment.startsWith('"')) return;
  const why = isLineEnd ? 'no line begins with a line end' : 'a row may begin with a quote';
  throw new SteleError(
    'INVALID_ARGUMENT',
    `--comment ${JSON.stringify(comment)}: ${why}; give the characters that such lines begin with, like #.`,
  );
}

export interface OpeningHints {
  readonly name: string;
  /** Whether the format comes from the file's ending, so that the content may contradict it. */
  readonly isByEnding: boolean;
  readonly isTxt: boolean;
  readonly wasUtf16: boolean;
  /** The delimiter of the first table. */
  readonly delimiter: number | undefined;
  /** The number of files: the more there are, the fewer rows of each are sampled. */
  readonly fileCount: number;
  /** Collects the rows below the first one. */
  readonly below: RowsBelow;
}

/** Profiles the rows below the first ones, over all files of one format and number of columns. */
export class RowsBelow {
  readonly #columns = new Map<string, readonly ColumnProfile[]>();

  of(format: LoadFormat, columnCount: number): readonly ColumnProfile[] {
    const name = `${format} ${columnCount}`;
    const known = this.#columns.get(name);
    if (known !== undefined) return known;
    const columns = Array.from({ length: columnCount }, newColumnProfile);
    this.#columns.set(name, columns);
    return columns;
  }
}

/** The offset after `count` lines; the head's end if there are fewer. */
export function linesSkipped(head: Buffer, from: number, count: number): number {
  let at = from;
  for (let line = 0; line < count; line++) {
    const newline = head.indexOf(NEWLINE, at);
    if (newline < 0) return head.length;
    at = newline + 1;
  }
  return at;
}

/**
 * The beginning of a table. Throws INPUT_INVALID for one without a row or with one column,
 * INPUT_AMBIGUOUS if its rows are uneven.
 */
export function readTable(
  opened: Opened,
  delimiter: number,
  { below: rowsBelow, fileCount, name }: OpeningHints,
): TableHead {
  const { format, head, start } = opened;
  const { firstEnd, firstEndsInReturn, firstFault, firstStart, rows } = sampleRows(
    opened,
    delimiter,
    limitsFor(fileCount),
  );
  const [cells, ...below] = rows;
  if (cells === undefined) {
    throw new SteleError('INPUT_INVALID', `${name} has no row in it.`);
  }
  if (cells.length < 2) {
    throw oneColumn(
      opened,
      delimiter,
      cells[0] ?? head.toString('utf8', firstStart, firstEnd).trimEnd(),
    );
  }
  const alike = below.filter((row) => row.length === cells.length);
  refuseRagged(cells, below, alike.length, name);
  const columns = rowsBelow.of(format, cells.length);
  // A repeated header is no evidence of what is below one.
  for (const row of alike.filter((other) => !sameCells(cells, other)))
    columns.forEach((profile, index) => addCell(profile, row[index] ?? ''));
  return {
    delimiter,
    cells,
    isUtf8: isUtf8(head.subarray(start, firstEnd)),
    stripsReturn: format === 'csv' || firstEndsInReturn,
    dataStart: firstEnd,
    dataStartLine: countNewlines(head, 0, firstEnd),
    restCrc: crc32(head.subarray(firstEnd)),
    ...(firstFault === undefined ? {} : { fault: firstFault }),
    hasQuotedCells: cells.some((cell) => /^".*"$/s.test(cell)),
  };
}

/** Throws INPUT_AMBIGUOUS if most rows have another number of columns than the first. */
function refuseRagged(
  cells: readonly string[],
  below: readonly (readonly string[])[],
  alikeCount: number,
  name: string,
): void {
  if (below.length < 2 || alikeCount * 2 >= below.length) return;
  const other = below.find((row) => row.length !== cells.length)?.length ?? 0;
  throw new SteleError(
    'INPUT_AMBIGUOUS',
    `The first row of ${name} has ${cells.length} columns and most rows below have another number (${other}); pass over what stands before the table with --skip-lines N or --comment PREFIX, or name the delimiter with --delimiter.`,
  );
}

function limitsFor(fileCount: number): SampleLimits {
  const rowsMax = Math.max(20, Math.min(1000, Math.ceil(20_000 / fileCount)));
  return { rowsMax, bytesMax: rowsMax * 256 };
}

/**
 * The first INPUT_HEAD_BYTES of a file or, if it is shorter, all of it; for csv and tsv at least
 * its first row. `path` names the file in errors. Throws INPUT_INVALID if the first row is longer
 * than any row may be.
 */
export function readHead(
  readPath: string,
  path: string,
  format: LoadFormat,
  rules: HeadRules = DEFAULT_RULES,
): Buffer {
  const file = openSync(readPath, 'r');
  try {
    const { size } = fstatSync(file);
    const firstEnd =
      format === 'csv' || format === 'tsv' ? firstRowEnd(file, size, format, rules) : 0;
    if (firstEnd < 0) throw recordTooLong(path, 0, format);
    const bytes = Buffer.allocUnsafe(Math.max(INPUT_HEAD_BYTES, firstEnd));
    return bytes.subarray(0, readFully(file, bytes, bytes.length, 0));
  } finally {
    closeSync(file);
  }
}

/** The offset after the first row that is not blank; -1 if that row is longer than any may be. */
function firstRowEnd(
  file: number,
  size: number,
  format: 'csv' | 'tsv',
  { delimiter = COMMA, ...rules }: HeadRules,
): number {
  const source = new FileWindow(file, size, WINDOW_BYTES);
  const records = (format === 'csv' ? quotedEnds : lineEnds)(source, { ...rules, delimiter });
  // The byte order mark is not part of the row: a quote opens a field only at its start.
  let start = source.byteAt(0) === 0xef ? Math.min(3, size) : 0;
  for (let line = 0; line < rules.skipLines; line++) {
    const newline = source.find(NEWLINE, start, size);
    if (newline < 0) return size;
    start = newline + 1;
  }
  for (;;) {
    const end = records.endBehind(start, start + 1, Math.min(size, start + RECORD_BYTES_MAX));
    if (end < 0 || end === size || !isBlankRow(source, start, end)) return end;
    start = end;
  }
}

function isBlankRow(source: FileWindow, start: number, end: number): boolean {
  return end - start === 1 || (end - start === 2 && source.byteAt(start) === CARRIAGE_RETURN);
}
