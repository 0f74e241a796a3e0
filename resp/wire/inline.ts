// Inline commands: a line of words as a person types it into telnet, with Redis's quoting.
//
//   word        ends at white space
//   "word"      \n \r \t \b \a \xHH, \ before any other byte gives that byte
//   'word'      only \' is special
//   a"b c"      quotes may open inside a word; after a closing quote white space must follow
//
// The words are unquoted in place, because unquoting never makes a word longer.

import { ProtocolError } from './protocol-error.ts';

const SPACE = 32;
const DOUBLE_QUOTE = 34;
const SINGLE_QUOTE = 39;
const BACKSLASH = 92;
const LETTER_X = 120;

/** Receives the words: `start .. end` in the buffer that is split. */
export interface WordSink {
  addWord(start: number, end: number): void;
}

/** Splits `bytes[from .. to)` into words, rewriting the quoted ones in place. */
export function splitInline(bytes: Buffer, from: number, to: number, sink: WordSink): void {
  let at = skipSpace(bytes, from, to);
  while (at < to) {
    at = skipSpace(bytes, readWord(bytes, at, to, sink), to);
  }
}

function isSpace(byte: number | undefined): boolean {
  return byte === SPACE || (byte !== undefined && byte >= 9 && byte <= 13);
}

function skipSpace(bytes: Buffer, from: number, to: number): number {
  let at = from;
  while (at < to && isSpace(bytes[at])) at++;
  return at;
}

/** Reads one word that starts at `from`; returns the index after it. */
function readWord(bytes: Buffer, from: number, to: number, sink: WordSink): number {
  let write = from;
  let at = from;
  while (at < to && !isSpace(bytes[at])) {
    const byte = bytes[at] as number;
    if (byte !== DOUBLE_QUOTE && byte !== SINGLE_QUOTE) {
      bytes[write++] = byte;
      at++;
      continue;
    }
    const close = closingQuote(bytes, at, to);
    write = unquote(bytes, at, close, write);
    at = close + 1;
    break;
  }
  sink.addWord(from, write);
  return at;
}

/** Index of the quote that closes the one at `open`; white space or the end must follow it. */
function closingQuote(bytes: Buffer, open: number, to: number): number {
  const quote = bytes[open];
  for (let at = open + 1; at < to; at++) {
    const escapes = quote === DOUBLE_QUOTE || bytes[at + 1] === SINGLE_QUOTE;
    if (bytes[at] === BACKSLASH && escapes && at + 1 < to) {
      at++;
    } else if (bytes[at] === quote) {
      if (at + 1 < to && !isSpace(bytes[at + 1])) break;
      return at;
    }
  }
  throw new ProtocolError('unbalanced quotes in request');
}

/** Writes the unquoted text between two quotes from `write` on; returns its end. */
function unquote(bytes: Buffer, open: number, close: number, write: number): number {
  const double = bytes[open] === DOUBLE_QUOTE;
  let target = write;
  for (let at = open + 1; at < close; at++) {
    let byte = bytes[at] as number;
    if (byte === BACKSLASH && double) {
      const hex = bytes[at + 1] === LETTER_X ? hexByte(bytes, at + 2, close) : -1;
      byte = hex >= 0 ? hex : unescape(bytes[at + 1] as number);
      at += hex >= 0 ? 3 : 1;
    } else if (byte === BACKSLASH && bytes[at + 1] === SINGLE_QUOTE && at + 1 < close) {
      byte = SINGLE_QUOTE;
      at++;
    }
    bytes[target++] = byte;
  }
  return target;
}

function unescape(letter: number): number {
  switch (String.fromCharCode(letter)) {
    case 'n':
      return 10;
    case 'r':
      return 13;
    case 't':
      return 9;
    case 'b':
      return 8;
    case 'a':
      return 7;
    default:
      return letter;
  }
}

/** The value of the two hex digits at `from`, or -1. */
function hexByte(bytes: Buffer, from: number, to: number): number {
  if (from + 2 > to) return -1;
  const text = bytes.toString('latin1', from, from + 2);
  return /^[0-9a-fA-F]{2}$/.test(text) ? Number.parseInt(text, 16) : -1;
}
