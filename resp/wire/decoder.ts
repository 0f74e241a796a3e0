// Parses requests: bytes of a connection -> commands, incrementally and in place.
//
//   *<count>\r\n ( $<length>\r\n <bytes>\r\n )*count      multibulk, as clients send it
//   <words> \n                                            inline (inline.ts), as people type it
//
// An argument is a pair of offsets into `buffer`: no string, array or object per command. The state
// between two pushes is the count still expected, the length of the awaited bulk and how far a line
// was searched, so nothing is read twice and it does not matter where the bytes were cut.
//
// As in Redis, empty lines, `*0` and `*-1` are skipped, and the two bytes after a bulk are skipped
// unread. Unlike in Redis, every limit is independent of how the bytes arrived.

import {
  RESP_ARGUMENTS_MAX,
  RESP_INLINE_BYTES_MAX,
  RESP_QUERY_BYTES_MAX,
  RESP_STRANGER_ARGUMENTS_MAX,
  RESP_STRANGER_QUERY_BYTES_MAX,
  VALUE_BYTES_MAX,
} from '../../base/limits.ts';
import { splitInline } from './inline.ts';
import { InputBuffer } from '../../base/input-buffer.ts';
import { ProtocolError } from './protocol-error.ts';

const CR = 13;
const LF = 10;
const DOLLAR = 36;
const STAR = 42;
/** The first byte of a client that begins with TLS. */
const TLS_HANDSHAKE = 0x16;
const MINUS = 45;
const DIGIT_0 = 48;
const ARGUMENTS_INITIAL = 16;
/** Larger argument tables are released when the connection has no unfinished command. */
const ARGUMENTS_KEEP_MAX = 4096;
/** Lengths of `POST` and `Host:`. */
const HTTP_WORD_BYTES_MIN = 4;
const HTTP_WORD_BYTES_MAX = 5;
const NOTHING = Buffer.alloc(0);
const NOT_A_NUMBER = Number.MIN_SAFE_INTEGER;

/** The arguments of one command: argument i is `buffer[starts[i] .. ends[i])`; 0 is the name. */
export interface CommandArguments {
  readonly argc: number;
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  readonly buffer: Buffer;
}

/** Argument `index` as UTF-8 text. */
export function argumentText(command: CommandArguments, index: number): string {
  return command.buffer.toString('utf8', command.starts[index], command.ends[index]);
}

/**
 * `push` a chunk, then call `next` until it returns false. The arguments are valid from a `next`
 * that returned true until the following `next` or `push`: copy what is needed longer. After a
 * ProtocolError the decoder must not be used any more.
 */
export class CommandDecoder implements CommandArguments {
  argc = 0;
  starts = new Int32Array(ARGUMENTS_INITIAL);
  ends = new Int32Array(ARGUMENTS_INITIAL);
  buffer: Buffer;
  /** Length of the longest argument of the current command. */
  longestBytes = 0;
  /** The command before the current one; valid until `push` or `forget`. */
  readonly previous = {
    argc: 0,
    starts: new Int32Array(ARGUMENTS_INITIAL),
    ends: new Int32Array(ARGUMENTS_INITIAL),
    buffer: NOTHING as Buffer,
  };

  readonly #input = new InputBuffer();
  /** Next byte to parse. `#input.at` is the start of the current command. */
  #cursor = 0;
  /** How far the current line was searched for its end. */
  #searched = 0;
  /** Number of arguments of the current multibulk; 0 between commands. */
  #expected = 0;
  /** Length of the awaited bulk; -1 before its header. */
  #bulkBytes = -1;
  #held = false;
  #isStranger = false;
  #queryBytesMax = RESP_QUERY_BYTES_MAX;

  constructor() {
    this.buffer = this.#input.bytes;
  }

  /**
   * Takes the first `byteCount` bytes of a chunk, which the decoder may write into. A `lent` chunk
   * belongs to the caller again after `keep`.
   */
  push(chunk: Buffer, byteCount = chunk.length, lent = false): void {
    this.#dropConsumed();
    this.#moved(this.#input.push(chunk, byteCount, lent));
  }

  /** Returns a lent chunk to the caller: copies the bytes that are still needed. */
  keep(): void {
    this.#dropConsumed();
    this.#moved(this.#input.keep());
  }

  /** Whether the client has yet to log in: its commands are limited to what a login needs. */
  set isStranger(isStranger: boolean) {
    this.#isStranger = isStranger;
    this.#queryBytesMax = isStranger ? RESP_STRANGER_QUERY_BYTES_MAX : RESP_QUERY_BYTES_MAX;
  }

  /** Makes the following `next` return the current command again (`push` may come between). */
  hold(): void {
    this.#held = true;
  }

  /** Releases the memory of the previous command; call it when a turn is over. */
  forget(): void {
    this.previous.argc = 0;
    this.previous.buffer = NOTHING;
  }

  /** Whether a part of a command has arrived; call it after `next` returned false. */
  get unfinished(): boolean {
    return this.#input.end > this.#input.at;
  }

  /** Bytes that have arrived and have not been parsed. */
  get waitingBytes(): number {
    return this.#input.end - this.#cursor;
  }

  /** Memory that an unfinished command takes. */
  get heldBytes(): number {
    const { previous, starts } = this;
    return this.#input.heldBytes + 2 * (starts.byteLength + previous.starts.byteLength);
  }

  /**
   * Where the next command begins in `buffer`, or -1 in the middle of one; meant for read-ahead.
   */
  get nextStart(): number {
    return this.#expected === 0 && !this.#held ? this.#cursor : -1;
  }

  /** End of the bytes in `buffer` that have arrived. */
  get end(): number {
    return this.#input.end;
  }

  /** Returns true when a complete command is ready. Throws ProtocolError. */
  next(): boolean {
    if (this.#held) {
      this.#held = false;
      return true;
    }
    for (;;) {
      if (this.#expected === 0) {
        this.#input.at = this.#cursor;
        if (this.argc > 0) this.#keepPrevious();
        this.longestBytes = 0;
        if (this.#cursor === this.#input.end) return this.#ranDry();
        if (this.buffer[this.#cursor] !== STAR) {
          if (!this.#readInline()) return this.#ranDry();
          if (this.argc > 0) return true;
          continue;
        }
        if (!this.#readCount()) return this.#ranDry();
        if (this.#expected === 0) continue;
      }
      if (!this.#readArguments()) return this.#ranDry();
      this.#expected = 0;
      return true;
    }
  }

  /** For inline.ts; not for callers. */
  addWord(start: number, end: number): void {
    if (this.argc === this.starts.length) this.#growArguments();
    this.starts[this.argc] = start;
    this.ends[this.argc++] = end;
    if (end - start > this.longestBytes) this.longestBytes = end - start;
  }

  /** Begins a command in the arrays of the one before the last; hot. */
  #keepPrevious(): void {
    const { ends, previous, starts } = this;
    this.starts = previous.starts;
    this.ends = previous.ends;
    previous.starts = starts;
    previous.ends = ends;
    previous.argc = this.argc;
    previous.buffer = this.buffer;
    this.argc = 0;
  }

  #dropConsumed(): void {
    if (this.#expected === 0 && !this.#held) this.#input.at = this.#cursor;
  }

  #ranDry(): false {
    const idle = this.#input.at === this.#input.end;
    this.#moved(this.#input.settle());
    if (idle) {
      releaseLarge(this);
      releaseLarge(this.previous);
    }
    return false;
  }

  #moved(byBytes: number): void {
    this.buffer = this.#input.bytes;
    if (byBytes === 0) return;
    this.#cursor -= byBytes;
    this.#searched -= byBytes;
    for (let index = 0; index < this.argc; index++) {
      this.starts[index] = (this.starts[index] as number) - byBytes;
      this.ends[index] = (this.ends[index] as number) - byBytes;
    }
  }

  /** Reads `*<count>\r\n`; returns false if it is incomplete. */
  #readCount(): boolean {
    const lineEnd = this.#headerEnd('too big mbulk count string');
    if (lineEnd < 0) return false;
    const count = parseInteger(this.buffer, this.#cursor + 1, lineEnd);
    if (count === NOT_A_NUMBER || count > RESP_ARGUMENTS_MAX) {
      throw new ProtocolError('invalid multibulk length');
    }
    if (this.#isStranger && count > RESP_STRANGER_ARGUMENTS_MAX) {
      throw new ProtocolError('unauthenticated multibulk length');
    }
    this.#cursor = lineEnd + 2;
    this.#expected = Math.max(count, 0);
    return true;
  }

  /** Reads arguments until all are there; returns false if the bytes run out. Hot. */
  #readArguments(): boolean {
    const buffer = this.buffer;
    const end = this.#input.end;
    while (this.argc < this.#expected) {
      let cursor = this.#cursor;
      let length = this.#bulkBytes;
      if (length < 0) {
        // The usual header is read in one go; anything unusual is left to #readBulkHeader.
        const first = cursor + 1 < end ? (buffer[cursor + 1] as number) - DIGIT_0 : -1;
        if (first > 0 && first <= 9 && buffer[cursor] === DOLLAR) {
          let at = cursor + 2;
          let value = first;
          while (at < end) {
            const digit = (buffer[at] as number) - DIGIT_0;
            if (digit < 0 || digit > 9) break;
            value = value * 10 + digit;
            at++;
          }
          if (at + 1 < end && buffer[at] === CR && value <= VALUE_BYTES_MAX) {
            length = value;
            cursor = at + 2;
          }
        }
        if (length < 0) {
          length = this.#readBulkHeader();
          if (length < 0) return false;
          cursor = this.#cursor;
        }
        if (cursor - this.#input.at + length > this.#queryBytesMax) {
          const what = this.#isStranger ? 'unauthenticated bulk length' : 'too big request';
          throw new ProtocolError(what);
        }
      }
      if (end - cursor < length + 2) {
        this.#cursor = cursor;
        this.#bulkBytes = length;
        return false;
      }
      this.addWord(cursor, cursor + length);
      this.#cursor = cursor + length + 2;
      this.#bulkBytes = -1;
    }
    return true;
  }

  /** Reads `$<length>\r\n` with exact errors; returns -1 if it is incomplete. */
  #readBulkHeader(): number {
    const lineEnd = this.#headerEnd('too big bulk count string');
    if (lineEnd < 0) return -1;
    const mark = this.buffer[this.#cursor] as number;
    if (mark !== DOLLAR) {
      throw new ProtocolError(`expected '$', got '${String.fromCharCode(mark)}'`);
    }
    const length = parseInteger(this.buffer, this.#cursor + 1, lineEnd);
    if (length < 0 || length > VALUE_BYTES_MAX) throw new ProtocolError('invalid bulk length');
    this.#cursor = lineEnd + 2;
    return length;
  }

  /** Reads a line of words; returns false if it is incomplete. An empty line leaves `argc` at 0. */
  #readInline(): boolean {
    if (this.buffer[this.#cursor] === TLS_HANDSHAKE) {
      throw new ProtocolError('this is TLS, which the port is not for');
    }
    const lineFeed = this.#search(LF, 'too big inline request');
    if (lineFeed < 0) return false;
    const hasReturn = lineFeed > this.#cursor && this.buffer[lineFeed - 1] === CR;
    splitInline(this.buffer, this.#cursor, hasReturn ? lineFeed - 1 : lineFeed, this);
    this.#cursor = lineFeed + 1;
    if (this.argc > 0) this.#refuseHttp();
    return true;
  }

  /**
   * Throws for an HTTP request, which a web page may send to this port with commands in its body.
   * Redis closes too.
   */
  #refuseHttp(): void {
    const [start = 0, end = 0] = [this.starts[0], this.ends[0]];
    if (end - start < HTTP_WORD_BYTES_MIN || end - start > HTTP_WORD_BYTES_MAX) return;
    const word = this.buffer.toString('latin1', start, end).toLowerCase();
    if (word !== 'post' && word !== 'host:') return;
    throw new ProtocolError('this is an HTTP request, but the port is for the Redis protocol');
  }

  /**
   * Index of the `\r` that ends the current header, if the byte after it has arrived too; otherwise
   * -1.
   */
  #headerEnd(tooBig: string): number {
    const at = this.#search(CR, tooBig);
    return at >= 0 && at + 1 < this.#input.end ? at : -1;
  }

  #search(byte: number, tooBig: string): number {
    const limit = Math.min(this.#input.end, this.#cursor + RESP_INLINE_BYTES_MAX + 1);
    let at = Math.max(this.#searched, this.#cursor);
    while (at < limit && this.buffer[at] !== byte) at++;
    this.#searched = at;
    if (at - this.#cursor > RESP_INLINE_BYTES_MAX) throw new ProtocolError(tooBig);
    return at < limit ? at : -1;
  }

  // Doubles as arguments arrive, so a count that is only announced reserves nothing.
  #growArguments(): void {
    const starts = new Int32Array(this.starts.length * 2);
    const ends = new Int32Array(this.ends.length * 2);
    starts.set(this.starts);
    ends.set(this.ends);
    this.starts = starts;
    this.ends = ends;
  }
}

/** Replaces large argument tables, whose command is then gone. */
function releaseLarge(command: { starts: Int32Array; ends: Int32Array; argc: number }): void {
  if (command.starts.length <= ARGUMENTS_KEEP_MAX) return;
  command.starts = new Int32Array(ARGUMENTS_INITIAL);
  command.ends = new Int32Array(ARGUMENTS_INITIAL);
  command.argc = 0;
}

/**
 * A decimal integer as Redis reads it: no sign but `-`, no leading zero, no space; or NOT_A_NUMBER.
 */
function parseInteger(bytes: Buffer, from: number, to: number): number {
  const negative = bytes[from] === MINUS && from < to;
  const start = negative ? from + 1 : from;
  const digitCount = to - start;
  if (digitCount < 1 || digitCount > 15) return NOT_A_NUMBER;
  if (bytes[start] === DIGIT_0) return digitCount === 1 && !negative ? 0 : NOT_A_NUMBER;
  let value = 0;
  for (let at = start; at < to; at++) {
    const digit = (bytes[at] as number) - DIGIT_0;
    if (digit < 0 || digit > 9) return NOT_A_NUMBER;
    value = value * 10 + digit;
  }
  return negative ? -value : value;
}
