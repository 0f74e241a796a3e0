// Turns the openings of all files into a dialect for each. Files of one format must have the same
// columns: they are taken for parts of one table, and the rows below their first ones are judged
// together.

import { SteleError } from '../../base/errors.ts';
import { delimiterText } from './delimiter.ts';
import { VALUE_IS_JSON, delimitedDialect } from '../input/dialect.ts';
import type { Dialect, TableFormat } from '../input/dialect.ts';
import { decideHeaders, namesOf, otherColumns, sameCells } from './has-header.ts';
import type { FirstRow } from './has-header.ts';
import type { DialectFlags, Opening, RowsBelow, TableHead } from './opening.ts';

/** How one input is read, and where its data begin. */
export interface Head {
  readonly dialect: Dialect;
  readonly dataStart: number;
  /** Lines before `dataStart`. */
  readonly dataStartLine: number;
}

type TableOpening = Opening & { readonly format: TableFormat; readonly table: TableHead };

/** One head for each opening. Throws INPUT_AMBIGUOUS, INPUT_INVALID, INVALID_ARGUMENT. */
export function settleDialects(
  openings: readonly Opening[],
  flags: DialectFlags,
  below: RowsBelow,
): Head[] {
  const heads = new Map<Opening, Head>();
  const allTables = openings.filter((opening) => opening.table !== undefined) as TableOpening[];
  for (const format of new Set(allTables.map((opening) => opening.format))) {
    const tables = allTables.filter((opening) => opening.format === format);
    const hasHeader = headersOf(format, tables, flags, below);
    tables.forEach((opening, index) => {
      if (hasHeader[index] === true) refuseMalformed(opening);
    });
    const dialects = dialectsByKind(format, tables, hasHeader, flags);
    for (const [index, opening] of tables.entries()) {
      heads.set(opening, headOf(opening, hasHeader[index] === true, dialects));
    }
  }
  return openings.map((opening) => heads.get(opening) ?? plainHead(opening, openings));
}

function plainHead(opening: Opening, openings: readonly Opening[]): Head {
  const { dialect, format, name, start, startLine } = opening;
  if (dialect === undefined) throw new SteleError('INTERNAL', `${name} has no dialect.`);
  const columns = openings.find((one) => one.format === format)?.dialect?.columns ?? [];
  if (!sameCells(dialect.columns, columns)) {
    throw new SteleError(
      'INPUT_INVALID',
      `${name} has other columns (${namesOf(dialect.columns)}) than the first input (${namesOf(columns)}); load them one after the other.`,
    );
  }
  return { dialect, dataStart: start, dataStartLine: startLine };
}

function headersOf(
  format: TableFormat,
  tables: readonly TableOpening[],
  flags: DialectFlags,
  below: RowsBelow,
): boolean[] {
  const [first] = tables as [TableOpening];
  for (const opening of tables) refuseOtherTable(first, opening);
  if (flags.header === 'no') return tables.map(() => false);
  const rows = tables.map(({ name, table }) => ({ name, ...table }));
  if (flags.header === 'auto') {
    const columns = below.of(format, first.table.cells.length);
    const key = keyIndex(first.table, flags);
    return decideHeaders(rows, columns, key, namedHeader(rows, flags));
  }
  for (const row of rows) {
    if (!sameCells(row.cells, first.table.cells)) throw otherColumns(row, first.table.cells);
  }
  return rows.map(() => true);
}

/**
 * If --key or --value names a column, the first row that has the name is a header; otherwise the
 * first file's.
 */
function namedHeader(rows: readonly FirstRow[], { folderColumns, key, value }: DialectFlags) {
  const names = [key, value].filter(
    (name) =>
      name !== undefined &&
      !/^(?:column)?[0-9]+$/.test(name) &&
      folderColumns?.includes(name) !== true,
  );
  if (names.length === 0) return undefined;
  return (
    rows.find(({ cells }) => names.some((name) => cells.includes(name ?? '')))?.cells ??
    rows[0]?.cells
  );
}

/** The key's column, as far as it is known without names. */
function keyIndex({ cells }: TableHead, { key }: DialectFlags): number {
  const number = Number(key?.replace('column', '') ?? 1);
  return number >= 1 && number <= cells.length ? number - 1 : 0;
}

function refuseOtherTable(first: TableOpening, other: TableOpening): void {
  if (other.table.delimiter !== first.table.delimiter) {
    throw new SteleError(
      'INPUT_INVALID',
      `${other.name} has columns between ${delimiterText(other.table.delimiter)}, and the first input between ${delimiterText(first.table.delimiter)}; load them one after the other.`,
    );
  }
  if (other.table.cells.length !== first.table.cells.length) {
    throw otherColumns({ ...other.table, name: other.name }, first.table.cells);
  }
}

/** The dialects of a format's files, made once and shared by them. */
type Dialects = Map<string, Dialect>;

function dialectName(hasHeader: boolean, stripsReturn: boolean): string {
  return `${hasHeader}/${stripsReturn}`;
}

function dialectsByKind(
  format: TableFormat,
  tables: readonly TableOpening[],
  hasHeader: readonly boolean[],
  flags: DialectFlags,
): Dialects {
  const [first] = tables as [TableOpening];
  const withHeader = tables.find((_, index) => hasHeader[index] === true);
  const columns = withHeader?.table.cells ?? first.table.cells.map((_, at) => `column${at + 1}`);
  const dialects: Dialects = new Map();
  for (const [index, { table }] of tables.entries()) {
    const has = hasHeader[index] === true;
    const name = dialectName(has, table.stripsReturn);
    if (dialects.has(name)) continue;
    const more = { ...flags.rules, delimiter: table.delimiter };
    dialects.set(name, delimitedDialect(format, columns, has, table.stripsReturn, flags, more));
  }
  const [dialect] = dialects.values();
  const namesAreUsed = withHeader !== undefined && dialect?.valueColumn === VALUE_IS_JSON;
  if (namesAreUsed && !withHeader.table.isUtf8) throw headerNotUtf8();
  return dialects;
}

function headOf({ start, startLine, table }: TableOpening, has: boolean, dialects: Dialects): Head {
  const dialect = dialects.get(dialectName(has, table.stripsReturn));
  if (dialect === undefined) throw new SteleError('INTERNAL', 'A table has no dialect.');
  if (!has) return { dialect, dataStart: start, dataStartLine: startLine };
  return { dialect, dataStart: table.dataStart, dataStartLine: table.dataStartLine };
}

/** Throws INPUT_INVALID if the parser of the rows cannot read the names of the columns. */
function refuseMalformed({ name, table: { fault } }: TableOpening): void {
  if (fault === undefined) return;
  throw new SteleError(
    'INPUT_INVALID',
    `The first row of ${name} names the columns and is malformed: ${fault.reason} at byte ${fault.at}. Correct it, or say --header no if it is a row.`,
  );
}

function headerNotUtf8(): SteleError {
  return new SteleError(
    'INPUT_INVALID',
    'The header is not UTF-8, which the names in a JSON object must be; choose one column with --value, or convert the file (iconv -t UTF-8).',
  );
}
