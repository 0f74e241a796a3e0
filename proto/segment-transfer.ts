// The segment protocol, for segments sent to a datanode or fetched from one: a connection to its
// HTTP port, which is upgraded with its first request.
//
//     loader or datanode                                    datanode
//       GET /v1/segments    upgrade: stele-segments    ->
//                                                      <-   101
//     then, one after the other, a segment that is put:
//       announcement                                   ->
//                                                      <-   send: space is reserved
//       the bytes, as many as announced                ->
//                                                      <-   stored: verified, synced to disk, servable
//     or one that the datanode pulls out of an object store:
//       announcement with its origin                   ->
//                                                      <-   pulling: bytes so far; every second
//                                                      <-   stored
//     or one that is fetched from the datanode:
//       wish                                           ->
//                                                      <-   sending: number of bytes
//                                                      <-   the bytes
//
// Announcement, wish and answers are frames: a length (u32, little-endian) and that many bytes of
// JSON. A datanode that already has the announced segment answers `stored` at once and gets no
// bytes. A refusal (another node or incarnation is meant, no space, damaged bytes, not held) has
// Stele's code, before or after the bytes; the connection remains usable. A peer that sends
// anything unexpected is disconnected.
//
// Neither gRPC nor a request per segment is used: both copy bulk bytes several times and leave the
// copies to the garbage collector of a process that has readers to answer
// (docs/decisions/0007-segment-connections.md).

import { SteleError, isErrorCode } from '../base/errors.ts';
import type { TierWord } from './view-words.ts';

export const SEGMENTS_PATH = '/v1/segments';
export const SEGMENTS_PROTOCOL = 'stele-segments';

const LENGTH_BYTES = 4;
/** Limit of the JSON of a frame. */
const FRAME_BYTES_MAX = 4096;

/** A loader's message before the bytes. Another node or incarnation refuses it (WRONG_NODE). */
export interface SegmentAnnouncement {
  readonly keyspaceUid: string;
  readonly segmentId: string;
  readonly byteLength: number;
  /** Empty: any. */
  readonly expectNode: string;
  readonly expectIncarnation: string;
  readonly loadId: string;
  /** That of the load, for a keyspace that a datanode may not know yet; absent: that of the keyspace. */
  readonly tier?: TierWord | undefined;
}

/** The object of a store out of which a datanode is to pull an announced segment. */
export interface SegmentOrigin {
  readonly url: string;
  /** As in StoreRef (datanode.proto); credentials are those of the datanode. */
  readonly s3Endpoint: string;
  readonly s3Region: string;
  /** The name of the object below `url`. */
  readonly object: string;
  /** Of the segment; another one is refused. */
  readonly shardCount: number;
  /** For everything that this datanode pulls; 0: no limit. */
  readonly bytesPerSecondMax: number;
}

/** A datanode's request to fetch a segment. Another node refuses it (WRONG_NODE). */
export interface SegmentWish {
  readonly keyspaceUid: string;
  readonly segmentId: string;
  readonly expectNode: string;
}

/** The bytes that a datanode has pulled so far. */
export interface SegmentPulling {
  readonly pulling: number;
}

/** The answer of a datanode. */
export type SegmentAnswer =
  | 'send'
  | 'stored'
  | { readonly sending: number }
  | SegmentPulling
  | { readonly code: string; readonly detail: string };

/** Encodes a frame. Throws INTERNAL if the content is too long. */
export function encodeFrame(content: object): Buffer {
  const text = JSON.stringify(content);
  const byteCount = Buffer.byteLength(text);
  if (byteCount > FRAME_BYTES_MAX) {
    throw new SteleError('INTERNAL', `A frame of ${byteCount} bytes is too long.`);
  }
  const frame = Buffer.allocUnsafe(LENGTH_BYTES + byteCount);
  frame.writeUInt32LE(byteCount);
  frame.write(text, LENGTH_BYTES);
  return frame;
}

export function encodeAnswer(answer: SegmentAnswer): Buffer {
  if (typeof answer === 'string') return encodeFrame({ answer });
  if ('pulling' in answer) return encodeFrame({ answer: 'pulling', bytesDone: answer.pulling });
  if ('sending' in answer) return encodeFrame({ answer: 'sending', byteLength: answer.sending });
  // The start of a long sentence is better than none.
  return encodeFrame({ code: answer.code, detail: answer.detail.slice(0, FRAME_BYTES_MAX / 8) });
}

/** Collects one frame from pieces that may end anywhere. */
export class FrameReader {
  readonly #bytes = Buffer.allocUnsafe(LENGTH_BYTES + FRAME_BYTES_MAX);
  #received = 0;

  /** Where the next bytes go; not empty. */
  get room(): Buffer {
    return this.#bytes.subarray(this.#received);
  }

  /** Like `room`, but ends with the frame, because what follows belongs elsewhere. */
  get exactRoom(): Buffer {
    if (this.#received < LENGTH_BYTES) return this.#bytes.subarray(this.#received, LENGTH_BYTES);
    const end = LENGTH_BYTES + this.#bytes.readUInt32LE();
    return this.#bytes.subarray(this.#received, end);
  }

  /**
   * Notes that `byteCount` bytes were written to `room`. Returns the content once the frame is
   * complete, and is then empty. Throws INVALID_ARGUMENT for a malformed frame, and for bytes after
   * it.
   */
  filled(byteCount: number): Record<string, unknown> | undefined {
    this.#received += byteCount;
    if (this.#received < LENGTH_BYTES) return undefined;
    const end = LENGTH_BYTES + this.#bytes.readUInt32LE();
    if (end > this.#bytes.length || this.#received > end) throw notAFrame();
    if (this.#received < end) return undefined;
    this.#received = 0;
    return parseObject(this.#bytes.toString('utf8', LENGTH_BYTES, end));
  }
}

/** Whether a frame is a wish, not an announcement. */
export function isWish(content: Record<string, unknown>): boolean {
  return content['wish'] === true;
}

export function encodeWish({ expectNode, keyspaceUid, segmentId }: SegmentWish): Buffer {
  return encodeFrame({ wish: true, keyspaceUid, segmentId, expectNode });
}

export function readWish(content: Record<string, unknown>): SegmentWish {
  return {
    keyspaceUid: textOf(content, 'keyspaceUid'),
    segmentId: textOf(content, 'segmentId'),
    expectNode: textOf(content, 'expectNode'),
  };
}

/** The origin in an announcement; undefined if its bytes follow. Throws INVALID_ARGUMENT. */
export function readOrigin({ origin }: Record<string, unknown>): SegmentOrigin | undefined {
  if (origin === undefined) return undefined;
  const content: Record<string, unknown> = Object(origin);
  const { bytesPerSecondMax, shardCount } = content;
  if (typeof bytesPerSecondMax !== 'number' || typeof shardCount !== 'number') {
    throw new SteleError('INVALID_ARGUMENT', 'An origin must have a rate and a shard count.');
  }
  return {
    url: textOf(content, 'url'),
    s3Endpoint: textOf(content, 's3Endpoint'),
    s3Region: textOf(content, 's3Region'),
    object: textOf(content, 'object'),
    shardCount,
    bytesPerSecondMax,
  };
}

/** Parses an announcement. Throws INVALID_ARGUMENT. */
export function readAnnouncement(content: Record<string, unknown>): SegmentAnnouncement {
  const { byteLength } = content;
  if (typeof byteLength !== 'number' || !Number.isSafeInteger(byteLength) || byteLength <= 0) {
    throw new SteleError('INVALID_ARGUMENT', 'A segment must be announced with its byteLength.');
  }
  return {
    keyspaceUid: textOf(content, 'keyspaceUid'),
    segmentId: textOf(content, 'segmentId'),
    byteLength,
    expectNode: textOf(content, 'expectNode'),
    expectIncarnation: textOf(content, 'expectIncarnation'),
    loadId: textOf(content, 'loadId'),
    ...(content['tier'] === 'disk' ? { tier: 'disk' } : {}),
  };
}

/** The error in an answer; `where` names the peer. */
export function readAnswer(
  content: Record<string, unknown>,
  where: string,
): 'send' | 'stored' | SegmentPulling | SteleError {
  const { answer, bytesDone } = content;
  if (answer === 'send' || answer === 'stored') return answer;
  if (answer === 'pulling' && typeof bytesDone === 'number') return { pulling: bytesDone };
  return refusalOf(content, where);
}

/** The number of bytes that follow, or why none do. */
export function readSending(content: Record<string, unknown>, where: string): number | SteleError {
  const { answer, byteLength } = content;
  if (answer === 'sending' && typeof byteLength === 'number') return byteLength;
  return refusalOf(content, where);
}

function refusalOf(content: Record<string, unknown>, where: string): SteleError {
  const code = textOf(content, 'code');
  if (isErrorCode(code)) return new SteleError(code, `${where}: ${textOf(content, 'detail')}`);
  return new SteleError('UNAVAILABLE', `${where} sent a malformed answer.`);
}

function textOf(content: Record<string, unknown>, name: string): string {
  const value = content[name];
  return typeof value === 'string' ? value : '';
}

function parseObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return { ...value };
  } catch {
    // Reported below.
  }
  throw notAFrame();
}

function notAFrame(): SteleError {
  return new SteleError(
    'INVALID_ARGUMENT',
    'The bytes received are not a frame of the segment protocol.',
  );
}
