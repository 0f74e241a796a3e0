// Parses replies for our own client and the REPL: bytes -> tagged values, RESP2 and RESP3.
//
// Incremental: unfinished replies are kept on an explicit stack, so a long array is read once
// however it was cut, and deep nesting cannot overflow the call stack.
//
//   *2 [ $3 foo, *2 [ :1, (waiting)      stack: array of 2 with 1 item, array of 2 with 1 item
//
// Attributes (`|`) are read and dropped. Streamed strings and aggregates (`$?`, `*?`) are refused.

import { VALUE_BYTES_MAX } from '../../base/limits.ts';
import { InputBuffer } from '../../base/input-buffer.ts';
import { ProtocolError } from './protocol-error.ts';

const CR = 13;
/** The bytes with which a reply may begin. */
const MARKS = '+-:$*_#,(!=%~>|';
const LINE_BYTES_MAX = 1024 * 1024;
const DEPTH_MAX = 32;
const COUNT_MAX = 2 ** 24;
/** Limit of a bulk; INFO and the like are not values, but stay below this. */
const BULK_BYTES_MAX = 2 * VALUE_BYTES_MAX;

/** One reply. `bytes` may be a view of a received chunk: copy what is kept for long. */
export type Reply =
  | { readonly type: 'simple'; readonly text: string }
  | { readonly type: 'error'; readonly text: string }
  | { readonly type: 'integer'; readonly value: number }
  | { readonly type: 'bigNumber'; readonly value: bigint }
  | { readonly type: 'double'; readonly value: number }
  | { readonly type: 'boolean'; readonly value: boolean }
  | { readonly type: 'bulk'; readonly bytes: Buffer }
  | { readonly type: 'verbatim'; readonly format: string; readonly bytes: Buffer }
  | { readonly type: 'nil' }
  | { readonly type: 'array' | 'set' | 'push'; readonly items: readonly Reply[] }
  | { readonly type: 'map'; readonly entries: readonly (readonly [Reply, Reply])[] };

interface Frame {
  readonly type: 'array' | 'set' | 'push' | 'map' | 'attribute';
  readonly count: number;
  readonly items: Reply[];
}

/**
 * `push` a chunk, then call `next` until it returns undefined. After a ProtocolError the decoder
 * must not be used any more.
 */
export class ReplyDecoder {
  // Items of an unfinished array are views of earlier bytes.
  readonly #input = new InputBuffer(true);
  readonly #stack: Frame[] = [];
  #searched = 0;
  /** Type byte and length of the awaited bulk; the length is -1 before its header. */
  #bulkMark = 0;
  #bulkBytes = -1;

  /** Takes ownership of a chunk, because replies may be views of it. */
  push(chunk: Buffer): void {
    this.#searched -= this.#input.push(chunk);
  }

  /** The next complete reply; undefined until more bytes come. Throws ProtocolError. */
  next(): Reply | undefined {
    for (;;) {
      const depth = this.#stack.length;
      let reply = this.#readOne();
      if (reply === undefined) {
        // An aggregate was opened (continue inside it), or the bytes ran out.
        if (this.#stack.length > depth) continue;
        this.#searched -= this.#input.settle();
        return undefined;
      }
      while (reply !== undefined && this.#stack.length > 0) reply = this.#addToTop(reply);
      if (reply !== undefined) return reply;
    }
  }

  /** Adds to the innermost aggregate, and returns that if it is now complete. */
  #addToTop(reply: Reply): Reply | undefined {
    const frame = this.#stack.at(-1) as Frame;
    frame.items.push(reply);
    if (frame.items.length < frame.count) return undefined;
    this.#stack.pop();
    return finished(frame);
  }

  #readOne(): Reply | undefined {
    if (this.#bulkBytes >= 0) return this.#readBulk();
    const { bytes, at, end } = this.#input;
    if (at === end) return undefined;
    const mark = String.fromCharCode(bytes[at] as number);
    // Checked at once, because a server of another protocol may never send the end of a line.
    if (!MARKS.includes(mark)) throw new ProtocolError(`unknown reply type '${mark}'`);
    const lineEnd = this.#lineEnd();
    if (lineEnd < 0) return undefined;
    const line = bytes.toString('utf8', at + 1, lineEnd);
    this.#input.at = lineEnd + 2;
    switch (mark) {
      case '$':
      case '=':
      case '!':
        return this.#startBulk(mark, line);
      case '*':
        return this.#startAggregate('array', line, 1);
      case '~':
        return this.#startAggregate('set', line, 1);
      case '>':
        return this.#startAggregate('push', line, 1);
      case '%':
        return this.#startAggregate('map', line, 2);
      case '|':
        return this.#startAggregate('attribute', line, 2);
      default:
        return scalar(mark, line);
    }
  }

  #startBulk(mark: string, line: string): Reply | undefined {
    if (line === '-1') return { type: 'nil' };
    this.#bulkBytes = lengthOf(line, BULK_BYTES_MAX);
    this.#bulkMark = mark.charCodeAt(0);
    return this.#readBulk();
  }

  #readBulk(): Reply | undefined {
    const { bytes, at, end } = this.#input;
    const bulkEnd = at + this.#bulkBytes;
    if (end < bulkEnd + 2) return undefined;
    if (bytes[bulkEnd] !== CR) throw new ProtocolError('a bulk is not followed by a line break');
    this.#input.at = bulkEnd + 2;
    this.#bulkBytes = -1;
    const bulk = bytes.subarray(at, bulkEnd);
    switch (String.fromCharCode(this.#bulkMark)) {
      case '!':
        return { type: 'error', text: bulk.toString() };
      case '=':
        return { type: 'verbatim', format: bulk.toString('latin1', 0, 3), bytes: bulk.subarray(4) };
      default:
        return { type: 'bulk', bytes: bulk };
    }
  }

  /** Opens an aggregate; an empty one is already complete. */
  #startAggregate(type: Frame['type'], line: string, perEntry: number): Reply | undefined {
    if (line === '-1') return { type: 'nil' };
    const frame: Frame = { type, count: lengthOf(line, COUNT_MAX) * perEntry, items: [] };
    if (frame.count === 0 && type === 'attribute') throw new ProtocolError('empty attribute');
    if (frame.count === 0) return finished(frame);
    if (this.#stack.length >= DEPTH_MAX) throw new ProtocolError('replies are nested too deeply');
    this.#stack.push(frame);
    return undefined;
  }

  /** Index of the `\r` that ends the current line; -1 until its `\n` has arrived. */
  #lineEnd(): number {
    const { bytes, at, end } = this.#input;
    let index = Math.max(this.#searched, at);
    while (index < end && bytes[index] !== CR) index++;
    this.#searched = index;
    if (index - at > LINE_BYTES_MAX) throw new ProtocolError('too big reply line');
    return index + 1 < end ? index : -1;
  }
}

function finished(frame: Frame): Reply | undefined {
  if (frame.type === 'attribute') return undefined;
  if (frame.type !== 'map') return { type: frame.type, items: frame.items };
  const entries: [Reply, Reply][] = [];
  for (let index = 0; index < frame.items.length; index += 2) {
    entries.push([frame.items[index] as Reply, frame.items[index + 1] as Reply]);
  }
  return { type: 'map', entries };
}

function scalar(mark: string, line: string): Reply {
  switch (mark) {
    case '+':
      return { type: 'simple', text: line };
    case '-':
      return { type: 'error', text: line };
    case ':':
      return integerReply(line);
    case '_':
      return { type: 'nil' };
    case '#':
      if (line === 't' || line === 'f') return { type: 'boolean', value: line === 't' };
      throw new ProtocolError('invalid boolean');
    case ',':
      return { type: 'double', value: doubleOf(line) };
    case '(':
      if (/^[+-]?[0-9]+$/.test(line)) return { type: 'bigNumber', value: BigInt(line) };
      throw new ProtocolError('invalid big number');
    default:
      throw new ProtocolError(`unknown reply type '${mark}'`);
  }
}

function integerReply(line: string): Reply {
  if (!/^[+-]?[0-9]{1,20}$/.test(line)) throw new ProtocolError('invalid integer');
  const value = Number(line);
  // Beyond 2^53 a number would be rounded.
  if (!Number.isSafeInteger(value)) return { type: 'bigNumber', value: BigInt(line) };
  return { type: 'integer', value };
}

function doubleOf(line: string): number {
  if (/^[+]?inf$/i.test(line)) return Number.POSITIVE_INFINITY;
  if (/^-inf$/i.test(line)) return Number.NEGATIVE_INFINITY;
  if (/^-?nan$/i.test(line)) return Number.NaN;
  const value = Number(line);
  if (line === '' || Number.isNaN(value)) throw new ProtocolError('invalid double');
  return value;
}

function lengthOf(line: string, max: number): number {
  const value = /^[0-9]{1,10}$/.test(line) ? Number(line) : Number.NaN;
  if (value <= max) return value;
  throw new ProtocolError('invalid length in a reply');
}
