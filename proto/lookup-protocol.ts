// The lookup protocol: a connection to a datanode's HTTP port, which is upgraded with its first
// request.
//
//     master or client                                      datanode
//       GET /v1/lookups   upgrade: stele-lookups
//                         stele-node: node-0           ->
//                                                      <-   101
//     then as often as wanted, without waiting for each other:
//       request                                        ->
//                                                      <-   reply, or several in the order of the keys
//
// Both are frames, of little-endian numbers:
//
//     request   length u32 | id u32 | keys u32 | bytes of the keys u32 | key entries | targets
//     reply     length u32 | id u32 | first u32 | keys u32 | result entries
//     target    length of the uid u16 | uid | version u48
//     key entry     index of the target u16 | length of the key u32 | key
//     result entry  status u8 | length of the value u32 | value
//
// `length` counts what follows it. A reply covers `keys` consecutive keys of its request, from
// number `first` on. A reply of no keys is a refusal, with Stele's code and a sentence as JSON in
// place of the entries: the request is for another node (WRONG_NODE), or malformed; the connection
// is then closed.
//
// docs/lookup-protocol.md is normative. This is not a gRPC stream, because each message would cost
// both sides several times as much (docs/decisions/0032-no-lookup-stream.md).

import { SteleError, isErrorCode } from '../base/errors.ts';
import {
  GRPC_MESSAGE_BYTES_MAX,
  KEY_BYTES_MAX,
  LOOKUP_BATCH_KEYS_MAX,
  LOOKUP_REPLY_SOFT_BYTES,
} from '../base/limits.ts';
import type { InputBuffer } from '../base/input-buffer.ts';
import { LookupStatus } from './gen/stele/v1/lookup.ts';
import type { LookupKey, LookupTargetRef } from './ports.ts';

export const LOOKUPS_PATH = '/v1/lookups';
export const LOOKUPS_PROTOCOL = 'stele-lookups';
/** The header with the id of the datanode that is meant; without it any datanode accepts. */
export const LOOKUPS_NODE_HEADER = 'stele-node';

export const LENGTH_BYTES = 4;
/** Bytes of the head of a request, and of a reply. */
export const FRAME_HEAD_BYTES = LENGTH_BYTES + 3 * 4;
const UID_LENGTH_BYTES = 2;
const VERSION_BYTES = 6;
/** Bytes of a target with a uid longer than any. */
const TARGET_BYTES_MAX = 256;
/** A request is sent once it has so many bytes of keys, or so many keys. */
export const REQUEST_BYTES_MAX =
  FRAME_HEAD_BYTES +
  LOOKUP_REPLY_SOFT_BYTES +
  KEY_BYTES_MAX +
  LOOKUP_BATCH_KEYS_MAX * TARGET_BYTES_MAX;
/** A reply is sent once it has a MiB; a single value may be larger. */
export const REPLY_FRAME_BYTES_MAX = GRPC_MESSAGE_BYTES_MAX;
const REFUSAL_TEXT_MAX = 500;
const KEY_HEADER_BYTES = 6;
const RESULT_HEADER_BYTES = 5;

const NO_BYTES: Buffer = Buffer.alloc(0);
const CAPACITY_BYTES_MIN = 1024;
const CAPACITY_BYTES_MAX = 256 * 1024;

/** A request; `keys` are entries that the next read may overwrite. */
export interface LookupRequestFrame {
  readonly id: number;
  readonly targets: readonly LookupTargetRef[];
  readonly count: number;
  keys: Buffer;
}

/**
 * The answers to keys [first, first + count) of request `id`: entries, in `results` after a head
 * that is left free.
 */
export interface LookupReply {
  readonly id: number;
  readonly first: number;
  readonly count: number;
  readonly results: Buffer;
}

/**
 * The length of the frame at the start of the input, including its length field; undefined if it is
 * incomplete. Throws INVALID_ARGUMENT for a frame that is shorter than a head or longer than
 * `bytesMax`.
 */
export function frameBytes(input: InputBuffer, bytesMax: number): number | undefined {
  const available = input.end - input.at;
  if (available < LENGTH_BYTES) return undefined;
  const byteCount = LENGTH_BYTES + input.bytes.readUInt32LE(input.at);
  if (byteCount < FRAME_HEAD_BYTES || byteCount > bytesMax) throw malformed();
  return available < byteCount ? undefined : byteCount;
}

/** Encodes the request for `keys` with `writer`, which must be empty and leave a head free. */
export function takeRequest(writer: PackedWriter, id: number, keys: readonly LookupKey[]): Buffer {
  const indexes = new Map<LookupTargetRef, number>();
  let target: LookupTargetRef | undefined;
  let index = 0;
  for (const key of keys) {
    if (key.target !== target) {
      target = key.target;
      index = indexes.get(target) ?? indexes.size;
      indexes.set(target, index);
    }
    writer.addKey(index, key.key);
  }
  const { byteLength } = writer;
  for (const { keyspaceUid, version } of indexes.keys()) {
    const uidBytes = Buffer.byteLength(keyspaceUid);
    writer.addTail(UID_LENGTH_BYTES + uidBytes + VERSION_BYTES, (bytes, at) => {
      bytes.writeUInt16LE(uidBytes, at);
      bytes.write(keyspaceUid, at + UID_LENGTH_BYTES);
      bytes.writeUIntLE(version, at + UID_LENGTH_BYTES + uidBytes, VERSION_BYTES);
    });
  }
  const frame = writer.take();
  writeHead(frame, id, keys.length, byteLength);
  return frame;
}

/** The request in bytes[at, end). Throws INVALID_ARGUMENT. */
export function readRequest(bytes: Buffer, at: number, end: number): LookupRequestFrame {
  const id = bytes.readUInt32LE(at + LENGTH_BYTES);
  const count = bytes.readUInt32LE(at + LENGTH_BYTES + 4);
  const keysStart = at + FRAME_HEAD_BYTES;
  const keysEnd = keysStart + bytes.readUInt32LE(at + LENGTH_BYTES + 8);
  if (keysEnd > end) throw malformed();
  const targets: LookupTargetRef[] = [];
  for (let next = keysEnd; next < end;) {
    const uidStart = next + UID_LENGTH_BYTES;
    const uidEnd = uidStart > end ? uidStart : uidStart + bytes.readUInt16LE(next);
    next = uidEnd + VERSION_BYTES;
    if (next > end) throw malformed();
    const keyspaceUid = bytes.toString('utf8', uidStart, uidEnd);
    targets.push({ keyspaceUid, version: bytes.readUIntLE(uidEnd, VERSION_BYTES) });
  }
  return { id, targets, count, keys: bytes.subarray(keysStart, keysEnd) };
}

/** Fills in the head of a reply whose entries follow it. */
export function writeReplyHead(frame: Buffer, id: number, first: number, count: number): void {
  writeHead(frame, id, first, count);
}

/** Encodes a refusal; a long `detail` is cut. */
export function encodeRefusal({ code, message }: SteleError): Buffer {
  const text = JSON.stringify({ code, detail: message.slice(0, REFUSAL_TEXT_MAX) });
  const frame = Buffer.concat([Buffer.alloc(FRAME_HEAD_BYTES), Buffer.from(text)]);
  writeHead(frame, 0, 0, 0);
  return frame;
}

/** The error in a refusal, whose text is bytes[at, end); `peer` names the sender. */
export function readRefusal(bytes: Buffer, at: number, end: number, peer: string): SteleError {
  try {
    const refusal: unknown = JSON.parse(bytes.toString('utf8', at, end));
    if (
      typeof refusal === 'object' &&
      refusal !== null &&
      'code' in refusal &&
      'detail' in refusal
    ) {
      const { code, detail } = refusal;
      if (typeof code === 'string' && isErrorCode(code))
        return new SteleError(code, `${peer}: ${String(detail)}`);
    }
  } catch {
    // Reported below.
  }
  return new SteleError('UNAVAILABLE', `${peer} sent a malformed answer.`);
}

function writeHead(frame: Buffer, first: number, second: number, third: number): void {
  frame.writeUInt32LE(frame.length - LENGTH_BYTES, 0);
  frame.writeUInt32LE(first, LENGTH_BYTES);
  frame.writeUInt32LE(second, LENGTH_BYTES + 4);
  frame.writeUInt32LE(third, LENGTH_BYTES + 8);
}

function malformed(): SteleError {
  return new SteleError(
    'INVALID_ARGUMENT',
    'The bytes received are not a frame of the lookup protocol.',
  );
}

/** A growing buffer for entries; `take` returns its content and starts again. */
export class PackedWriter {
  readonly #headBytes: number;
  #buffer = NO_BYTES;
  /** The memory that was taken last. */
  #taken = NO_BYTES;
  #length: number;
  #count = 0;
  #expectedBytes: number;

  /**
   * `expectedBytes` is the initial capacity, within limits; `headBytes` are left free before the
   * entries.
   */
  constructor(expectedBytes = 4096, headBytes = 0) {
    this.#expectedBytes = expectedBytes;
    this.#headBytes = headBytes;
    this.#length = headBytes;
  }

  /** Bytes of the entries. */
  get byteLength(): number {
    return this.#length - this.#headBytes;
  }

  get count(): number {
    return this.#count;
  }

  addKey(target: number, key: Uint8Array): void {
    const at = this.#reserve(KEY_HEADER_BYTES + key.length);
    this.#buffer.writeUInt16LE(target, at);
    this.#buffer.writeUInt32LE(key.length, at + 2);
    this.#buffer.set(key, at + KEY_HEADER_BYTES);
  }

  /** Copies source[start, end) as the value of one result. */
  addResult(status: LookupStatus, source: Uint8Array, start: number, end: number): void {
    const at = this.#reserve(RESULT_HEADER_BYTES + end - start);
    this.#buffer[at] = status;
    this.#buffer.writeUInt32LE(end - start, at + 1);
    if (end > start) this.#buffer.set(source.subarray(start, end), at + RESULT_HEADER_BYTES);
  }

  /** Appends `byteCount` bytes that are not an entry; `write` writes them at `at`. */
  addTail(byteCount: number, write: (bytes: Buffer, at: number) => void): void {
    const at = this.#reserve(byteCount);
    this.#count--;
    write(this.#buffer, at);
  }

  /** Returns head and entries so far, which then belong to the caller. */
  take(): Buffer {
    const taken = this.#buffer.subarray(0, this.#length);
    // The next one will be about as long; a quarter is added, so that it rarely has to grow.
    this.#expectedBytes = this.#length * 1.25;
    this.#taken = this.#buffer;
    this.#buffer = NO_BYTES;
    this.#length = this.#headBytes;
    this.#count = 0;
    return taken;
  }

  /** The bytes taken last are no longer needed, so their memory may be reused. */
  release(): void {
    const isFresh = this.#buffer.length === 0;
    if (isFresh && this.#taken.length <= CAPACITY_BYTES_MAX) this.#buffer = this.#taken;
    this.#taken = NO_BYTES;
  }

  #reserve(byteCount: number): number {
    const at = this.#length;
    if (at + byteCount > this.#buffer.length) {
      const isFirst = at === this.#headBytes;
      const capacityBytes = isFirst ? capacityFor(this.#expectedBytes) : this.#buffer.length * 2;
      const grown = Buffer.allocUnsafe(Math.max(capacityBytes, at + byteCount));
      grown.set(this.#buffer.subarray(0, at));
      this.#buffer = grown;
    }
    this.#length = at + byteCount;
    this.#count++;
    return at;
  }
}

function capacityFor(byteCount: number): number {
  return Math.max(CAPACITY_BYTES_MIN, Math.min(CAPACITY_BYTES_MAX, Math.ceil(byteCount)));
}

/**
 * Calls `onKey(index, target, start, end)` for each entry of a request. Throws INVALID_ARGUMENT.
 */
export function readKeys(
  packed: Buffer,
  count: number,
  onKey: (index: number, target: number, start: number, end: number) => void,
): void {
  let at = 0;
  for (let index = 0; index < count; index++) {
    if (at + KEY_HEADER_BYTES > packed.length) throw malformedEntry('key', index);
    const target = packed.readUInt16LE(at);
    const start = at + KEY_HEADER_BYTES;
    const end = start + packed.readUInt32LE(at + 2);
    if (end > packed.length || end - start > KEY_BYTES_MAX) throw malformedEntry('key', index);
    onKey(index, target, start, end);
    at = end;
  }
  if (at !== packed.length) throw malformedEntry('key', count);
}

/**
 * Calls `onResult(index, status, start, end)` for each entry in packed[from, to). Throws
 * INVALID_ARGUMENT.
 */
export function readResults(
  packed: Buffer,
  from: number,
  to: number,
  count: number,
  onResult: (index: number, status: LookupStatus, start: number, end: number) => void,
): void {
  let at = from;
  for (let index = 0; index < count; index++) {
    if (at + RESULT_HEADER_BYTES > to) throw malformedEntry('result', index);
    const status = statusOf(packed[at]);
    const start = at + RESULT_HEADER_BYTES;
    const end = start + packed.readUInt32LE(at + 1);
    if (end > to) throw malformedEntry('result', index);
    onResult(index, status, start, end);
    at = end;
  }
  if (at !== to) throw malformedEntry('result', count);
}

function statusOf(byte: number | undefined): LookupStatus {
  if (byte === LookupStatus.OK) return LookupStatus.OK;
  if (byte === LookupStatus.NOT_FOUND) return LookupStatus.NOT_FOUND;
  return LookupStatus.UNAVAILABLE;
}

function malformedEntry(what: string, index: number): SteleError {
  return new SteleError('INVALID_ARGUMENT', `The packed ${what} number ${index} is malformed.`);
}
