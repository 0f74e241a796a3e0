// How lookups travel between processes: over a connection to a datanode's HTTP port, which leaves HTTP behind
// with its first request.
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
//
// `length` counts what follows it; lookup-codec.ts has the entries. A reply covers `keys` consecutive keys
// of its request, from number `first` on. One of no keys is a refusal, with Stele's code and a sentence as JSON
// in place of the entries: another node is meant (WRONG_NODE), or what came is no request; the connection is
// closed after it.
//
// docs/lookup-protocol.md is the norm. Not a gRPC stream, whose messages cost each side several times what these do (docs/decisions/0032-no-lookup-stream.md).

import { SteleError, isErrorCode } from '../base/errors.ts';
import {
  GRPC_MESSAGE_BYTES_MAX,
  KEY_BYTES_MAX,
  LOOKUP_BATCH_KEYS_MAX,
  LOOKUP_REPLY_SOFT_BYTES,
} from '../base/limits.ts';
import type { InputBuffer } from '../base/input-buffer.ts';
import type { PackedWriter } from './lookup-codec.ts';
import type { LookupTargetRef } from './ports.ts';

export const LOOKUPS_PATH = '/v1/lookups';
export const LOOKUPS_PROTOCOL = 'stele-lookups';
/** The header that names the datanode that is meant; without it any will do. */
export const LOOKUPS_NODE_HEADER = 'stele-node';

export const LENGTH_BYTES = 4;
/** Of a request, and of a reply. */
export const HEAD_BYTES = LENGTH_BYTES + 3 * 4;
const UID_LENGTH_BYTES = 2;
const VERSION_BYTES = 6;
/** With a uid longer than any. */
const TARGET_BYTES_MAX = 256;
/** A request is sent when it has so many bytes of keys, or so many keys. */
export const REQUEST_BYTES_MAX =
  HEAD_BYTES + LOOKUP_REPLY_SOFT_BYTES + KEY_BYTES_MAX + LOOKUP_BATCH_KEYS_MAX * TARGET_BYTES_MAX;
/** A reply is sent when it has a MiB; one value may be larger. */
export const REPLY_BYTES_MAX = GRPC_MESSAGE_BYTES_MAX;
const REFUSAL_TEXT_MAX = 500;

/** What is asked; `keys` are entries that the next read may overwrite. */
export interface LookupRequestFrame {
  readonly id: number;
  readonly targets: readonly LookupTargetRef[];
  readonly count: number;
  keys: Buffer;
}

/** The answers to keys [first, first + count) of request `id`: entries, in `results` after a head that is free. */
export interface LookupReply {
  readonly id: number;
  readonly first: number;
  readonly count: number;
  readonly results: Buffer;
}

/**
 * Whether the input begins with a whole frame: its length then, with the four bytes that say so. Throws
 * INVALID_ARGUMENT for one that is shorter than a head or longer than `bytesMax`.
 */
export function frameBytes(input: InputBuffer, bytesMax: number): number | undefined {
  const available = input.end - input.at;
  if (available < LENGTH_BYTES) return undefined;
  const byteCount = LENGTH_BYTES + input.bytes.readUInt32LE(input.at);
  if (byteCount < HEAD_BYTES || byteCount > bytesMax) throw malformed();
  return available < byteCount ? undefined : byteCount;
}

/** The request that `keys`, whose head is free, are the entries of. */
export function takeRequest(
  keys: PackedWriter,
  id: number,
  targets: readonly LookupTargetRef[],
): Buffer {
  const { byteLength, count } = keys;
  for (const { keyspaceUid, version } of targets) {
    const uidBytes = Buffer.byteLength(keyspaceUid);
    keys.addTail(UID_LENGTH_BYTES + uidBytes + VERSION_BYTES, (bytes, at) => {
      bytes.writeUInt16LE(uidBytes, at);
      bytes.write(keyspaceUid, at + UID_LENGTH_BYTES);
      bytes.writeUIntLE(version, at + UID_LENGTH_BYTES + uidBytes, VERSION_BYTES);
    });
  }
  const frame = keys.take();
  writeHead(frame, id, count, byteLength);
  return frame;
}

/** The request in bytes[at, end). Throws INVALID_ARGUMENT. */
export function readRequest(bytes: Buffer, at: number, end: number): LookupRequestFrame {
  const id = bytes.readUInt32LE(at + LENGTH_BYTES);
  const count = bytes.readUInt32LE(at + LENGTH_BYTES + 4);
  const keysStart = at + HEAD_BYTES;
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

/** Fills the head of a reply whose entries follow it. */
export function writeReplyHead(frame: Buffer, id: number, first: number, count: number): void {
  writeHead(frame, id, first, count);
}

/** `detail` is cut where it is long. */
export function encodeRefusal({ code, message }: SteleError): Buffer {
  const text = JSON.stringify({ code, detail: message.slice(0, REFUSAL_TEXT_MAX) });
  const frame = Buffer.concat([Buffer.alloc(HEAD_BYTES), Buffer.from(text)]);
  writeHead(frame, 0, 0, 0);
  return frame;
}

/** The error that a reply of no keys is, its text in bytes[at, end); `peer` names who said it. */
export function readRefusal(bytes: Buffer, at: number, end: number, peer: string): SteleError {
  try {
    const told: unknown = JSON.parse(bytes.toString('utf8', at, end));
    if (typeof told === 'object' && told !== null && 'code' in told && 'detail' in told) {
      const { code, detail } = told;
      if (typeof code === 'string' && isErrorCode(code))
        return new SteleError(code, `${peer}: ${String(detail)}`);
    }
  } catch {
    // Told below.
  }
  return new SteleError('UNAVAILABLE', `${peer} answered what is not understood.`);
}

function writeHead(frame: Buffer, first: number, second: number, third: number): void {
  frame.writeUInt32LE(frame.length - LENGTH_BYTES, 0);
  frame.writeUInt32LE(first, LENGTH_BYTES);
  frame.writeUInt32LE(second, LENGTH_BYTES + 4);
  frame.writeUInt32LE(third, LENGTH_BYTES + 8);
}

function malformed(): SteleError {
  return new SteleError('INVALID_ARGUMENT', 'What came is no frame of the lookup protocol.');
}
