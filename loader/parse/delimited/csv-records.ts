// Finds the ends of CSV records (RFC 4180) without parsing them.
//
// A quote opens a field only at the field's start (after a delimiter or at the record's start).
// Inside, `""` is one quote. A field that violates the grammar costs its own line and no other: the
// record ends at the first line end after that field's start. Violations are
//
//     a quote inside an unquoted field                     k,6" nail\n
//     a field without a closing quote within reach         k,"open\n        no later quote, or more than
//                                                                           linesPerValueMax line ends before it
//     a closing quote with text after it                   k,"6 foot\nk2,"x",1\n
//
// Cutting into chunks and the parser (parse-quoted.ts) follow the same rules; a property test
// compares them.
//
//     from quote to quote:   ...,"a ""b"" c",d\n...      memchr skips the bytes in between
//                                ^  ^^ ^^  ^       ^
//                             opens pair  closes   the record's end: no quote is open
//
// The next quote and the next line end are cached, so each byte is searched once however the record
// is built: the cost depends on the bytes, not on the quotes times the length of the line. A faulty
// field is searched twice: once for its end, and again from the next line on.

import { VALUE_BYTES_MAX } from '../../../base/limits.ts';
import { CARRIAGE_RETURN, NEWLINE, QUOTE, SPACE, TAB } from '../../input/dialect.ts';
import type { Dialect } from '../../input/dialect.ts';
import type { ByteSource } from '../../bytes/byte-source.ts';
import { broadcastByte, findByte, wordsOf } from '../../bytes/word-scan.ts';

const QUOTES = broadcastByte(QUOTE);
const NEWLINES = broadcastByte(NEWLINE);

/**
 * The longest quoted value: every byte of it a quote, and so doubled. A longer one was never
 * closed.
 */
export const QUOTED_BYTES_MAX = 2 * VALUE_BYTES_MAX + 2;

/** Offsets into `[0, bytes.length)`. */
export function bytesSource(bytes: Buffer): ByteSource {
  const end = bytes.length;
  const view = wordsOf(bytes);
  return {
    end,
    byteAt: (offset) => bytes[offset] ?? -1,
    viewAt: () => view,
    viewStart: 0,
    find: (byte, from, limit) => {
      const stop = Math.min(limit, end);
      const at = findByte(view, from, stop, broadcastByte(byte));
      return at < stop ? at : -1;
    },
  };
}

/** The cached position of a byte: none in `[from, upTo)`; one at `upTo` if `isHit`. */
interface Finder {
  readonly byte: number;
  from: number;
  upTo: number;
  isHit: boolean;
}

/** The part of a dialect that determines where records end. */
export type RecordRules = Pick<Dialect, 'delimiter' | 'comment' | 'trims' | 'linesPerValueMax'>;

/** The record ends of one source. Call with rising offsets: going back costs a new search. */
export class CsvRecords {
  readonly #source: ByteSource;
  readonly #rules: RecordRules;
  readonly #comment: Buffer;
  readonly #quotes: Finder = { byte: QUOTE, from: 0, upTo: 0, isHit: false };
  readonly #newlines: Finder = { byte: NEWLINE, from: 0, upTo: 0, isHit: false };
  /** Whether a field was open at the end of the source, so that its end may be after that. */
  wasOpenAtEnd = false;

  constructor(source: ByteSource, rules: RecordRules) {
    this.#source = source;
    this.#rules = rules;
    this.#comment = Buffer.from(rules.comment, 'utf8');
  }

  /** The offset after the record that starts at `start`, including its line end. */
  endOf(start: number): number {
    return this.endBehind(start, start + 1, this.#source.end);
  }

  /**
   * The first record end at or after `nominalEnd`, for records from `start` on; -1 if there is none
   * up to `limit`.
   */
  endBehind(start: number, nominalEnd: number, limit: number): number {
    const { comment, trims } = this.#rules;
    let at = start;
    // Comments are recognised only at a record's start, and spaces before a quote need a closer
    // look.
    if (comment === '' && !trims) {
      at = this.#walkTo(start, nominalEnd - 1, limit);
      if (at < 0) return -1;
      if (at >= nominalEnd && this.#isRecordStart(at)) return at;
    }
    for (;;) {
      const end = this.#endOfRecord(at, start, limit);
      if (end < 0 || end >= nominalEnd || end === this.#source.end) return end;
      at = end;
    }
  }

  /** The end of the record that contains `at`, which is outside quotes. */
  #endOfRecord(at: number, start: number, limit: number): number {
    if (this.#isComment(at)) return this.#endOfLine(at, limit);
    for (let from = at; from <= limit;) {
      const lineEnd = this.#endOfLine(from, limit);
      const quote = this.#next(this.#quotes, from, lineEnd < 0 ? limit : lineEnd);
      if (quote < 0 || !this.#opensField(quote, start)) return lineEnd;
      from = this.#endOfField(quote);
      if (from < 0) return lineEnd;
    }
    return -1;
  }

  /**
   * Walks from the record start `start` to `stop`, or to the first place after it that is outside
   * quotes. -1 if a faulty line has no end up to `limit`. This is the fast part: it looks at quotes
   * only, not at line ends.
   */
  #walkTo(start: number, stop: number, limit: number): number {
    const source = this.#source;
    const { delimiter, linesPerValueMax } = this.#rules;
    let at = start;
    while (at < stop) {
      const found = source.find(QUOTE, at, stop);
      if (found < 0 || found >= stop) return stop;
      const view = source.viewAt(found);
      const base = source.viewStart;
      const end = Math.min(stop, base + view.byteLength) - base;
      at = base + walkFields(view, found - base, end, delimiter, linesPerValueMax);
      if (at - base === end) continue;
      // The field at this quote does not end within the view, or is faulty.
      const fieldEnd = this.#opensField(at, start) ? this.#endOfField(at) : -1;
      at = fieldEnd < 0 ? this.#endOfLine(at, limit) : fieldEnd;
      if (at < 0) return -1;
    }
    return at;
  }

  #isRecordStart(at: number): boolean {
    return at === this.#source.end || this.#source.byteAt(at - 1) === NEWLINE;
  }

  #isComment(at: number): boolean {
    const { length } = this.#comment;
    for (let index = 0; index < length; index++) {
      if (this.#source.byteAt(at + index) !== this.#comment[index]) return false;
    }
    return length > 0;
  }

  /** Whether the quote at `at`, which is outside quotes, opens a field. */
  #opensField(at: number, start: number): boolean {
    const source = this.#source;
    const { delimiter, trims } = this.#rules;
    let before = at - 1;
    if (trims) while (before >= start && isBlank(source.byteAt(before), delimiter)) before--;
    if (before < start) return true;
    const byte = source.byteAt(before);
    return byte === delimiter || byte === NEWLINE;
  }

  /**
   * The offset after the closing quote of the field that opens at `open`; -1 if the field is
   * faulty.
   */
  #endOfField(open: number): number {
    const source = this.#source;
    const limit = Math.min(source.end, open + QUOTED_BYTES_MAX);
    let at = open + 1;
    for (;;) {
      const quote = source.find(QUOTE, at, limit);
      if (quote < 0 || quote >= limit) {
        if (limit === source.end) this.wasOpenAtEnd = true;
        return -1;
      }
      if (source.byteAt(quote + 1) === QUOTE) {
        at = quote + 2;
        continue;
      }
      return this.#endsField(quote + 1) && this.#isShort(open, quote) ? quote + 1 : -1;
    }
  }

  /** Whether the byte at `at` may follow a closing quote. */
  #endsField(at: number): boolean {
    const source = this.#source;
    const { delimiter, trims } = this.#rules;
    let next = at;
    if (trims) while (isBlank(source.byteAt(next), delimiter)) next++;
    const byte = source.byteAt(next);
    if (byte === CARRIAGE_RETURN) return source.byteAt(next + 1) === NEWLINE;
    return byte === delimiter || byte === NEWLINE || byte === -1;
  }

  /** Whether `[from, end)` has no more line ends than a value may have. */
  #isShort(from: number, end: number): boolean {
    const { linesPerValueMax } = this.#rules;
    if (end - from <= linesPerValueMax) return true;
    let at = from;
    for (let lines = 0; lines <= linesPerValueMax; lines++) {
      const newline = this.#source.find(NEWLINE, at, end);
      if (newline < 0 || newline >= end) return true;
      at = newline + 1;
    }
    return false;
  }

  /**
   * The offset after the next `\n`; the source's end if there is none; -1 if neither is up to
   * `limit`.
   */
  #endOfLine(from: number, limit: number): number {
    const newline = this.#next(this.#newlines, from, limit);
    if (newline >= 0) return newline + 1;
    return limit < this.#source.end ? -1 : this.#source.end;
  }

  /** The offset of the finder's byte in `[at, limit)`, or -1. */
  #next(finder: Finder, at: number, limit: number): number {
    if (at < finder.from || at > finder.upTo) {
      finder.from = at;
      finder.upTo = at;
      finder.isHit = false;
    }
    if (!finder.isHit && finder.upTo < limit) {
      const found = this.#source.find(finder.byte, finder.upTo, limit);
      finder.isHit = found >= 0;
      finder.upTo = found >= 0 ? found : Math.min(limit, this.#source.end);
    }
    return finder.isHit && finder.upTo < limit ? finder.upTo : -1;
  }
}

/** Whether --trim removes the byte: spaces and tabs, unless one is the delimiter. */
export function isBlank(byte: number, delimiter: number): boolean {
  return (byte === SPACE || byte === TAB) && byte !== delimiter;
}

/**
 * Skips complete quoted fields, from the quote at `from`, up to `end`. Returns `end`; or the offset
 * of a quote that opens no field, or opens one that is not closed properly before `end` and within
 * `linesMax`. Hot loop: words of four bytes, as in word-scan.ts, without a call for each quote.
 */
function walkFields(
  view: DataView,
  from: number,
  end: number,
  delimiter: number,
  linesMax: number,
): number {
  let at = from;
  for (;;) {
    const open = findByte(view, at, end, QUOTES);
    if (open === end) return end;
    // At the start of a view, the byte before it is needed.
    if (open === 0) return open;
    const before = view.getUint8(open - 1);
    if (before !== delimiter && before !== NEWLINE) return open;
    at = open + 1;
    let next = QUOTE;
    for (;;) {
      at = findByte(view, at, end, QUOTES);
      if (at + 1 >= end) return open;
      next = view.getUint8(at + 1);
      if (next !== QUOTE) break;
      at += 2;
    }
    if (next !== delimiter && next !== NEWLINE) {
      if (next !== CARRIAGE_RETURN || at + 2 >= end) return open;
      if (view.getUint8(at + 2) !== NEWLINE) return open;
    }
    if (at - open > linesMax && !hasFewLines(view, open, at, linesMax)) return open;
    at++;
  }
}

function hasFewLines(view: DataView, from: number, end: number, linesMax: number): boolean {
  let at = from;
  for (let lines = 0; lines <= linesMax; lines++) {
    at = findByte(view, at, end, NEWLINES) + 1;
    if (at > end) return true;
  }
  return false;
}
