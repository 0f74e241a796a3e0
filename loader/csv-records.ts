// Where CSV records end (RFC 4180), without parsing them.
//
// A quote opens a field only at the field's start (after a delimiter or at the record's start);
// elsewhere it is a stray byte, and the record will be rejected by the parser. Inside, `""` is one
// quote. A field that is never closed ends its record at the next line end, so that it costs one
// record and not the rest of the file; both users of this file (the cutting into chunks and the
// parser) agree on that, because both ask here.
//
// `ByteSource` is a whole chunk in memory or a file read through a window.

import { NEWLINE, QUOTE } from './dialect.ts';

export interface ByteSource {
  /** One behind the last byte. */
  readonly end: number;
  byteAt(offset: number): number;
  /** The first `byte` in [from, limit), or -1. */
  indexOf(byte: number, from: number, limit: number): number;
}

/** A quoted field longer than this is taken for one that was never closed. */
const QUOTED_BYTES_MAX = 80 * 1024 * 1024;

/** Offsets into `[0, bytes.length)`. */
export function bytesSource(bytes: Buffer): ByteSource {
  return {
    end: bytes.length,
    byteAt: (offset) => bytes[offset] ?? -1,
    indexOf: (byte, from, limit) => indexOfByte(bytes, byte, from, limit),
  };
}

/** `Buffer.indexOf` that stops at `limit`. */
export function indexOfByte(bytes: Buffer, byte: number, from: number, limit: number): number {
  if (from >= limit) return -1;
  const found = bytes.subarray(from, limit).indexOf(byte);
  return found < 0 ? -1 : from + found;
}

/** The offset behind the field's closing quote, which opens at `open`; -1 if it is never closed. */
function closeOfQuoted(source: ByteSource, open: number): number {
  const limit = Math.min(source.end, open + QUOTED_BYTES_MAX);
  let at = source.indexOf(QUOTE, open + 1, limit);
  while (at >= 0) {
    if (source.byteAt(at + 1) !== QUOTE) return at + 1;
    at = source.indexOf(QUOTE, at + 2, limit);
  }
  return -1;
}

/** Whether the quote at `at` opens a field of the record that starts at `recordStart`. */
function opensField(
  source: ByteSource,
  at: number,
  recordStart: number,
  delimiter: number,
): boolean {
  return at === recordStart || source.byteAt(at - 1) === delimiter;
}

/** The offset behind the record that starts at `start`, its line end included. */
export function recordEnd(source: ByteSource, start: number, delimiter: number): number {
  let from = start;
  for (;;) {
    const lineEnd = endOfLine(source, from);
    const quote = source.indexOf(QUOTE, from, lineEnd);
    if (quote < 0) return lineEnd;
    if (!opensField(source, quote, start, delimiter)) {
      from = quote + 1;
      continue;
    }
    const close = closeOfQuoted(source, quote);
    if (close < 0) return lineEnd;
    from = close;
  }
}

/**
 * The first record end at or behind `nominalEnd`, coming from the record start `start`. Ends sooner,
 * behind the record in question, where a field is never closed.
 */
export function chunkEnd(
  source: ByteSource,
  start: number,
  nominalEnd: number,
  delimiter: number,
): number {
  let from = start;
  for (;;) {
    let quote = source.indexOf(QUOTE, from, nominalEnd - 1);
    if (quote < 0) {
      const searched = Math.max(from, nominalEnd - 1);
      const lineEnd = endOfLine(source, searched);
      quote = source.indexOf(QUOTE, searched, lineEnd);
      if (quote < 0) return lineEnd;
    }
    const before = quote === start ? NEWLINE : source.byteAt(quote - 1);
    if (before !== NEWLINE && before !== delimiter) {
      from = quote + 1;
      continue;
    }
    const close = closeOfQuoted(source, quote);
    if (close < 0) return endOfLine(source, quote);
    from = close;
  }
}

/** The offset behind the next `\n` at or after `from`; the source's end if there is none. */
export function endOfLine(source: ByteSource, from: number): number {
  const newline = source.indexOf(NEWLINE, from, source.end);
  return newline < 0 ? source.end : newline + 1;
}
