// Checks that a file whose ending stands for `line` holds lines, and that a file of another ending
// does not hold JSON. Only for --format auto: a named format is not questioned.
//
//     sku-1\tred shoes     .txt   tsv, if all lines have as many tabs, the first before any space
//     sku-1;red shoes      .txt   refused: csv as well as lines
//     {"id":1}             .txt, .csv, .tsv   refused: --format jsonl

import { SteleError } from '../../base/errors.ts';
import { NEWLINE } from '../input/dialect.ts';
import type { LoadFormat } from '../input/formats.ts';

const LINES_MAX = 200;
const BYTES_MAX = 64 * 1024;
const DIVIDERS = [
  [',', ','],
  [';', ';'],
  ['|', '|'],
] as const;

/**
 * The format by ending, or tsv by content. `name` names the file in errors. Throws INPUT_AMBIGUOUS.
 */
export function formatByContent(
  head: Buffer,
  start: number,
  format: LoadFormat,
  isTxt: boolean,
  name: string,
): LoadFormat {
  const lines = firstLines(head, start);
  const [first = ''] = lines;
  if (format !== 'jsonl' && isJsonObject(first)) {
    throw ask(
      `${name} looks like JSON Lines: say --format jsonl, or --format ${format} if its lines are to be read as they are.`,
    );
  }
  if (format !== 'line' || lines.length === 0) return format;
  const tabs = lines.map((line) => line.split('\t').length - 1);
  const hasTabKeys = lines.every((line) => comesFirst(line, '\t'));
  if (hasTabKeys && tabs.every((count) => count === tabs[0])) return 'tsv';
  if (hasTabKeys) {
    throw ask(
      `${name} has a tab before the first space in every line: say --format tsv, or --format line if the tab belongs to the key.`,
    );
  }
  if (isTxt) refuseTables(lines, tabs, name);
  if (lines.every((line) => !line.includes(' '))) throw noSpace(lines, name);
  if (/^#($|[ !])/.test(first)) {
    throw ask(
      `The first line of ${name} looks like a comment: say --comment '#', or --format line if '#' is a key.`,
    );
  }
  return 'line';
}

/** Throws INPUT_AMBIGUOUS for a .txt file that may be a table: all lines have as many dividers. */
function refuseTables(lines: readonly string[], tabs: readonly number[], name: string): void {
  const [first = 0] = tabs;
  if (first > 0 && tabs.every((count) => count === first)) {
    throw ask(
      `${name} has columns between tabs, or lines with a tab in the value: say --format tsv or --format line.`,
    );
  }
  for (const [divider, text] of DIVIDERS) {
    const counts = lines.map((line) => line.split(divider).length);
    const isTable =
      lines.every((line) => comesFirst(line, divider)) &&
      counts.every((count) => count === counts[0]);
    if (!isTable) continue;
    throw ask(
      `${name} has columns between '${text}', or lines with a '${text}' in the key: say --format csv or --format line.`,
    );
  }
}

/** Whether the line has the divider, and before any space. */
function comesFirst(line: string, divider: string): boolean {
  const at = line.indexOf(divider);
  const space = line.indexOf(' ');
  return at >= 0 && (space < 0 || at < space);
}

function noSpace(lines: readonly string[], name: string): SteleError {
  const divider = DIVIDERS.find(([character]) => lines.every((line) => line.includes(character)));
  const hint =
    divider === undefined
      ? 'name the format with --format csv, tsv or jsonl'
      : `if it is csv with '${divider[1]}', say --format csv`;
  return ask(`${name} has no space in its lines, so there is no telling key from value; ${hint}.`);
}

/** The first lines, without line ends, blank lines, and a last line that may be cut off. */
function firstLines(head: Buffer, start: number): string[] {
  const part = head.subarray(start, start + BYTES_MAX);
  const isWhole = start + part.length === head.length && part.length < BYTES_MAX;
  const end = isWhole ? part.length : part.lastIndexOf(NEWLINE) + 1;
  const lines = part.toString('latin1', 0, end).split(/\r?\n/, LINES_MAX);
  return lines.filter((line) => line !== '');
}

function isJsonObject(line: string): boolean {
  if (!line.startsWith('{')) return false;
  try {
    return typeof JSON.parse(line) === 'object';
  } catch {
    return false;
  }
}

function ask(text: string): SteleError {
  return new SteleError('INPUT_AMBIGUOUS', text);
}
