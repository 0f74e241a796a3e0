// Records as csv of two columns (RFC 4180), always in quotes, so that every byte is itself, and a
// quote is two. Lines end in \n.

import { appendByte, appendBytes } from '../../bytes/growable-buffer.ts';
import type { GrowableBuffer } from '../../bytes/growable-buffer.ts';
import { COMMA, QUOTE } from '../../input/dialect.ts';
import type { RowsWriter } from './rows-writer.ts';

const LINE_FEED = 0x0a;
const HEADER = Buffer.from('key,value\n');

export class CsvRows implements RowsWriter {
  readonly #out: GrowableBuffer;
  #source: Buffer | undefined;
  /** Of the source: the first quote from the last place that was looked at. */
  #quoteAt = -1;

  /** The rows go into `out`, in place of what is in it. */
  constructor(out: GrowableBuffer, hasHeader: boolean) {
    this.#out = out;
    out.length = 0;
    if (hasHeader) appendBytes(this.#out, HEADER, 0, HEADER.length);
  }

  get byteCount(): number {
    return this.#out.length;
  }

  add(bytes: Buffer, _: DataView, keyStart: number, valueStart: number, end: number): void {
    if (this.#source !== bytes) {
      this.#source = bytes;
      this.#quoteAt = -1;
    }
    this.#field(bytes, keyStart, valueStart, COMMA);
    this.#field(bytes, valueStart, end, LINE_FEED);
  }

  finish(): Buffer {
    return this.#out.bytes.subarray(0, this.#out.length);
  }

  /** The rows so far, valid until the next one, which begins a file without them. */
  take(): Buffer {
    const rows = this.finish();
    this.#out.length = 0;
    return rows;
  }

  #field(bytes: Buffer, start: number, end: number, after: number): void {
    appendByte(this.#out, QUOTE);
    for (let at = start; at < end;) {
      if (this.#quoteAt < at) this.#quoteAt = indexOfQuote(bytes, at);
      const hasQuote = this.#quoteAt < end;
      const next = hasQuote ? this.#quoteAt + 1 : end;
      appendBytes(this.#out, bytes, at, next);
      if (hasQuote) appendByte(this.#out, QUOTE);
      at = next;
    }
    appendByte(this.#out, QUOTE);
    appendByte(this.#out, after);
  }
}

function indexOfQuote(bytes: Buffer, from: number): number {
  const found = bytes.indexOf(QUOTE, from);
  return found < 0 ? Infinity : found;
}
