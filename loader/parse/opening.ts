// What the head of one file says by itself: encoding, format, delimiter, its first row and the rows
// below. What can only be known of all files together is settled in settle-dialects.ts.

import { isUtf8 } from 'node:buffer';
import { crc32 } from 'node:zlib';
import { SteleError } from '../../base/errors.ts';
import { addCell, newColumnProfile } from './cell-kinds.ts';
import type { ColumnProfile } from './cell-kinds.ts';
import { delimiterOfFlag, findDelimiter, oneColumn, sepLine } from './delimiter.ts';
import { LINE_DIALECT, NEWLINE, TAB } from '../input/dialect.ts';
import type { Dialect, DialectChoice, ReadingRules } from '../input/dialect.ts';
import type { LoadFormat } from '../input/formats.ts';
import { sameCells } from './header.ts';
import { readJsonlDialect, refuseJsonArray } from './jsonl-head.ts';
import { HEAD_BYTES } from './read-head.ts';
import { sampleRows } from './sample-rows.ts';
import type { Opened, SampleLimits } from './sample-rows.ts';
import type { LoadSettings } from '../settings.ts';
import { formatByContent } from './text-format.ts';
import { refuseOddText, textFacts, textStart } from '../input/text-facts.ts';
import type { TextFacts } from '../input/text-facts.ts';

/** What the flags say of how inputs are to be read. */
export interface DialectFlags extends DialectChoice {
  readonly header: 'auto' | 'yes' | 'no';
  readonly delimiter: number | undefined;
  readonly rules: ReadingRules;
}

/** One file, before it is compared with the others. */
export interface Opening {
  /** In quotes, for messages. */
  readonly name: string;
  readonly format: LoadFormat;
  readonly text: TextFacts;
  /** Where rows begin if there is no header, and the lines before that. */
  readonly start: number;
  readonly startLine: number;
  /** Of line and jsonl. */
  readonly dialect?: Dialect;
  /** Members that are stored nowhere, because the line has a value by name. */
  readonly droppedMembers: readonly string[];
  /** Of csv and tsv. */
  readonly table?: Table;
}

/** The beginning of a table. */
export interface Table {
  readonly delimiter: number;
  readonly cells: readonly string[];
  readonly isUtf8: boolean;
  readonly stripsReturn: boolean;
  readonly dataStart: number;
  readonly dataStartLine: number;
  readonly restCrc: number;
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

/** What no line begins with, or what rows begin with. */
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
  /** Whether the format is that of the ending, so that the content may say otherwise. */
  readonly isByEnding: boolean;
  readonly isTxt: boolean;
  readonly wasUtf16: boolean;
  /** Of the first table. */
  readonly delimiter: number | undefined;
  /** How many files there are: of many, fewer rows of each are looked at. */
  readonly fileCount: number;
  /** Where what is below the first row is added. */
  readonly below: RowsBelow;
}

/** What is below the first rows of all files of one format and one number of columns. */
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

/**
 * `head` is what readHead gives: the whole first row is in it. Throws INPUT_AMBIGUOUS where a flag must
 * say more, INPUT_INVALID, INVALID_ARGUMENT and UNSUPPORTED.
 */
export function readOpening(
  head: Buffer,
  byEnding: LoadFormat,
  flags: DialectFlags,
  hints: OpeningHints,
): Opening {
  const { name } = hints;
  refuseOddText(head, name, byEnding === 'line' && !hints.isByEnding);
  const marksEnd = textStart(head);
  const start = linesSkipped(head, marksEnd, flags.rules.skipLines);
  const format = formatOf(head, start, byEnding, flags, hints);
  const text = textFacts(head, hints.wasUtf16);
  const startLine = countNewlines(head, start);
  const plain = { name, format, text, start, startLine, droppedMembers: [] };
  const isWhole = head.length < HEAD_BYTES;
  if (format === 'line') {
    refuseColumns(flags);
    return { ...plain, dialect: { ...LINE_DIALECT, ...flags.rules } };
  }
  if (format === 'jsonl') {
    refuseJsonArray(head, start, name);
    const { dialect, dropped } = readJsonlDialect(head, start, isWhole, flags);
    return { ...plain, dialect: { ...dialect, ...flags.rules }, droppedMembers: dropped };
  }
  const sep = format === 'csv' ? sepLine(head, start) : undefined;
  const opened = { head, start: sep?.end ?? start, isWhole, format, rules: flags.rules };
  const named = flags.delimiter ?? sep?.delimiter;
  const delimiter = named ?? (format === 'tsv' ? TAB : findDelimiter(opened, hints.delimiter));
  const table = readTable(opened, delimiter, hints);
  return {
    ...plain,
    start: opened.start,
    startLine: countNewlines(head, opened.start),
    table,
  };
}

/** With a delimiter named, a file of lines is a table. */
function formatOf(
  head: Buffer,
  start: number,
  byEnding: LoadFormat,
  { delimiter, rules }: DialectFlags,
  { isByEnding, isTxt, name }: OpeningHints,
): LoadFormat {
  const isTable = byEnding === 'csv' || byEnding === 'tsv';
  if (delimiter !== undefined && !isTable) {
    if (isByEnding && byEnding === 'line') return delimiter === TAB ? 'tsv' : 'csv';
    throw new SteleError(
      'INVALID_ARGUMENT',
      `--delimiter is for csv and tsv; ${name} is ${byEnding}.`,
    );
  }
  if (!isByEnding || (rules.comment !== '' && byEnding === 'line')) return byEnding;
  return formatByContent(head, start, byEnding, isTxt, name);
}

function refuseColumns({ key, value }: DialectFlags): void {
  if (key === undefined && value === undefined) return;
  throw new SteleError(
    'INVALID_ARGUMENT',
    '--key and --value choose columns, and lines have none; is --format csv, tsv or jsonl meant?',
  );
}

/** After `count` lines; the head's end where there are fewer. */
function linesSkipped(head: Buffer, from: number, count: number): number {
  let at = from;
  for (let line = 0; line < count; line++) {
    const newline = head.indexOf(NEWLINE, at);
    if (newline < 0) return head.length;
    at = newline + 1;
  }
  return at;
}

function countNewlines(head: Buffer, end: number): number {
  let count = 0;
  for (let at = 0; at < end; at++) if (head[at] === NEWLINE) count++;
  return count;
}

function readTable(
  opened: Opened,
  delimiter: number,
  { below: rowsBelow, fileCount, name }: OpeningHints,
): Table {
  const { format, head, start } = opened;
  const { firstEnd, firstEndsInReturn, firstStart, rows } = sampleRows(
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
  // A header that comes again says nothing of what is below a header.
  for (const row of alike.filter((other) => !sameCells(cells, other)))
    columns.forEach((profile, index) => addCell(profile, row[index] ?? ''));
  return {
    delimiter,
    cells,
    isUtf8: isUtf8(head.subarray(start, firstEnd)),
    stripsReturn: format === 'csv' || firstEndsInReturn,
    dataStart: firstEnd,
    dataStartLine: countNewlines(head, firstEnd),
    restCrc: crc32(head.subarray(firstEnd)),
    hasQuotedCells: cells.some((cell) => /^".*"$/s.test(cell)),
  };
}

/** Where most rows have another number of columns, the first one is none of them. */
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
