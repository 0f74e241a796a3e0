// The first lines of a jsonl input: whether what --key and --value name is there at all. A wrong name
// would otherwise be told once for every line.

import { SteleError } from '../base/errors.ts';
import { shorten } from '../base/ids.ts';
import { NEWLINE, jsonlDialect } from './dialect.ts';
import type { Dialect, DialectChoice } from './dialect.ts';
import { hasMember, pathText } from './member-path.ts';
import type { MemberPath } from './member-path.ts';

const SAMPLE_LINES = 20;
const NAMES_SHOWN_MAX = 12;

/**
 * The dialect of the input of which `head[start ..)` is the first part; `isWhole` says that there is no
 * more. Throws INVALID_ARGUMENT or INPUT_INVALID, with the names there are, where none of the first lines
 * has the wanted member.
 */
export function readJsonlDialect(
  head: Buffer,
  start: number,
  isWhole: boolean,
  choice: DialectChoice,
): Dialect {
  const dialect = jsonlDialect(choice);
  const { key, value } = dialect.members ?? { key: undefined, value: undefined };
  const lines = sampleLines(head, start, isWhole);
  if (lines.length === 0) return dialect;
  if (key !== undefined) refuseMissing(lines, key, '--key');
  else if (!lines.some(hasDefaultKey)) throw noDefaultKey(lines);
  if (value !== undefined) refuseMissing(lines, value, '--value');
  return dialect;
}

/** Those of the first lines that are JSON objects; the others are rejected with their offset later. */
function sampleLines(head: Buffer, start: number, isWhole: boolean): object[] {
  const lines: object[] = [];
  for (let at = start; at < head.length && lines.length < SAMPLE_LINES;) {
    const newline = head.indexOf(NEWLINE, at);
    if (newline < 0 && !isWhole) break;
    const end = newline < 0 ? head.length : newline;
    const line = parsed(head.toString('utf8', at, end));
    if (typeof line === 'object' && line !== null && !Array.isArray(line)) lines.push(line);
    at = end + 1;
  }
  return lines;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function hasDefaultKey(line: object): boolean {
  return Object.hasOwn(line, 'key') || Object.hasOwn(line, 'key_base64');
}

function refuseMissing(lines: readonly object[], path: MemberPath, flag: string): void {
  if (lines.some((line) => hasMember(line, path))) return;
  const dotted = path.join('.');
  const isOneName = path.length > 1 && lines.some((line) => Object.hasOwn(line, dotted));
  const hint = isOneName ? ` For the member whose name has a dot write ${flag} /${dotted}.` : '';
  throw new SteleError(
    'INVALID_ARGUMENT',
    `${flag} ${shorten(pathText(path))}: there is no such member in ${firstLines(lines)}.${hint}`,
  );
}

function noDefaultKey(lines: readonly object[]): SteleError {
  return new SteleError(
    'INPUT_INVALID',
    `There is no member key in ${firstLines(lines)}; name the one that is the key with --key.`,
  );
}

function firstLines(lines: readonly object[]): string {
  const names = [...new Set(lines.flatMap((line) => Object.keys(line)))];
  const shown = names.slice(0, NAMES_SHOWN_MAX).map((name) => shorten(name, 30));
  const more = names.length > shown.length ? ', ...' : '';
  const which = lines.length === 1 ? 'the first line' : `the first ${lines.length} lines`;
  return `${which}, which ${lines.length === 1 ? 'has' : 'have'} ${shown.join(', ')}${more}`;
}
