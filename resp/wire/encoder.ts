// Encodes replies: values -> bytes, in RESP2 or RESP3 as the client chose with HELLO.
//
//              RESP2                     RESP3
//   simple     +text\r\n                 same
//   error      -CODE text\r\n            same
//   integer    :n\r\n                    same
//   bulk       $n\r\n bytes \r\n         same
//   nil        $-1\r\n                   _\r\n
//   nullArray  *-1\r\n                   _\r\n
//   array n    *n\r\n                    same
//   map n      *2n\r\n                   %n\r\n
//   set n      *n\r\n                    ~n\r\n
//   push n     *n\r\n                    >n\r\n
//   double     bulk of its text          ,text\r\n
//   boolean    :1\r\n or :0\r\n          #t\r\n or #f\r\n
//   verbatim   bulk                      =n\r\ntxt:bytes\r\n
//
// The writer fills slabs; a full one is added to the list of chunks and a new one begun, so no byte
// is copied twice, and small replies share a slab across turns and connections:
//
//   chunks: [slab part][referenced value][slab part]   slab: |handed over|start ... pos|free|
//
// Invariant: bytes below `pos` are never written again, so the chunks of `takeChunks` do not change
// until the caller reports that they were sent (`reuseSent`). A caller that never does may keep
// them for ever.

import { ERROR_TABLE, SteleError } from '../../base/errors.ts';
import { SLAB_BYTES, Slabs } from './slabs.ts';

/**
 * From this size on an immutable bulk is referenced, because a copy costs more than another chunk.
 */
export const REFERENCE_BYTES_MIN: number = 8 * 1024;
/** Up to this size a loop over the bytes is faster than a native copy. */
const LOOP_COPY_BYTES_MAX = 48;
/**
 * Up to this size a loop over words is faster, if there are views: the native call costs an object.
 */
const WORD_COPY_BYTES_MAX = 512;

/** The highest value of `replyBytesMax`. */
export const REPLY_BYTES_MAX = 512 * 1024 * 1024;

const CR = 13;
const LF = 10;
const ARRAY = 42;
const BULK = 36;
const DIGIT_0 = 48;
const MINUS = 45;

export type RespProtocol = 2 | 3;

/**
 * Writes replies (see the head comment). One writer may serve all connections of a thread, turn by
 * turn.
 */
export class ReplyWriter {
  /** The protocol of the client whose command is running; set it before writing. */
  protocol: RespProtocol = 2;
  /** Limit of copied bytes that may wait in here; the command that would exceed it fails. */
  replyBytesMax = REPLY_BYTES_MAX;

  /** Called with the text of every error that is written. */
  readonly #onError: ((text: string) => void) | undefined;
  #chunks: Buffer[] = [];
  readonly #slabs = new Slabs();
  /** A part of the current slab is kept by a caller, so the slab is not reused. */
  #slabIsKept = false;
  #slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
  #view = viewOf(this.#slab);
  #start = 0;
  #pos = 0;
  /** Bytes in #chunks. */
  #sealedBytes = 0;
  /** Bytes of the slabs begun since the last take. */
  #slabBytes = 0;
  #markSlab = this.#slab;
  #markStart = 0;
  #markPos = 0;
  #markChunkCount = 0;
  #markSealedBytes = 0;
  #markFilledCount = 0;
  #markSlabIsKept = false;

  constructor(onError?: (text: string) => void) {
    this.#onError = onError;
  }

  /** Bytes written since the last take. */
  get byteLength(): number {
    return this.#sealedBytes + this.#pos - this.#start;
  }

  /** Returns everything written as one Buffer (a copy if it lies in several chunks). */
  take(): Buffer {
    const chunks = this.takeChunks();
    return chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
  }

  /** Returns everything written, in order, for one write; empty if there is nothing. */
  takeChunks(): Buffer[] {
    this.#seal();
    const chunks = this.#chunks;
    this.#chunks = [];
    this.#sealedBytes = 0;
    this.#slabBytes = 0;
    this.mark();
    return chunks;
  }

  /** Remembers this position for `rewind`. There is one mark; `takeChunks` moves it. */
  mark(): void {
    this.#markSlab = this.#slab;
    this.#markStart = this.#start;
    this.#markPos = this.#pos;
    this.#markChunkCount = this.#chunks.length;
    this.#markSealedBytes = this.#sealedBytes;
    this.#markFilledCount = this.#slabs.filledCount;
    this.#markSlabIsKept = this.#slabIsKept;
  }

  /** All chunks that were taken have been sent or dropped, so their memory can be reused. */
  reuseSent(): void {
    this.#slabs.reuseFilled();
  }

  /** Chunks that were taken are still needed, so their slabs are not reused. */
  keepTaken(): void {
    this.#slabs.dropFilled();
    this.#slabIsKept = true;
  }

  /** Drops everything written since `mark`. */
  rewind(): void {
    if (this.#slab !== this.#markSlab) {
      this.#slab = this.#markSlab;
      this.#view = viewOf(this.#slab);
      this.#slabIsKept = this.#markSlabIsKept;
      this.#slabs.dropFilled(this.#markFilledCount);
    }
    this.#start = this.#markStart;
    this.#pos = this.#markPos;
    this.#chunks.length = this.#markChunkCount;
    this.#sealedBytes = this.#markSealedBytes;
    this.#slabBytes = Math.min(this.#slabBytes, this.byteLength);
  }

  /** `+OK`. */
  ok(): void {
    this.simple('OK');
  }

  /** A simple string; `text` must be ASCII without line breaks. */
  simple(text: string): void {
    this.#line(43, text);
  }

  /** An error reply; `text` starts with its code word. Line breaks become spaces. */
  error(text: string): void {
    this.#onError?.(text);
    const safe = text.replace(/[\r\n]/g, ' ');
    this.#reserve(safe.length * 3 + 3);
    this.#slab[this.#pos++] = MINUS;
    this.#pos += this.#slab.write(safe, this.#pos, 'utf8');
    this.#lineBreak();
  }

  /** An error reply for a SteleError, with the code word of the error table. */
  failure(error: SteleError): void {
    this.error(`${ERROR_TABLE[error.code].resp} ${error.message}`);
  }

  /** A whole number within +-2^53. */
  integer(value: number): void {
    this.#header(58, value);
  }

  /** A bulk of `bytes[start .. end)`, copied. */
  bulk(bytes: Uint8Array, start = 0, end = bytes.length): void {
    const length = end - start;
    this.#header(BULK, length);
    this.#copy(bytes, start, end);
    this.#reserve(2);
    this.#lineBreak();
  }

  /**
   * A bulk of bytes that never change (of a segment, or a buffer given to this writer): a large one
   * is referenced until it is sent, not copied.
   */
  bulkImmutable(bytes: Uint8Array, start = 0, end = bytes.length): void {
    if (end - start < REFERENCE_BYTES_MIN) {
      this.bulk(bytes, start, end);
      return;
    }
    this.#header(BULK, end - start);
    this.#seal();
    this.#chunks.push(Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start));
    this.#sealedBytes += end - start;
    this.#reserve(2);
    this.#lineBreak();
  }

  /**
   * Like `bulkImmutable`, with a DataView over the same memory as `bytes`, at the same offsets:
   * short values are copied by words.
   */
  bulkViewed(bytes: Uint8Array, view: DataView, start: number, end: number): void {
    const length = end - start;
    if (length > WORD_COPY_BYTES_MAX) {
      this.bulkImmutable(bytes, start, end);
      return;
    }
    this.#header(BULK, length);
    this.#reserve(length + 2);
    const to = this.#view;
    let at = this.#pos;
    for (; start + 4 <= end; start += 4, at += 4) to.setInt32(at, view.getInt32(start, true), true);
    for (; start < end; start++, at++) to.setUint8(at, view.getUint8(start));
    this.#pos = at;
    this.#lineBreak();
  }

  /** A bulk of text, as UTF-8. */
  bulkText(text: string): void {
    const length = Buffer.byteLength(text);
    this.#header(BULK, length);
    this.#reserve(length + 2);
    this.#pos += this.#slab.write(text, this.#pos, 'utf8');
    this.#lineBreak();
  }

  nil(): void {
    this.raw(this.protocol === 3 ? NULL_RESP3 : NIL_RESP2);
  }

  nullArray(): void {
    this.raw(this.protocol === 3 ? NULL_RESP3 : NULL_ARRAY_RESP2);
  }

  /** `count` replies follow. */
  array(count: number): void {
    this.#header(ARRAY, count);
  }

  /** `pairCount` pairs of replies follow: a key, then its value. */
  map(pairCount: number): void {
    if (this.protocol === 3) this.#header(37, pairCount);
    else this.#header(ARRAY, pairCount * 2);
  }

  /** `count` replies follow, in no order. */
  set(count: number): void {
    this.#header(this.protocol === 3 ? 126 : ARRAY, count);
  }

  /** `count` replies follow, as a message that answers no command. */
  push(count: number): void {
    this.#header(this.protocol === 3 ? 62 : ARRAY, count);
  }

  double(value: number): void {
    const text = doubleText(value);
    if (this.protocol === 3) this.#line(44, text);
    else this.bulkText(text);
  }

  boolean(value: boolean): void {
    if (this.protocol === 3) this.#line(35, value ? 't' : 'f');
    else this.integer(value ? 1 : 0);
  }

  /** Text for people (INFO, CLUSTER NODES ...). */
  verbatim(text: string): void {
    if (this.protocol === 2) {
      this.bulkText(text);
      return;
    }
    const length = Buffer.byteLength(text) + 4;
    this.#header(61, length);
    this.#reserve(length + 2);
    this.#pos += this.#slab.write(`txt:${text}`, this.#pos, 'utf8');
    this.#lineBreak();
  }

  /** Bytes that are a complete reply; copied. */
  raw(bytes: Uint8Array): void {
    this.#copy(bytes, 0, bytes.length);
  }

  /** Chunks from `takeChunks` of this or another writer; referenced. */
  append(chunks: readonly Buffer[]): void {
    this.#seal();
    for (const chunk of chunks) {
      this.#chunks.push(chunk);
      this.#sealedBytes += chunk.length;
    }
  }

  #lineBreak(): void {
    this.#slab[this.#pos++] = CR;
    this.#slab[this.#pos++] = LF;
  }

  #line(mark: number, ascii: string): void {
    this.#reserve(ascii.length + 3);
    this.#slab[this.#pos++] = mark;
    for (let index = 0; index < ascii.length; index++) {
      this.#slab[this.#pos++] = ascii.charCodeAt(index);
    }
    this.#lineBreak();
  }

  #header(mark: number, value: number): void {
    this.#reserve(24);
    const slab = this.#slab;
    let pos = this.#pos;
    slab[pos++] = mark;
    let rest = value;
    if (rest < 0) {
      slab[pos++] = MINUS;
      rest = -rest;
    }
    let digits = 1;
    for (let bound = 10; bound <= rest; bound *= 10) digits++;
    for (let at = pos + digits - 1; at >= pos; at--) {
      const shorter = Math.floor(rest / 10);
      slab[at] = rest - shorter * 10 + DIGIT_0;
      rest = shorter;
    }
    pos += digits;
    slab[pos++] = CR;
    slab[pos++] = LF;
    this.#pos = pos;
  }

  #copy(bytes: Uint8Array, start: number, end: number): void {
    const length = end - start;
    this.#reserve(length);
    const slab = this.#slab;
    const pos = this.#pos;
    if (length <= LOOP_COPY_BYTES_MAX) {
      for (let index = 0; index < length; index++) {
        slab[pos + index] = bytes[start + index] as number;
      }
    } else {
      slab.set(bytes.subarray(start, end), pos);
    }
    this.#pos = pos + length;
  }

  #reserve(byteCount: number): void {
    if (this.#pos + byteCount <= this.#slab.length) return;
    if (this.#slabBytes + byteCount > this.replyBytesMax) {
      throw new SteleError(
        'OVERLOADED',
        'The reply is too large to be held at once; ask for fewer keys in one command.',
      );
    }
    this.#seal();
    if (!this.#slabIsKept) this.#slabs.addFilled(this.#slab);
    this.#slabIsKept = false;
    this.#slab = this.#slabs.take(byteCount);
    this.#slabBytes += this.#slab.length;
    this.#view = viewOf(this.#slab);
    this.#start = 0;
    this.#pos = 0;
  }

  #seal(): void {
    if (this.#pos === this.#start) return;
    this.#chunks.push(this.#slab.subarray(this.#start, this.#pos));
    this.#sealedBytes += this.#pos - this.#start;
    this.#start = this.#pos;
  }
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

const NIL_RESP2 = Buffer.from('$-1\r\n');
const NULL_ARRAY_RESP2 = Buffer.from('*-1\r\n');
const NULL_RESP3 = Buffer.from('_\r\n');

function doubleText(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (value === Number.POSITIVE_INFINITY) return 'inf';
  if (value === Number.NEGATIVE_INFINITY) return '-inf';
  return String(value);
}
