// Reads the first lines of a jsonl input: checks that the members named by --key and --value exist
// (a wrong name would otherwise reject every line), and finds members that are not stored.

import { SteleError } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';
import { NEWLINE, jsonlDialect } from '../input/dialect.ts';
import type { Dialect, DialectChoice } from '../input/dialect.ts';
import { hasMember, pathText } from '../input/member-path.ts';
import type { MemberPath } from '../input/member-path.ts';

const SAMPLE_LINES = 200;
const NAMES_SHOWN_MAX = 12;

export interface JsonlHead {
  readonly dialect: Dialect;
  /** Members that are not stored, because their line has a value by name. */
  readonly dropped: readonly string[];
}

/**
 * The dialect of the input that begins with `head[start ..)`; `isWhole` says that this is all of
 * it. Throws INVALID_ARGUMENT or INPUT_INVALID, listing the members there are, if none of the first
 * lines has the wanted one.
 */
export function readJsonlDialect(
  head: Buffer,
  start: number,
  isWhole: boolean,
  choice: DialectChoice,
): JsonlHead {
  const dialect = jsonlDialect(choice);
  const { key, value } = dialect.members ?? { key: undefined, value: undefined };
  const lines = sampleLines(head, start, isWhole);
  if (lines.length === 0) return { dialect, dropped: [] };
  if (key !== undefined) refuseMissing(lines, key, '--key');
  else if (!lines.some(hasDefaultKey)) throw noDefaultKey(lines);
  if (value !== undefined) refuseMissing(lines, value, '--value');
  return { dialect, dropped: value === undefined ? droppedMembers(lines, key) : [] };
}

/** The other members of lines that have a value by name. */
function droppedMembers(lines: readonly object[], key: MemberPath | undefined): string[] {
  const names = new Set<string>();
  for (const line of lines) {
    const all = Object.keys(line);
    const value = ['value', 'value_base64'].find(
      (name) => all.includes(name) && !(key?.length === 1 && key[0] === name),
    );
    if (value === undefined) continue;
    const keys = key === undefined ? ['key', 'key_base64'] : key.slice(0, 1);
    for (const name of all) if (name !== value && !keys.includes(name)) names.add(name);
  }
  return [...names];
}

/** Throws UNSUPPORTED for JSON that is not one object per line. */
export function refuseJsonArray(head: Buffer, start: number, name: string): void {
  const text = head.toString('utf8', start, start + 64 * 1024).trimStart();
  if (text.startsWith('[')) {
    throw new SteleError(
      'UNSUPPORTED',
      `${name} is a JSON array, and jsonl is one object a line; convert it (jq -c '.[]' <file) first.`,
    );
  }
  const [firstLine = ''] = text.split('\n', 1);
  if (!/^\{\s*$/.test(firstLine) || firstLine === text) return;
  throw new SteleError(
    'UNSUPPORTED',
    `${name} has JSON objects over several lines, and jsonl is one object a line; convert it (jq -c . <file) first.`,
  );
}

/** The first lines that are JSON objects. The others are rejected later, with their offsets. */
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
