// How the bytes of an input become keys and values. Decided once, before any row is parsed, and
// passed to the workers as a plain object.

import { LINES_PER_VALUE_DEFAULT } from '../settings.ts';
import { SteleError } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';
import type { LoadFormat } from './formats.ts';
import { memberPath } from './member-path.ts';
import type { MemberPaths } from './member-path.ts';

export const COMMA = 0x2c;
export const TAB = 0x09;
export const SPACE = 0x20;
export const QUOTE = 0x22;
export const NEWLINE = 0x0a;
export const CARRIAGE_RETURN = 0x0d;

/** The value is a JSON object of all columns but the key's. */
export const VALUE_IS_JSON = -1;
/** Column names are kept once per kind of file, and cells as two numbers each. */
const COLUMNS_MAX = 65_536;

/** Formats of text whose rows are compared to find out how they are read. */
export type TableFormat = 'csv' | 'tsv';

/** The rules that come from flags alone; the same for every input. */
export interface ReadingRules {
  /** Prefix of lines to skip; '' for none. */
  readonly comment: string;
  /** Whether spaces and tabs around a column are removed. */
  readonly trims: boolean;
  /** Line ends allowed in one quoted value of csv. With more of them its quote was never closed. */
  readonly linesPerValueMax: number;
  /** Lines to skip at the start of every file. */
  readonly skipLines: number;
}

export const DEFAULT_RULES: ReadingRules = {
  comment: '',
  trims: false,
  linesPerValueMax: LINES_PER_VALUE_DEFAULT,
  skipLines: 0,
};

/** Serialisable; part of what a checkpoint is bound to. */
export interface Dialect extends ReadingRules {
  readonly format: LoadFormat;
  readonly delimiter: number;
  /** Names in order; empty for `line`. Without a header: column1, column2 ... */
  readonly columns: readonly string[];
  /** Columns whose values are in the path of a file (folder-columns.ts). They follow `columns`. */
  readonly folderColumns?: readonly string[];
  readonly hasHeader: boolean;
  /** 0-based. */
  readonly keyColumn: number;
  /** 0-based, or VALUE_IS_JSON. */
  readonly valueColumn: number;
  /**
   * Whether one `\r` before `\n` belongs to the line end: always in csv, in tsv by its first line,
   * never in line.
   */
  readonly stripCarriageReturn: boolean;
  /** For jsonl only. */
  readonly members?: MemberPaths;
}

export interface DialectChoice {
  readonly folderColumns?: readonly string[];
  readonly key: string | undefined;
  readonly value: string | undefined;
}

export const LINE_DIALECT: Dialect = {
  ...DEFAULT_RULES,
  format: 'line',
  delimiter: SPACE,
  columns: [],
  hasHeader: false,
  keyColumn: 0,
  valueColumn: 1,
  stripCarriageReturn: false,
};

/** The dialect of JSON Lines. Throws INVALID_ARGUMENT for a malformed path in --key or --value. */
export function jsonlDialect({ key, value }: DialectChoice): Dialect {
  const members = {
    key: key === undefined ? undefined : memberPath(key, '--key'),
    value: value === undefined ? undefined : memberPath(value, '--value'),
  };
  return { ...LINE_DIALECT, format: 'jsonl', members };
}

/**
 * The dialect of a file that names its columns itself. Throws INVALID_ARGUMENT for a missing
 * column, INPUT_INVALID for a file with a single column, or with too many.
 */
export function columnsDialect(
  format: LoadFormat,
  columns: readonly string[],
  choice: DialectChoice,
): Dialect {
  const all = allColumns(columns, choice);
  if (all.length < 2) {
    throw new SteleError(
      'INPUT_INVALID',
      `There is only one column ('${shorten(columns[0] ?? '')}'), so there is no value; choose files with a column for the key and one for the value.`,
    );
  }
  if (columns.length > COLUMNS_MAX) {
    const text = `There are ${columns.length} columns; the most is ${COLUMNS_MAX}.`;
    throw new SteleError('INPUT_INVALID', text);
  }
  const keyColumn = choice.key === undefined ? 0 : columnIndex(all, choice.key, '--key');
  const valueColumn = valueColumnOf(all, keyColumn, choice.value);
  const folderColumns = folderPart(choice);
  return {
    ...LINE_DIALECT,
    format,
    delimiter: 0,
    columns,
    ...folderColumns,
    keyColumn,
    valueColumn,
  };
}

/** The columns of a file and of its path. Throws INPUT_INVALID if a name is in both. */
function allColumns(
  columns: readonly string[],
  { folderColumns = [] }: DialectChoice,
): readonly string[] {
  const twice = folderColumns.find((name) => columns.includes(name));
  if (twice === undefined) return [...columns, ...folderColumns];
  throw new SteleError(
    'INPUT_INVALID',
    `The column '${shorten(twice)}' is in the files as well as in the names of their folders; leave --hive-columns out.`,
  );
}

function folderPart({ folderColumns = [] }: DialectChoice): Pick<Dialect, 'folderColumns'> {
  return folderColumns.length === 0 ? {} : { folderColumns };
}

/**
 * The dialect of a delimited input whose columns are known. Throws INVALID_ARGUMENT for a missing
 * column, INPUT_INVALID for an input without a value.
 */
export function delimitedDialect(
  format: TableFormat,
  columns: readonly string[],
  hasHeader: boolean,
  stripCarriageReturn: boolean,
  choice: DialectChoice,
  more: Partial<ReadingRules & Pick<Dialect, 'delimiter'>> = {},
): Dialect {
  if (columns.length < 2) {
    throw new SteleError(
      'INPUT_INVALID',
      `The first row has only one column ('${shorten(columns[0] ?? '')}'), so there is no value; is --format ${format} right?`,
    );
  }
  if (columns.length > COLUMNS_MAX) {
    throw new SteleError(
      'INPUT_INVALID',
      `The first row has ${columns.length} columns; the most is ${COLUMNS_MAX}.`,
    );
  }
  const all = allColumns(columns, choice);
  const keyColumn = choice.key === undefined ? 0 : columnIndex(all, choice.key, '--key');
  return {
    ...DEFAULT_RULES,
    ...folderPart(choice),
    format,
    delimiter: format === 'csv' ? COMMA : TAB,
    ...more,
    columns,
    hasHeader,
    keyColumn,
    valueColumn: valueColumnOf(all, keyColumn, choice.value),
    stripCarriageReturn,
  };
}

function valueColumnOf(
  columns: readonly string[],
  keyColumn: number,
  chosen: string | undefined,
): number {
  if (chosen !== undefined) return columnIndex(columns, chosen, '--value');
  if (columns.length === 2) return 1 - keyColumn;
  refuseRepeatedNames(columns);
  return VALUE_IS_JSON;
}

/**
 * A JSON object cannot hold two members of one name, so one of the values would be lost silently.
 */
function refuseRepeatedNames(columns: readonly string[]): void {
  const seen = new Set<string>();
  for (const name of columns) {
    if (seen.has(name)) {
      throw new SteleError(
        'INPUT_INVALID',
        `Two columns are called '${shorten(name)}', which cannot become one JSON object; name the wanted one by number with --value.`,
      );
    }
    seen.add(name);
  }
}

/** The index of a column by its name or, failing that, by its 1-based number. */
function columnIndex(columns: readonly string[], wanted: string, flag: string): number {
  const byName = columns.indexOf(wanted);
  if (byName >= 0 && columns.lastIndexOf(wanted) === byName) return byName;
  if (byName >= 0) {
    throw new SteleError(
      'INVALID_ARGUMENT',
      `${flag} ${shorten(wanted)}: several columns have this name; choose one by its number, ${columns.flatMap((name, index) => (name === wanted ? [index + 1] : [])).join(' or ')}.`,
    );
  }
  const number = /^[1-9][0-9]{0,8}$/.test(wanted) ? Number(wanted) : 0;
  if (number >= 1 && number <= columns.length) return number - 1;
  const known = columns.slice(0, 12).map((name) => shorten(name, 30));
  throw new SteleError(
    'INVALID_ARGUMENT',
    `${flag} ${shorten(wanted)}: there is no such column; the columns are ${known.join(', ')}${columns.length > 12 ? ', ...' : ''}.`,
  );
}
