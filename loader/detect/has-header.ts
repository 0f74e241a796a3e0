// Decides whether the first rows of files name the columns (--header auto).
//
// Each cell of a first row is compared with the cells below it, in all files of the format
// together:
//
//     evidence for a header                         evidence for a row
//     text over a column of figures, dates,         the same kind as the column below
//       codes, links, flags                         figures, a code or a link anywhere
//     text of another shape than all others:        text of the column's own shape, with digits
//       `sku` over `a-1`, `a-2` ... (5 rows and     text that is found again below in its column
//       more with digits, 8 without)
//     nothing in the key's column, where all
//       rows below have a key
//
// Years and 0, 1, 2 ... may be names as well as values, and are no evidence. Nor are words for no
// value or a special one (`unknown`, `inf`, `-`) and `true`, `yes` ...: in any column they may be
// values (but `No` over numbers in the key's column is its name). Without evidence, a first row is
// a header if each of its cells is one of the most common names (id, key, value ...), or if files
// of different content begin with it. If there is evidence for both, or for neither, the load is
// refused: a guess would lose a row, or load the names as one.

import { SteleError } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';
import { dominant, isYear, cellKind, lettersOf, shapeOf } from './cell-kinds.ts';
import type { ColumnProfile } from './cell-kinds.ts';

const SHAPE_ROWS_MIN = 5;
const LETTERS_ROWS_MIN = 8;
/** The shortest run of numbers that count up and so may be generated names of columns. */
const RUN_MIN = 3;
const PLAIN_NAMES = new Set(
  'id key name value uuid guid code sku email url title description date type'.split(' '),
);

/** The first row of one file. */
export interface FirstRow {
  /** For messages, in quotes. */
  readonly name: string;
  readonly cells: readonly string[];
  /** Checksum of what follows the first row. */
  readonly restCrc: number;
}

type Verdict = 'header' | 'row' | 'both' | 'neither';

/**
 * For each file, whether it begins with a header. All files have the same number of columns, and
 * `below` profiles the rows after the first of all of them. `named` is a header that is known
 * because --key or --value names one of its columns. Throws INPUT_AMBIGUOUS, and INPUT_INVALID for
 * two different headers.
 */
export function decideHeaders(
  files: readonly FirstRow[],
  below: readonly ColumnProfile[],
  keyColumn: number,
  named?: readonly string[],
): boolean[] {
  const verdicts = files.map(({ cells }) => verdictOf(cells, below, keyColumn));
  const known = named ?? sharedFirstRow(files, verdicts);
  const at = verdicts.indexOf('header');
  const header = known ?? (at < 0 ? undefined : files[at]?.cells);
  if (header !== undefined) {
    return files.map((file, index) => beginsWith(file, header, verdicts[index] ?? 'neither'));
  }
  const open = files.find((_, index) => verdicts[index] === 'both') ?? files[0];
  const isKnown = verdicts.includes('row') && !verdicts.includes('both');
  if (!isKnown && open !== undefined) throw cannotTell(open, verdicts.includes('both'));
  return files.map(() => false);
}

/**
 * Whether the file begins with `header`; if not, it must be the continuation of a file that does.
 */
function beginsWith(file: FirstRow, header: readonly string[], verdict: Verdict): boolean {
  if (sameCells(file.cells, header)) return true;
  if (verdict === 'row') return false;
  if (verdict === 'header') throw otherColumns(file, header);
  throw cannotTell(file, verdict === 'both');
}

export function sameCells(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((cell, index) => cell === other[index]);
}

/**
 * A first row that several files share although their other rows differ; undefined if there is
 * none.
 */
function sharedFirstRow(
  files: readonly FirstRow[],
  verdicts: readonly Verdict[],
): readonly string[] | undefined {
  const rests = new Map<string, Set<number>>();
  for (const [index, { cells, restCrc }] of files.entries()) {
    if (verdicts[index] === 'row') continue;
    const name = JSON.stringify(cells);
    const known = rests.get(name) ?? new Set();
    rests.set(name, known.add(restCrc));
    if (known.size > 1) return cells;
  }
  return undefined;
}

function verdictOf(
  cells: readonly string[],
  below: readonly ColumnProfile[],
  keyColumn: number,
): Verdict {
  const counted = countingCells(cells);
  let forHeader = 0;
  let forRow = 0;
  for (const [index, cell] of cells.entries()) {
    const profile = below[index];
    const says = counted.has(index) ? 'nothing' : evidenceOf(cell, profile, index === keyColumn);
    if (says === 'header') forHeader++;
    if (says === 'row') forRow++;
    const isNoKey = index === keyColumn && cell === '';
    if (isNoKey && profile !== undefined && profile.count > 0) forHeader++;
  }
  if (forHeader > 0 && forRow > 0) return 'both';
  if (forHeader > 0) return 'header';
  if (forRow > 0) return 'row';
  return arePlainNames(cells, below) ? 'header' : 'neither';
}

function evidenceOf(
  cell: string,
  profile: ColumnProfile | undefined,
  isKey: boolean,
): 'header' | 'row' | 'nothing' {
  const kind = cellKind(cell);
  if (kind === 'empty') return profile?.values.has(cell) === true ? 'row' : 'nothing';
  const { count = 0, kinds = new Map(), values, years = 0 } = profile ?? {};
  if (kind === 'figures' && isYear(cell) && years * 2 <= count) return 'nothing';
  const columnKind = dominant(kinds, count);
  if (kind !== 'text' && kind !== 'flag') return 'row';
  if (values?.has(cell) === true) return 'row';
  if (columnKind !== undefined && columnKind !== 'text') {
    if (kind === columnKind) return 'row';
    return kind === 'flag' && !(isKey && isNumberName(cell)) ? 'nothing' : 'header';
  }
  return profile === undefined || kind === 'flag' ? 'nothing' : evidenceOfShape(cell, profile);
}

/** Whether the cell is `No` for number, which cellKind takes for a flag. */
function isNumberName(cell: string): boolean {
  return cell.trim().toLowerCase() === 'no';
}

/** Evidence of a cell of text over a column of text. */
function evidenceOfShape(cell: string, profile: ColumnProfile): 'header' | 'row' | 'nothing' {
  const { count, letters, shapes } = profile;
  const shape = dominant(shapes, count);
  if (shape === undefined || shape === '') return 'nothing';
  const hasDigits = shape.includes('9');
  const rowsMin = hasDigits ? SHAPE_ROWS_MIN : LETTERS_ROWS_MIN;
  const isLike = shapeOf(cell) === shape && (letters.size > 1 || letters.has(lettersOf(cell)));
  if (isLike) return hasDigits || count >= rowsMin ? 'row' : 'nothing';
  return count >= rowsMin ? 'header' : 'nothing';
}

/**
 * Indexes of cells after the first that count 0, 1, 2 ... or 1, 2, 3 ..., if at least RUN_MIN do.
 */
function countingCells(cells: readonly string[]): ReadonlySet<number> {
  const run = cells.slice(1);
  const begin = Number(run[0]);
  const isRun =
    run.length >= RUN_MIN &&
    cellKind(cells[0] ?? '') !== 'figures' &&
    (begin === 0 || begin === 1) &&
    run.every((cell, index) => cell.trim() === String(begin + index));
  return new Set(isRun ? run.map((_, index) => index + 1) : []);
}

/** Whether all cells are different plain names, and none of these occurs below. */
function arePlainNames(cells: readonly string[], below: readonly ColumnProfile[]): boolean {
  const names = cells.map((cell) => cell.trim().toLowerCase());
  if (new Set(names).size !== names.length || !names.every((name) => PLAIN_NAMES.has(name))) {
    return false;
  }
  const isNameBelow = (value: string): boolean => PLAIN_NAMES.has(value.trim().toLowerCase());
  return !below.some(({ values }) => [...values].some(isNameBelow));
}

function cannotTell({ cells, name }: FirstRow, isBoth: boolean): SteleError {
  const why = isBoth
    ? 'some of its cells are unlike the column below and some are alike'
    : 'nothing in the rows below tells';
  return new SteleError(
    'INPUT_AMBIGUOUS',
    `It cannot be known whether the first row of ${name} (${namesOf(cells)}) names the columns or is a row: ${why}. Say --header yes or --header no.`,
  );
}

/** INPUT_INVALID for a file whose columns are not those of the first input. */
export function otherColumns({ cells, name }: FirstRow, header: readonly string[]): SteleError {
  return new SteleError(
    'INPUT_INVALID',
    `${name} has other columns (${namesOf(cells)}) than the first input (${namesOf(header)}); load them one after the other, or say --header yes or no.`,
  );
}

/** The first names of columns, for messages. */
export function namesOf(cells: readonly string[]): string {
  const shown = cells.slice(0, 8).map((cell) => shorten(cell, 30));
  return `${shown.join(', ')}${cells.length > shown.length ? ', ...' : ''}`;
}
