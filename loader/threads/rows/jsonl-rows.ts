// Records as JSON Lines, as a load reads them without any flag:
//
//     {"key":"a","value":"text"}
//     {"key":"b","value_base64":"/wA="}      what is not UTF-8, or far longer as a JSON string
//
// A string of JSON takes up to six times its bytes (\u0000), and a load accepts rows of 129 MiB, so
// long texts full of control characters go as base64, too.

import { isUtf8 } from 'node:buffer';
import { appendByte, appendBytes, reserve } from '../../bytes/growable-buffer.ts';
import type { GrowableBuffer } from '../../bytes/growable-buffer.ts';
import { QUOTE } from '../../input/dialect.ts';
import { appendJsonString } from '../../parse/json/json-text.ts';
import type { RowsWriter } from './rows-writer.ts';

const BACKSLASH = 0x5c;
const ESCAPED_BYTES_MAX = 96 * 1024 * 1024;
/** Of a control character without a letter: \u0000. */
const ESCAPE_BYTES_MAX = 6;

const KEY = Buffer.from('{"key":');
const KEY_BASE64 = Buffer.from('{"key_base64":');
const VALUE = Buffer.from(',"value":');
const VALUE_BASE64 = Buffer.from(',"value_base64":');
const END = Buffer.from('}\n');

export class JsonlRows implements RowsWriter {
  readonly #out: GrowableBuffer;

  /** The rows go into `out`, in place of what is in it. */
  constructor(out: GrowableBuffer) {
    this.#out = out;
    out.length = 0;
  }

  get byteCount(): number {
    return this.#out.length;
  }

  add(bytes: Buffer, view: DataView, keyStart: number, valueStart: number, end: number): void {
    this.#member(bytes, view, keyStart, valueStart, KEY, KEY_BASE64);
    this.#member(bytes, view, valueStart, end, VALUE, VALUE_BASE64);
    appendBytes(this.#out, END, 0, END.length);
  }

  finish(): Buffer {
    return this.#out.bytes.subarray(0, this.#out.length);
  }

  #member(
    bytes: Buffer,
    view: DataView,
    start: number,
    end: number,
    name: Buffer,
    base64Name: Buffer,
  ): void {
    if (isText(bytes, start, end)) {
      appendBytes(this.#out, name, 0, name.length);
      appendJsonString(this.#out, bytes, view, start, end);
      return;
    }
    appendBytes(this.#out, base64Name, 0, base64Name.length);
    const text = bytes.toString('base64', start, end);
    appendByte(this.#out, QUOTE);
    reserve(this.#out, text.length);
    this.#out.length += this.#out.bytes.write(text, this.#out.length, 'latin1');
    appendByte(this.#out, QUOTE);
  }
}

function isText(bytes: Buffer, start: number, end: number): boolean {
  if (!isUtf8(bytes.subarray(start, end))) return false;
  const isShort = (end - start) * ESCAPE_BYTES_MAX <= ESCAPED_BYTES_MAX;
  return isShort || escapedBytes(bytes, start, end) <= ESCAPED_BYTES_MAX;
}

/** At most this many bytes as a JSON string. */
function escapedBytes(bytes: Buffer, start: number, end: number): number {
  let count = end - start;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number;
    if (byte < 0x20) count += ESCAPE_BYTES_MAX - 1;
    else if (byte === QUOTE || byte === BACKSLASH) count++;
  }
  return count;
}
