// Decodes JSON strings and base64 in place: the result is never longer. Also encodes text as JSON
// strings into a growable buffer, for columns that become members of an object.
//
// Hot loops: plain functions over numbers and bytes; nothing is allocated.

import { appendByte, appendBytes } from '../../bytes/growable-buffer.ts';
import type { GrowableBuffer } from '../../bytes/growable-buffer.ts';
import { QUOTE } from '../../input/dialect.ts';
import { BACKSLASH, faultAt, hexValue } from './json-scan.ts';
import type { JsonScanner } from './json-scan.ts';
import { broadcastByte, findByte, findStringSpecial } from '../../bytes/word-scan.ts';

const BACKSLASHES = broadcastByte(BACKSLASH);
const LETTER_U = 0x75;
const EQUALS = 0x3d;

/** The byte for the character after a backslash; `"`, `\` and `/` stand for themselves. */
const ESCAPED = new Uint8Array(256).map((_, byte) => byte);
for (const [letter, byte] of ['b\b', 'f\f', 'n\n', 'r\r', 't\t']) {
  ESCAPED[(letter as string).charCodeAt(0)] = (byte as string).charCodeAt(0);
}

/** The reverse: the letter after the backslash, 0 if the byte needs `\u00XX`. */
const LETTERS = new Uint8Array(256);
for (const letter of Buffer.from('"\\bfnrt')) LETTERS[ESCAPED[letter] as number] = letter;
const HEX_DIGITS = Buffer.from('0123456789abcdef');

/** Both alphabets of RFC 4648; 255 for bytes in neither. */
const BASE64 = new Uint8Array(256).fill(255);
for (const alphabet of ['+/', '-_']) {
  const digits = `ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789${alphabet}`;
  for (let value = 0; value < 64; value++) BASE64[digits.charCodeAt(value)] = value;
}

/**
 * Decodes the content `[start, end)` of a valid string, without its quotes, to UTF-8. Returns the
 * new end; -1, and the fault, for half of a surrogate pair, which has no UTF-8 encoding.
 */
export function unescapeString(scanner: JsonScanner, start: number, end: number): number {
  const { bytes, view } = scanner;
  let from = findByte(view, start, end, BACKSLASHES);
  let to = from;
  while (from < end) {
    const byte = bytes[from] as number;
    if (byte !== BACKSLASH) {
      bytes[to++] = byte;
      from++;
    } else if (bytes[from + 1] !== LETTER_U) {
      bytes[to++] = ESCAPED[bytes[from + 1] as number] as number;
      from += 2;
    } else {
      const code = codePointAt(bytes, from, end);
      if (code < 0) return faultAt(scanner, from, 'half of a surrogate pair');
      to = writeUtf8(bytes, to, code);
      from += code > 0xffff ? 12 : 6;
    }
  }
  return to;
}

/**
 * The code point of the escape `\uXXXX` at `at`, or of the pair that begins there; -1 for half a
 * pair.
 */
function codePointAt(bytes: Uint8Array, at: number, end: number): number {
  const unit = hexValue(bytes, at + 2, end);
  if (unit < 0xd800 || unit > 0xdfff) return unit;
  if (unit > 0xdbff || bytes[at + 6] !== BACKSLASH || bytes[at + 7] !== LETTER_U) return -1;
  const low = hexValue(bytes, at + 8, end);
  if (low < 0xdc00 || low > 0xdfff) return -1;
  return 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
}

function writeUtf8(bytes: Uint8Array, at: number, code: number): number {
  if (code < 0x80) {
    bytes[at++] = code;
    return at;
  }
  if (code < 0x800) {
    bytes[at++] = 0xc0 | (code >> 6);
  } else {
    if (code < 0x10000) {
      bytes[at++] = 0xe0 | (code >> 12);
    } else {
      bytes[at++] = 0xf0 | (code >> 18);
      bytes[at++] = 0x80 | ((code >> 12) & 0x3f);
    }
    bytes[at++] = 0x80 | ((code >> 6) & 0x3f);
  }
  bytes[at++] = 0x80 | (code & 0x3f);
  return at;
}

/**
 * Decodes base64 (RFC 4648, either alphabet, with or without padding) in place. Returns the new
 * end; -1 for malformed input, including non-zero bits after the last byte.
 */
export function decodeBase64(bytes: Uint8Array, start: number, end: number): number {
  const digitsEnd = withoutPadding(bytes, start, end);
  if (digitsEnd < 0) return -1;
  let to = start;
  let bits = 0;
  let bitCount = 0;
  for (let from = start; from < digitsEnd; from++) {
    const value = BASE64[bytes[from] as number] as number;
    if (value === 255) return -1;
    bits = ((bits << 6) | value) & 0xffff;
    bitCount += 6;
    if (bitCount < 8) continue;
    bitCount -= 8;
    bytes[to++] = bits >> bitCount;
  }
  return (bits & ((1 << bitCount) - 1)) === 0 ? to : -1;
}

function withoutPadding(bytes: Uint8Array, start: number, end: number): number {
  const isFull = (end - start) % 4 === 0;
  if (isFull && end > start && bytes[end - 1] === EQUALS) {
    return bytes[end - 2] === EQUALS ? end - 2 : end - 1;
  }
  return (end - start) % 4 === 1 ? -1 : end;
}

/** Appends the UTF-8 text `bytes[start, end)` as JSON.stringify would write it. */
export function appendJsonString(
  buffer: GrowableBuffer,
  bytes: Uint8Array,
  view: DataView,
  start: number,
  end: number,
): void {
  appendByte(buffer, QUOTE);
  for (let from = start; ; from++) {
    const plainFrom = from;
    from = findStringSpecial(view, from, end);
    appendBytes(buffer, bytes, plainFrom, from);
    if (from === end) break;
    appendEscape(buffer, bytes[from] as number);
  }
  appendByte(buffer, QUOTE);
}

function appendEscape(buffer: GrowableBuffer, byte: number): void {
  const letter = LETTERS[byte] as number;
  appendByte(buffer, BACKSLASH);
  appendByte(buffer, letter === 0 ? LETTER_U : letter);
  if (letter !== 0) return;
  appendByte(buffer, HEX_DIGITS[0] as number);
  appendByte(buffer, HEX_DIGITS[0] as number);
  appendByte(buffer, HEX_DIGITS[byte >> 4] as number);
  appendByte(buffer, HEX_DIGITS[byte & 15] as number);
}
