// Scans and validates JSON texts (RFC 8259) by bytes: finds where a string, a number or a nested
// value ends. Nothing is decoded and nothing is allocated; a value keeps its text.
//
// A scanner works on one line, `[.., end)` of `bytes`. Each function takes the offset of a token
// and returns the offset after it, or -1 if it is not JSON; `fault` and `faultAt` then have the
// reason and the place. As strict as JSON.parse (a property test), and with a limit on nesting.
//
// Hot loops: plain functions over numbers and bytes; nothing is allocated.

import { findStringSpecial } from '../../bytes/word-scan.ts';
import { COMMA, QUOTE } from '../../input/dialect.ts';

export const BRACE_OPEN = 0x7b;
export const BRACE_CLOSE = 0x7d;
export const BRACKET_OPEN = 0x5b;
const BRACKET_CLOSE = 0x5d;
export const COLON = 0x3a;
export const BACKSLASH = 0x5c;
const MINUS = 0x2d;
const PLUS = 0x2b;
const DOT = 0x2e;
const ZERO = 0x30;
const LETTER_E = 0x65;
const LETTER_U = 0x75;

/** Nesting depth of arrays and objects. */
const DEPTH_MAX = 1000;
const LITERALS = ['true', 'false', 'null'].map((text) => Buffer.from(text));
/** The characters that may follow a backslash, except `u`. */
const ESCAPES: ReadonlySet<number> = new Set(Buffer.from('"\\/bfnrt'));

export interface JsonScanner {
  bytes: Uint8Array;
  view: DataView;
  end: number;
  /** Whether the last string read contains a backslash. */
  hasEscapes: boolean;
  fault: string;
  faultAt: number;
  /** The open braces and brackets. */
  readonly open: Uint8Array;
}

export function newJsonScanner(): JsonScanner {
  const bytes = new Uint8Array(0);
  const view = new DataView(bytes.buffer);
  const open = new Uint8Array(DEPTH_MAX);
  return { bytes, view, end: 0, hasEscapes: false, fault: '', faultAt: 0, open };
}

/** Records the fault and returns -1. */
export function faultAt(scanner: JsonScanner, at: number, fault: string): number {
  scanner.fault = fault;
  scanner.faultAt = at;
  return -1;
}

/** The byte at `at`, or -1 after the line's end. */
export function byteAt(scanner: JsonScanner, at: number): number {
  return at < scanner.end ? (scanner.bytes[at] as number) : -1;
}

/** Skips spaces, tabs and `\r`; a line has no `\n`. */
export function skipSpace(scanner: JsonScanner, from: number): number {
  const { bytes, end } = scanner;
  let at = from;
  while (at < end) {
    const byte = bytes[at] as number;
    if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0d) break;
    at++;
  }
  return at;
}

/** Skips the string whose opening quote is at `at`. */
export function skipString(scanner: JsonScanner, at: number): number {
  const { bytes, end, view } = scanner;
  scanner.hasEscapes = false;
  let next = at + 1;
  for (;;) {
    next = findStringSpecial(view, next, end);
    if (next === end) return faultAt(scanner, at, 'a string without an end');
    const byte = bytes[next] as number;
    if (byte === QUOTE) return next + 1;
    if (byte !== BACKSLASH) return faultAt(scanner, next, 'a control character in a string');
    scanner.hasEscapes = true;
    next = skipEscape(scanner, next);
    if (next < 0) return -1;
  }
}

/** Skips the escape whose backslash is at `at`. */
function skipEscape(scanner: JsonScanner, at: number): number {
  const byte = byteAt(scanner, at + 1);
  if (ESCAPES.has(byte)) return at + 2;
  const isHex = byte === LETTER_U && hexValue(scanner.bytes, at + 2, scanner.end) >= 0;
  return isHex ? at + 6 : faultAt(scanner, at, 'not a JSON escape');
}

/** The number of the four hex digits at `at`, or -1. */
export function hexValue(bytes: Uint8Array, at: number, end: number): number {
  if (at + 4 > end) return -1;
  let value = 0;
  for (let index = at; index < at + 4; index++) {
    const digit = hexDigit(bytes[index] as number);
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

function hexDigit(byte: number): number {
  if (isDigit(byte)) return byte - ZERO;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= 0x39;
}

/**
 * Skips the name at `at`, its colon and the space around that. Returns the offset of the member's
 * value.
 */
function skipName(scanner: JsonScanner, at: number): number {
  if (byteAt(scanner, at) !== QUOTE) return faultAt(scanner, at, 'a name in quotes is expected');
  const nameEnd = skipString(scanner, at);
  return nameEnd < 0 ? -1 : skipColon(scanner, nameEnd);
}

export function skipColon(scanner: JsonScanner, nameEnd: number): number {
  const at = skipSpace(scanner, nameEnd);
  if (byteAt(scanner, at) !== COLON) return faultAt(scanner, at, 'a colon is expected');
  return skipSpace(scanner, at + 1);
}

/** Skips any value at `at`. */
export function skipValue(scanner: JsonScanner, at: number): number {
  const byte = byteAt(scanner, at);
  if (byte === QUOTE) return skipString(scanner, at);
  return byte === BRACE_OPEN || byte === BRACKET_OPEN
    ? skipNested(scanner, at)
    : skipWord(scanner, at);
}

/** Skips the object or array at `start` with its content. */
function skipNested(scanner: JsonScanner, start: number): number {
  const { open } = scanner;
  let depth = 0;
  let at = start;
  for (;;) {
    const byte = byteAt(scanner, at);
    if (byte === BRACE_OPEN || byte === BRACKET_OPEN) {
      if (depth === DEPTH_MAX) return faultAt(scanner, at, `nested more than ${DEPTH_MAX} deep`);
      open[depth++] = byte;
      at = skipSpace(scanner, at + 1);
      if (byteAt(scanner, at) !== closerOf(byte)) {
        if (byte === BRACE_OPEN) at = skipName(scanner, at);
        if (at < 0) return -1;
        continue;
      }
    } else {
      at = byte === QUOTE ? skipString(scanner, at) : skipWord(scanner, at);
      if (at < 0) return -1;
      at = skipSpace(scanner, at);
    }
    // `at` is after a value, or at the closer of an empty object or array.
    while (byteAt(scanner, at) === closerOf(open[depth - 1] as number)) {
      depth--;
      if (depth === 0) return at + 1;
      at = skipSpace(scanner, at + 1);
    }
    at = skipComma(scanner, at, open[depth - 1] === BRACE_OPEN);
    if (at < 0) return -1;
  }
}

function closerOf(opener: number): number {
  return opener === BRACE_OPEN ? BRACE_CLOSE : BRACKET_CLOSE;
}

/** Skips the comma at `at`, and the name after it in an object. Returns the next value's offset. */
function skipComma(scanner: JsonScanner, at: number, isObject: boolean): number {
  if (byteAt(scanner, at) !== COMMA) {
    return faultAt(scanner, at, `a comma or ${isObject ? '}' : ']'} is expected`);
  }
  const next = skipSpace(scanner, at + 1);
  return isObject ? skipName(scanner, next) : next;
}

/** Skips a number, `true`, `false` or `null`. */
function skipWord(scanner: JsonScanner, at: number): number {
  const byte = byteAt(scanner, at);
  if (byte === MINUS || isDigit(byte)) return skipNumber(scanner, at);
  for (const literal of LITERALS) {
    let index = 0;
    while (index < literal.length && byteAt(scanner, at + index) === literal[index]) index++;
    if (index === literal.length) return at + index;
  }
  return faultAt(scanner, at, 'a value is expected');
}

/** `-` digits `.` digits `e` `+-` digits, without a leading zero. */
function skipNumber(scanner: JsonScanner, start: number): number {
  let at = byteAt(scanner, start) === MINUS ? start + 1 : start;
  const isZero = byteAt(scanner, at) === ZERO;
  at = isZero ? at + 1 : skipDigits(scanner, at);
  if (at >= 0 && byteAt(scanner, at) === DOT) at = skipDigits(scanner, at + 1);
  if (at >= 0 && (byteAt(scanner, at) | 0x20) === LETTER_E) {
    const sign = byteAt(scanner, at + 1);
    at = skipDigits(scanner, sign === PLUS || sign === MINUS ? at + 2 : at + 1);
  }
  return at;
}

/** Skips one digit or more. */
function skipDigits(scanner: JsonScanner, from: number): number {
  let at = from;
  while (isDigit(byteAt(scanner, at))) at++;
  return at > from ? at : faultAt(scanner, at, 'a digit is expected');
}
