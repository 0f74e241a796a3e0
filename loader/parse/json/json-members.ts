// Finds key and value in one line of JSON. Reads the object once, validates all of it, and records
// the members at the wanted paths.
//
//     targets   0 key   1 key_base64   2 value   3 value_base64      each with a path of names
//     slot 4    the last of the other members, and their number
//
// A bit per target tells whether its path still matches at this depth:
//
//     --key user.id     {"a":1,"user":{"name":"x","id":7}}
//                        -----  ====  ------      ====  target 0 is found: the text 7
//
// Hot loop: plain functions over numbers and bytes; nothing is allocated for plain names.

import { COMMA, QUOTE } from '../../input/dialect.ts';
import { BRACE_CLOSE, BRACE_OPEN } from './json-scan.ts';
import { byteAt, faultAt, newJsonScanner, skipColon, skipSpace } from './json-scan.ts';
import { skipString, skipValue } from './json-scan.ts';
import type { JsonScanner } from './json-scan.ts';
import { pathText } from '../../input/member-path.ts';
import type { MemberPath, MemberPaths } from '../../input/member-path.ts';

export const KEY = 0;
export const KEY_BASE64 = 1;
export const VALUE = 2;
export const VALUE_BASE64 = 3;
export const OTHER = 4;
const TARGETS = 4;

/** The state of one reader, reused for every line. */
export interface JsonLine {
  readonly scanner: JsonScanner;
  /** Per target, its names as bytes; empty for an unused target. */
  readonly paths: readonly (readonly Buffer[])[];
  /** For messages: the missing member if there is no key, or no value. */
  readonly keyName: string;
  readonly valueName: string;
  /** Per depth, the targets whose path has its last name there. */
  readonly leaves: Uint8Array;
  /** Per depth, the targets whose name has occurred there in this line. */
  readonly seen: Uint8Array;
  /** Targets that are found, as bits; `start`, `end` and `hasEscapes` of each, and of OTHER. */
  found: number;
  readonly start: Uint32Array;
  readonly end: Uint32Array;
  readonly hasEscapes: Uint8Array;
  otherCount: number;
  /** Without --value: if there is no value by name, it consists of the other members. */
  readonly takesOthers: boolean;
  /** Whether the rows of the present chunk are in the growable buffer. */
  usesAssembled: boolean;
}

const DEFAULTS: readonly MemberPath[] = [['key'], ['key_base64'], ['value'], ['value_base64']];

export function newJsonLine({ key, value }: MemberPaths): JsonLine {
  const paths = DEFAULTS.map((path, target) => {
    const chosen = target < VALUE ? key : value;
    if (chosen !== undefined) return target === KEY || target === VALUE ? chosen : [];
    // A member that was named as the key is not the value as well, unless named as both.
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
    usesAssembled: false,
  };
}

/** Whether the target was found in the last line. */
export function isFound(line: JsonLine, target: number): boolean {
  return (line.found & (1 << target)) !== 0;
}

/** Reads the object whose brace is at `at`. Returns the offset after it; -1, and the fault. */
export function readMembers(line: JsonLine, at: number): number {
  line.found = 0;
  line.otherCount = 0;
  line.seen.fill(0);
  return readObject(line, at, 0, (1 << TARGETS) - 1);
}

/** Recurses at most as deep as the longest path; `skipValue` skips all other members. */
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
      return faultAt(scanner, name, 'the member that is the key or the value occurs twice');
    }
    if (depth === 0 && (named & leaves) === 0) noteOther(line, value, valueEnd);
    next = skipSpace(scanner, valueEnd);
    const byte = byteAt(scanner, next);
    if (byte === BRACE_CLOSE) return next + 1;
    if (byte !== COMMA) return faultAt(scanner, next, 'a comma or } is expected');
    next = skipSpace(scanner, next + 1);
  }
}

/** The `active` targets whose name at this depth is the string `[at, end)`, as bits. */
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

/** Names with escapes are rare, so allocating them is acceptable. */
function unescapedName(scanner: JsonScanner, at: number, end: number): Buffer {
  const text = Buffer.from(scanner.bytes.subarray(at, end)).toString('utf8');
  return Buffer.from(JSON.parse(text) as string, 'utf8');
}

/** Records a member on the path of some targets. Returns false if it occurred before. */
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

/** `hasEscapes` is meaningful for strings only: a string was then the last value read. */
function noteSlot(line: JsonLine, slot: number, value: number, end: number): void {
  line.start[slot] = value;
  line.end[slot] = end;
  line.hasEscapes[slot] = line.scanner.hasEscapes ? 1 : 0;
}
