// One line of JSON -> where its key and its value are. Reads the object once, checks all of it, and
// notes the members that the paths lead to.
//
//     targets   0 key   1 key_base64   2 value   3 value_base64      each with a path of names
//     slot 4    the last of the other members, and how many of them there are
//
// A bit for each target says whether its path still leads on at this depth:
//
//     --key user.id     {"a":1,"user":{"name":"x","id":7}}
//                        -----  ====  ------      ====  target 0 is found: the text 7
//
// Hot loop: plain functions over numbers and bytes; nothing is allocated for plain names.

import { BRACE_CLOSE, BRACE_OPEN, COMMA, QUOTE } from './json-scan.ts';
import { byteAt, faultAt, newJsonScanner, skipColon, skipSpace } from './json-scan.ts';
import { skipString, skipValue } from './json-scan.ts';
import type { JsonScanner } from './json-scan.ts';
import { pathText } from '../input/member-path.ts';
import type { MemberPath, MemberPaths } from '../input/member-path.ts';

export const KEY = 0;
export const KEY_BASE64 = 1;
export const VALUE = 2;
export const VALUE_BASE64 = 3;
export const OTHER = 4;
const TARGETS = 4;

/** The state of one reader, used again for every line. */
export interface JsonLine {
  readonly scanner: JsonScanner;
  /** Per target, its names as bytes; empty for a target that nothing leads to. */
  readonly paths: readonly (readonly Buffer[])[];
  /** For people: what is missing where there is no key, or no value. */
  readonly keyName: string;
  readonly valueName: string;
  /** Per depth, the targets whose path has its last name there. */
  readonly leaves: Uint8Array;
  /** Per depth, the targets whose name has been there in this line. */
  readonly seen: Uint8Array;
  /** Targets that are found, as bits; `start`, `end` and `hasEscapes` of each, and of OTHER. */
  found: number;
  readonly start: Uint32Array;
  readonly end: Uint32Array;
  readonly hasEscapes: Uint8Array;
  otherCount: number;
  /** Without --value: where there is no value by name, the other members are it. */
  readonly takesOthers: boolean;
  /** Whether the rows of the present chunk are in the arena. */
  usesArena: boolean;
}

const DEFAULTS: readonly MemberPath[] = [['key'], ['key_base64'], ['value'], ['value_base64']];

export function newJsonLine({ key, value }: MemberPaths): JsonLine {
  const paths = DEFAULTS.map((path, target) => {
    const chosen = target < VALUE ? key : value;
    if (chosen !== undefined) return target === KEY || target === VALUE ? chosen : [];
    // A member that was named as the key is not the value as well, unless that was said.
    return target >= VALUE && key?.length === 1 && key[0] === path[0] ? [] : path;
  });
  const depth = Math.max(...paths.map((path) => path.length));
  const leaves = new Uint8Array(depth);
  for (const [target, { length }] of paths.entries()) {
    if (length > 0) leaves[length - 1] = (leaves[length - 1] as number) | (1 << target);
  }
  return {
    scanner: newJsonScanner(),
    paths: paths.map((path) => path.map((name) => Buffer.from(name, 'utf8'))),
    keyName: pathText(key ?? ['key']),
    valueName: pathText(value ?? ['value']),
    leaves,
    seen: new Uint8Array(depth),
    found: 0,
    start: new Uint32Array(TARGETS + 1),
    end: new Uint32Array(TARGETS + 1),
    hasEscapes: new Uint8Array(TARGETS + 1),
    otherCount: 0,
    takesOthers: value === undefined,
    usesArena: false,
  };
}

/** Whether the target was found in the line that was read last. */
export function isFound(line: JsonLine, target: number): boolean {
  return (line.found & (1 << target)) !== 0;
}

/** Reads the object whose brace is at `at`. Returns the offset behind it; -1, and the fault. */
export function readMembers(line: JsonLine, at: number): number {
  line.found = 0;
  line.otherCount = 0;
  line.seen.fill(0);
  return readObject(line, at, 0, (1 << TARGETS) - 1);
}

/** At most as deep as the longest path; what no path leads to is passed over by `skipValue`. */
function readObject(line: JsonLine, at: number, depth: number, active: number): number {
  const { scanner } = line;
  const leaves = line.leaves[depth] as number;
  let next = skipSpace(scanner, at + 1);
  if (byteAt(scanner, next) === BRACE_CLOSE) return next + 1;
  for (;;) {
    const name = next;
    if (byteAt(scanner, name) !== QUOTE)
      return faultAt(scanner, name, 'a name in quotes is expected');
    const nameEnd = skipString(scanner, name);
    if (nameEnd < 0) return -1;
    const named = targetsNamed(line, name, nameEnd, depth, active);
    const value = skipColon(scanner, nameEnd);
    if (value < 0) return -1;
    const isInner = (named & ~leaves) !== 0 && byteAt(scanner, value) === BRACE_OPEN;
    const valueEnd = isInner
      ? readObject(line, value, depth + 1, named & ~leaves)
      : skipValue(scanner, value);
    if (valueEnd < 0) return -1;
    if (named !== 0 && !noteNamed(line, depth, named, value, valueEnd)) {
      return faultAt(scanner, name, 'the member that is the key or the value comes twice');
    }
    if (depth === 0 && (named & leaves) === 0) noteOther(line, value, valueEnd);
    next = skipSpace(scanner, valueEnd);
    const byte = byteAt(scanner, next);
    if (byte === BRACE_CLOSE) return next + 1;
    if (byte !== COMMA) return faultAt(scanner, next, 'a comma or } is expected');
    next = skipSpace(scanner, next + 1);
  }
}

/** Those of the `active` targets whose name at this depth is the string `[at, end)`, as bits. */
function targetsNamed(
  line: JsonLine,
  at: number,
  end: number,
  depth: number,
  active: number,
): number {
  const { paths, scanner } = line;
  const unescaped = scanner.hasEscapes ? unescapedName(scanner, at, end) : undefined;
  let named = 0;
  for (let target = 0; target < TARGETS; target++) {
    const wanted = paths[target]?.[depth];
    if (wanted === undefined || (active & (1 << target)) === 0) continue;
    const isName =
      unescaped === undefined
        ? isSame(wanted, scanner.bytes, at + 1, end - 1)
        : isSame(wanted, unescaped, 0, unescaped.length);
    if (isName) named |= 1 << target;
  }
  return named;
}

function isSame(wanted: Buffer, bytes: Uint8Array, start: number, end: number): boolean {
  if (wanted.length !== end - start) return false;
  for (let index = 0; index < wanted.length; index++) {
    if (wanted[index] !== bytes[start + index]) return false;
  }
  return true;
}

/** Names with escapes are rare enough to be made. */
function unescapedName(scanner: JsonScanner, at: number, end: number): Buffer {
  const text = Buffer.from(scanner.bytes.subarray(at, end)).toString('utf8');
  return Buffer.from(JSON.parse(text) as string, 'utf8');
}

/** Notes a member on the path of some targets. False if it was there before. */
function noteNamed(
  line: JsonLine,
  depth: number,
  named: number,
  value: number,
  end: number,
): boolean {
  if (((line.seen[depth] as number) & named) !== 0) return false;
  line.seen[depth] = (line.seen[depth] as number) | named;
  const leaves = named & (line.leaves[depth] as number);
  line.found |= leaves;
  for (let target = 0; target < TARGETS; target++) {
    if ((leaves & (1 << target)) !== 0) noteSlot(line, target, value, end);
  }
  return true;
}

function noteOther(line: JsonLine, value: number, end: number): void {
  line.otherCount++;
  noteSlot(line, OTHER, value, end);
}

/** `hasEscapes` means something for strings alone: then theirs was the last to be read. */
function noteSlot(line: JsonLine, slot: number, value: number, end: number): void {
  line.start[slot] = value;
  line.end[slot] = end;
  line.hasEscapes[slot] = line.scanner.hasEscapes ? 1 : 0;
}
