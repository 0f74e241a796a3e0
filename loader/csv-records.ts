// Where CSV records end (RFC 4180), without parsing them.
//
// A quote opens a field only at the field's start (after a delimiter or at the record's start);
// elsewhere it is a stray byte, and the record will be rejected by the parser. Inside, `""` is one
// quote. A field that is never closed ends its record at the next line end, so that it costs one
// record and not the rest of the file; both users of this file (the cutting into chunks, and the
// parser for what is irregular) agree on that, because both ask here.
//
//     from quote to quote:   ...,"a ""b"" c",d\n...      bytes in between are passed over by memchr
//                                ^  ^^ ^^  ^       ^
//                             opens pair  closes   the record's end: no quote is open
//
// The next quote and the next line end are remembered, so each byte is searched once however the
// record is built: the cost is that of the bytes, not of the quotes times the length of the line.

import { VALUE_BYTES_MAX } from '../base/limits.ts';
import { NEWLINE, QUOTE } from './dialect.ts';
import { copiesOf, findOne, wordsOf } from './word-scan.ts';

const QUOTES = copiesOf(QUOTE);

/** A whole chunk in memory, or a file read through a window. */
export interface ByteSource {
  /** One behind the last byte. */
  readonly end: number;
  /** -1 behind the end. */
  byteAt(offset: number): number;
  /**
   * The first `byte` at or behind `from`; -1 if there is none before `limit`. May find one behind
   * `limit`, where that costs nothing.
   */
  find(byte: number, from: number, limit: number): number;
  /** Bytes in memory, the one at `offset` and what is around it; `viewStart` is where they begin. */
  viewAt(offset: number): DataView;
  readonly viewStart: number;
}

/** The longest value, each byte of it a quote and so doubled. What is longer was never closed. */
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
      const at = findOne(view, from, stop, copiesOf(byte));
      return at < stop ? at : -1;
    },
  };
}

/** The next of one byte, remembered: none in `[from, upTo)`; at `upTo` there is one if `isHit`. */
interface Finder {
  readonly byte: number;
  from: number;
  upTo: number;
  isHit: boolean;
}

/** The record ends of one source. Ask in rising order: asking back costs a new search. */
export class CsvRecords {
  readonly #source: ByteSource;
  readonly #delimiter: number;
  readonly #quotes: Finder = { byte: QUOTE, from: 0, upTo: 0, isHit: false };
  readonly #newlines: Finder = { byte: NEWLINE, from: 0, upTo: 0, isHit: false };

  constructor(source: ByteSource, delimiter: number) {
    this.#source = source;
    this.#delimiter = delimiter;
  }

  /** The offset behind the record that starts at `start`, its line end included. */
  endOf(start: number): number {
    return this.endBehind(start, start + 1, this.#source.end);
  }

  /**
   * The first record end at or behind `nominalEnd`, coming from the record start `start`. Sooner,
   * behind the record in question, where a field is never closed. -1 if there is none up to `limit`.
   */
  endBehind(start: number, nominalEnd: number, limit: number): number {
    const open = this.#openAt(start, nominalEnd - 1);
    let from = open < 0 ? Math.max(start, nominalEnd - 1) : this.#closeOf(open);
    if (from < 0) return this.#endOfLine(open, limit);
    while (from <= limit) {
      const lineEnd = this.#endOfLine(from, limit);
      const quote = this.#next(this.#quotes, from, lineEnd < 0 ? limit : lineEnd);
      if (quote < 0) return lineEnd;
      if (!this.#opensField(quote, start)) {
        from = quote + 1;
        continue;
      }
      const close = this.#closeOf(quote);
      if (close < 0) return this.#endOfLine(quote, limit);
      from = close;
    }
    return -1;
  }

  /**
   * The offset of the quote that is open at `stop`, or that is never closed; -1 without one. `start` is
   * the start of a record. The fast part of the way: it knows of quotes alone, not of line ends.
   */
  #openAt(start: number, stop: number): number {
    const source = this.#source;
    const walk = { open: -1, before: NEWLINE };
    for (let at = start; at < stop;) {
      if (walk.open < 0) {
        const quote = source.find(QUOTE, at, stop);
        if (quote < 0 || quote >= stop) return -1;
        if (quote > at) walk.before = source.byteAt(quote - 1);
        at = quote;
      }
      const view = source.viewAt(at);
      const base = source.viewStart;
      const end = Math.min(stop, base + view.byteLength);
      at = base + walkQuotes(view, at - base, end - base, base, this.#delimiter, walk);
      if (at === end) continue;
      // In quotes, at a quote: the next byte, which may be in the next view, tells what it is.
      if (at - walk.open >= QUOTED_BYTES_MAX) return walk.open;
      if (source.byteAt(at + 1) === QUOTE) at++;
      else walk.open = -1;
      at++;
    }
    return walk.open;
  }

  /** The quote at `at` is outside of quotes; whether a field begins with it. */
  #opensField(at: number, start: number): boolean {
    if (at === start) return true;
    const before = this.#source.byteAt(at - 1);
    return before === this.#delimiter || before === NEWLINE;
  }

  /** The offset behind the closing quote of the field that opens at `open`; -1 if it is never closed. */
  #closeOf(open: number): number {
    const source = this.#source;
    const limit = Math.min(source.end, open + QUOTED_BYTES_MAX);
    let at = open + 1;
    for (;;) {
      const quote = source.find(QUOTE, at, limit);
      if (quote < 0 || quote >= limit) return -1;
      if (source.byteAt(quote + 1) !== QUOTE) return quote + 1;
      at = quote + 2;
    }
  }

  /** Behind the next `\n`; the source's end if there is none; -1 if neither is up to `limit`. */
  #endOfLine(from: number, limit: number): number {
    const newline = this.#next(this.#newlines, from, limit);
    if (newline >= 0) return newline + 1;
    return limit < this.#source.end ? -1 : this.#source.end;
  }

  /** The finder's byte in `[at, limit)`, or -1. */
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

/**
 * Goes from quote to quote in `[from, end)` of a view that begins at `base`. Returns `end`; the offset
 * of a quote in quotes where it lies at the very end, or where the field is longer than any may be.
 * Hot loop: words of four bytes, as in word-scan.ts, without a call for each quote.
 */
function walkQuotes(
  view: DataView,
  from: number,
  end: number,
  base: number,
  delimiter: number,
  walk: { open: number; before: number },
): number {
  let { open } = walk;
  let at = from;
  for (;;) {
    at = findOne(view, at, end, QUOTES);
    if (at === end) break;
    if (open >= 0) {
      if (at + 1 === end || base + at - open >= QUOTED_BYTES_MAX) break;
      if (view.getUint8(at + 1) === QUOTE) at++;
      else open = -1;
    } else {
      const before = at === from ? walk.before : view.getUint8(at - 1);
      if (before === delimiter || before === NEWLINE) open = base + at;
    }
    at++;
  }
  walk.open = open;
  walk.before = view.getUint8(end - 1);
  return at;
}
