// Describes the detected dialects for people and programs: in every summary of a load, in
// `--dry-run` and `--sample`, and at the master with the load and the version.
//
//     csv, delimiter ';', with a header: key sku, value price
//     3 files: tsv, a header in 1 of them: key id, value all others, as JSON
//     jsonl: key id, value `value`, or all others; not stored: segment
//     2 files: csv, delimiter ',', with a header: key "2" (column 5), value price; 1 file: jsonl: key /user.id, ...

import { shorten } from '../../base/ids.ts';
import { delimiterText } from './delimiter.ts';
import type { Dialect } from '../input/dialect.ts';
import type { InputFile } from '../input/inputs.ts';
import { pathText } from '../input/member-path.ts';

/** How the inputs of one format are read. */
export interface FoundDialect {
  /** The whole dialect for people, on one line. */
  readonly text: string;
  readonly format: string;
  readonly files: number;
  /** One character; '' for formats without columns. */
  readonly delimiter: string;
  readonly encoding: 'utf-8' | 'utf-16' | 'other' | 'mixed';
  /** The line end of the first line of each file. */
  readonly lineEnd: 'lf' | 'crlf' | 'none' | 'mixed';
  readonly hasHeader: boolean;
  readonly filesWithHeader: number;
  readonly columnCount: number;
  /** The first names, at most COLUMNS_MAX of them; empty for formats without columns. */
  readonly columns: readonly string[];
  /**
   * The column's name, or the member as --key names it; undefined for formats without columns and
   * members.
   */
  readonly key: string | undefined;
  /** The same for the value, or `all others, as JSON`. */
  readonly value: string | undefined;
  readonly comment: string;
  readonly skipLines: number;
  readonly trim: boolean;
  /** Members of jsonl that are not stored, because their line has a value by name. */
  readonly droppedMembers: readonly string[];
}

const COLUMNS_MAX = 1000;
const TEXT_CHARACTERS_MAX = 500;
const NAME_CHARACTERS_MAX = 60;
const MEMBERS_TOLD_MAX = 5;

/** One description for each format, in the order of the inputs. */
export function dialectsOf(inputs: readonly InputFile[]): FoundDialect[] {
  const formats = [...new Set(inputs.map(({ dialect }) => dialect.format))];
  return formats.map((format) =>
    foundIn(
      inputs.filter(({ dialect }) => dialect.format === format),
      formats.length > 1,
    ),
  );
}

function foundIn(inputs: readonly InputFile[], isOneOfSeveral: boolean): FoundDialect {
  const { dialect } = inputs[0] as InputFile;
  const { comment, delimiter, folderColumns = [], format, skipLines, trims } = dialect;
  const columns = [...dialect.columns, ...folderColumns];
  const filesWithHeader = inputs.filter((input) => input.dialect.hasHeader).length;
  const found = {
    format,
    files: inputs.length,
    delimiter: columns.length === 0 || delimiter === 0 ? '' : String.fromCharCode(delimiter),
    encoding: common(
      inputs.map(({ text }) => text?.encoding ?? 'utf-8'),
      'utf-8',
    ),
    lineEnd: common(
      inputs.map(({ text }) => text?.lineEnd ?? 'none').filter((end) => end !== 'none'),
      'none',
    ),
    hasHeader: filesWithHeader > 0,
    filesWithHeader,
    columnCount: columns.length,
    columns: columns.slice(0, COLUMNS_MAX),
    ...keyAndValue(dialect),
    comment,
    skipLines,
    trim: trims,
    droppedMembers: [...new Set(inputs.flatMap(({ droppedMembers = [] }) => droppedMembers))],
  };
  const names = namesIn(dialect, found);
  return {
    text: `${countText(inputs.length, isOneOfSeveral)}${dialectText(found, names)}`,
    ...found,
  };
}

/** The name that all have, or 'mixed'; `fallback` if there are none. */
function common<Name extends string>(names: readonly Name[], fallback: Name): Name | 'mixed' {
  const [first = fallback] = names;
  return names.every((name) => name === first) ? first : 'mixed';
}

function keyAndValue(dialect: Dialect) {
  const { folderColumns = [], keyColumn, members, valueColumn } = dialect;
  const columns = [...dialect.columns, ...folderColumns];
  if (members !== undefined) {
    return {
      key: members.key === undefined ? 'key' : pathText(members.key),
      value: members.value === undefined ? 'value, or all others' : pathText(members.value),
    };
  }
  const key = columns[keyColumn];
  return {
    key,
    value: key === undefined ? undefined : (columns[valueColumn] ?? 'all others, as JSON'),
  };
}

/** `3 files: `; also `1 file: ` if the format is one of several. */
function countText(files: number, isOneOfSeveral: boolean): string {
  if (files === 1) return isOneOfSeveral ? '1 file: ' : '';
  return `${files} files: `;
}

/**
 * Key and value for people. A name that is a number is shown with its column, as --key takes both.
 */
function namesIn(dialect: Dialect, { key, value }: Found): string {
  const { folderColumns = [], keyColumn, valueColumn } = dialect;
  const columns = [...dialect.columns, ...folderColumns];
  const shown = (name: string | undefined, column: number): string => {
    const text = shorten(name ?? '', NAME_CHARACTERS_MAX);
    return columns[column] === name && /^\d+$/.test(text)
      ? `"${text}" (column ${column + 1})`
      : text;
  };
  return `key ${shown(key, keyColumn)}, value ${shown(value, valueColumn)}`;
}

/** All descriptions on one line, without a line end. */
export function inputText(found: readonly FoundDialect[]): string {
  return shorten(found.map(({ text }) => text).join('; '), TEXT_CHARACTERS_MAX);
}

type Found = Omit<FoundDialect, 'text'>;

function dialectText(found: Found, names: string): string {
  const { format, key } = found;
  const how = [format, ...detailsOf(found)].join(', ');
  const rest = leftOutOf(found);
  if (key === undefined) return `${how}: key up to the first space, value after it${rest}`;
  return `${how}: ${names}${rest}`;
}

function detailsOf(found: Found): string[] {
  const { delimiter, encoding, files, filesWithHeader, format, lineEnd, trim } = found;
  const details: string[] = [];
  const isTable = delimiter !== '';
  if (isTable && (format === 'csv' || delimiter !== '\t')) {
    details.push(`delimiter ${delimiterText(delimiter.charCodeAt(0))}`);
  }
  if (encoding === 'utf-16') details.push('UTF-16 read as UTF-8');
  if (encoding === 'other') details.push('bytes that are not UTF-8');
  if (encoding === 'mixed') details.push('of several encodings');
  if (isTable && lineEnd === 'crlf') details.push('lines end in \\r\\n');
  if (trim) details.push('trimmed');
  if (!isTable) return details;
  const isPart = filesWithHeader > 0 && filesWithHeader < files;
  const header = filesWithHeader > 0 ? 'with a header' : 'without a header';
  details.push(isPart ? `a header in ${filesWithHeader} of them` : header);
  return details;
}

function leftOutOf({ comment, droppedMembers, skipLines }: Found): string {
  const left: string[] = [];
  if (skipLines > 0) left.push(`the first ${skipLines === 1 ? 'line' : `${skipLines} lines`}`);
  if (comment !== '') left.push(`lines that begin with ${shorten(comment, 20)}`);
  const members = droppedMembers.slice(0, MEMBERS_TOLD_MAX).map((name) => shorten(name, 30));
  if (droppedMembers.length > members.length) members.push('...');
  if (members.length > 0) left.push(`other members (${members.join(', ')})`);
  return left.length === 0 ? '' : `; not stored: ${left.join(', ')}`;
}
