// Finds the delimiter of a CSV file.
//
//     1. --delimiter       2. a first line `sep=;`       3. what divides the first rows:
//
// A comma, semicolon, tab or pipe qualifies if it divides the first row into at least two columns,
// and half of the rows into as many as the first. One of those that qualify must stand out: it
// divides all rows alike and no other does, or nearly all rows while the others divide clearly
// fewer. Otherwise the load is refused with an error that names the flag.

import { SteleError } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';
import { CARRIAGE_RETURN, COMMA, NEWLINE, QUOTE, TAB } from '../input/dialect.ts';
import { sampleRows } from './sample-rows.ts';
import type { Opened } from './sample-rows.ts';

const SEMICOLON = 0x3b;
const PIPE = 0x7c;
const CANDIDATES = [COMMA, SEMICOLON, TAB, PIPE] as const;
const LIMITS = { rowsMax: 200, bytesMax: 64 * 1024 };
/** For the files after the first. */
const LIMITS_OF_MORE = { rowsMax: 20, bytesMax: 16 * 1024 };
const SHARE_MIN = 0.5;
const SHARE_CLEAR = 0.9;
const SHARE_OF_OTHERS_MAX = 0.75;

/** The delimiter as people write it: `';'`, `tab`. */
export function delimiterText(byte: number): string {
  if (byte === TAB) return 'tab';
  if (byte > 0x20 && byte < 0x7f) return `'${String.fromCharCode(byte)}'`;
  return `'\\x${byte.toString(16).padStart(2, '0')}'`;
}

/** The byte that `--delimiter` names; undefined without the flag. Throws INVALID_ARGUMENT. */
export function delimiterOfFlag(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const byte = namedByte(text);
  if (byte !== undefined && ![NEWLINE, CARRIAGE_RETURN, QUOTE].includes(byte)) return byte;
  throw new SteleError(
    'INVALID_ARGUMENT',
    `--delimiter ${shorten(JSON.stringify(text))}: a delimiter is one byte: a character such as ';' or '|', the word tab or \\t, or \\xNN; it cannot be a quote or a line end.`,
  );
}

function namedByte(text: string): number | undefined {
  if (/^(?:tab|\\t)$/i.test(text)) return TAB;
  const hex = /^\\x([0-9a-f]{2})$/i.exec(text)?.[1];
  if (hex !== undefined) return Number.parseInt(hex, 16);
  const bytes = Buffer.from(text, 'utf8');
  return bytes.length === 1 ? bytes[0] : undefined;
}

/**
 * A first line that names the delimiter (`sep=;`), as spreadsheets write it, and the offset after
 * it.
 */
export function sepLine(
  head: Buffer,
  start: number,
): { readonly delimiter: number; readonly end: number } | undefined {
  const line = head.toString('latin1', start, start + 16);
  const match = /^(?:sep=([^\r\n"])|"sep=([^\r\n"])")\r?\n/i.exec(line);
  if (match === null) return undefined;
  const character = match[1] ?? match[2] ?? ',';
  return { delimiter: character.charCodeAt(0), end: start + match[0].length };
}

/** Numbers of columns that an error names. */
const COUNTS_SHOWN = 5;

interface Candidate {
  readonly delimiter: number;
  /** Columns of the first row. */
  readonly columns: number;
  /** The part of all rows with as many columns as the first. */
  readonly share: number;
  /** Columns that most rows below have; 0 if there is no majority. */
  readonly columnsBelow: number;
}

/**
 * The delimiter, judged by the rows. `preferred`, that of the first file, is taken if it qualifies.
 * Throws INPUT_AMBIGUOUS.
 */
export function findDelimiter(opened: Opened, preferred: number | undefined): number {
  if (preferred !== undefined && isQualified(candidateOf(opened, preferred, LIMITS_OF_MORE))) {
    return preferred;
  }
  const candidates = CANDIDATES.map((delimiter) => candidateOf(opened, delimiter));
  const qualified = candidates.filter(isQualified);
  const [best, second] = qualified.toSorted((one, other) => other.share - one.share);
  // A file without rows is refused later.
  if (candidates.every(({ share }) => share === 0)) return COMMA;
  if (best === undefined) throw noDelimiter(opened, candidates);
  if (second === undefined) return best.delimiter;
  const isClear =
    best.share === 1
      ? second.share < 1
      : best.share >= SHARE_CLEAR && second.share <= SHARE_OF_OTHERS_MAX;
  if (isClear) return best.delimiter;
  throw ambiguous(
    `Its rows can be divided by ${listed(qualified)}; say which it is: ${flags(qualified)}.`,
  );
}

function isQualified({ columns, share }: Candidate): boolean {
  return columns > 1 && share >= SHARE_MIN;
}

function candidateOf(opened: Opened, delimiter: number, limits = LIMITS): Candidate {
  const { rows } = sampleRows(opened, delimiter, limits);
  const columns = rows[0]?.length ?? 0;
  const same = rows.filter((row) => row.length === columns).length;
  return {
    delimiter,
    columns,
    share: rows.length === 0 ? 0 : same / rows.length,
    columnsBelow: mostCommon(rows.slice(1).map((row) => row.length)),
  };
}

/** The number that is more than half of them; 0 if there is none. */
function mostCommon(numbers: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const number of numbers) counts.set(number, (counts.get(number) ?? 0) + 1);
  for (const [number, count] of counts) if (count * 2 > numbers.length) return number;
  return 0;
}

function noDelimiter(opened: Opened, candidates: readonly Candidate[]): SteleError {
  const { rows } = sampleRows(opened, COMMA, { rowsMax: 1, bytesMax: 1024 * 1024 });
  const first = shorten(rows[0]?.join(',') ?? '');
  const below = candidates.find(({ columnsBelow }) => columnsBelow > 1);
  if (below !== undefined) {
    return ambiguous(
      `The first row ('${first}') is not divided as the rows below, which have ${below.columnsBelow} columns between ${delimiterText(below.delimiter)}; pass over what stands before the table with --skip-lines N or --comment PREFIX, or name the delimiter with --delimiter.`,
    );
  }
  const [divided] = candidates
    .filter(({ columns }) => columns > 1)
    .toSorted((one, other) => other.share - one.share);
  if (divided !== undefined) return raggedRows(opened, first, divided);
  return ambiguous(
    `The first row has only one column ('${first}'), so there is no value; name the delimiter with --delimiter, or the format with --format.`,
  );
}

/** The error for rows that agree neither with the first row nor with each other. */
function raggedRows(opened: Opened, first: string, { columns, delimiter }: Candidate): SteleError {
  const { rows } = sampleRows(opened, delimiter, LIMITS);
  const others = [...new Set(rows.slice(1).map((row) => row.length))]
    .filter((count) => count !== columns)
    .slice(0, COUNTS_SHOWN);
  return ambiguous(
    `The first row ('${first}') has ${columns} columns between ${delimiterText(delimiter)}, and most rows below it have other numbers of them (${others.join(', ')}); correct the rows, pass over what stands before the table with --skip-lines N or --comment PREFIX, or name the delimiter with --delimiter.`,
  );
}

function listed(candidates: readonly Candidate[]): string {
  return candidates.map(({ delimiter }) => delimiterText(delimiter)).join(' as well as by ');
}

function flags(candidates: readonly Candidate[]): string {
  return candidates.map(({ delimiter }) => `--delimiter ${delimiterText(delimiter)}`).join(' or ');
}

function ambiguous(text: string): SteleError {
  return new SteleError('INPUT_AMBIGUOUS', text);
}

/** The error for a first row that the named `delimiter` does not divide. */
export function oneColumn(opened: Opened, delimiter: number, first: string): SteleError {
  const others = CANDIDATES.filter((other) => other !== delimiter).map((other) =>
    candidateOf({ ...opened, format: 'csv' }, other),
  );
  const better = others.filter(isQualified);
  const hint =
    better.length === 0
      ? 'name the delimiter with --delimiter, or the format with --format'
      : `is it csv with ${listed(better)}? Then say --format csv ${flags(better)}`;
  return ambiguous(
    `The first row has only one column ('${shorten(first)}') between ${delimiterText(delimiter)}, so there is no value; ${hint}.`,
  );
}
