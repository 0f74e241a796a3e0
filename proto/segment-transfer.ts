// How segments travel to a datanode, and from one to another: over a connection to the datanode's HTTP port,
// which leaves HTTP behind with its first request.
//
//     loader or datanode                                    datanode
//       GET /v1/segments    upgrade: stele-segments    ->
//                                                      <-   101
//     then, one after the other, a segment that is put:
//       announcement                                   ->
//                                                      <-   send: there is room
//       the bytes, as many as announced                ->
//                                                      <-   stored: verified, synced to disk, servable
//     or one that is fetched:
//       wish                                           ->
//                                                      <-   sending: so many bytes
//                                                      <-   the bytes
//
// Announcement, wish and answers are frames: a length (u32, little-endian) and so many bytes of JSON. A datanode
// that has the announced segment answers `stored` at once and gets no bytes. One that refuses (another node or
// run than the peer means, no room, damaged bytes, not held) answers with Stele's code, before the bytes or
// after them; the connection is as good as before. Whoever sends what is not expected is cut off.
//
// Neither gRPC nor a request a segment: both copy bulk bytes several times over and leave the copies to
// the garbage collector of a process that has readers to answer (docs/decisions/0007-segment-connections.md).

import { SteleError, isErrorCode } from '../base/errors.ts';

export const SEGMENTS_PATH = '/v1/segments';
export const SEGMENTS_PROTOCOL = 'stele-segments';

const LENGTH_BYTES = 4;
/** Of the JSON of a frame. */
const FRAME_BYTES_MAX = 4096;

/** What a loader says before the bytes. Another node or run than the one meant refuses (WRONG_NODE). */
export interface SegmentAnnouncement {
  readonly keyspaceUid: string;
  readonly segmentId: string;
  readonly byteLength: number;
  /** Empty: any. */
  readonly expectNode: string;
  readonly expectIncarnation: string;
  readonly loadId: string;
}

/** What a datanode says that fetches. Another node than the one meant refuses (WRONG_NODE). */
export interface SegmentWish {
  readonly keyspaceUid: string;
  readonly segmentId: string;
  readonly expectNode: string;
}

/** What a datanode answers. */
export type SegmentAnswer =
  | 'send'
  | 'stored'
  | { readonly sending: number }
  | { readonly code: string; readonly detail: string };

/** Throws INTERNAL for what is too long to be a frame. */
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
  if ('sending' in answer) return encodeFrame({ answer: 'sending', byteLength: answer.sending });
  // The beginning of a long sentence is better than none.
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

  /** The same, and not beyond the frame: what follows it belongs elsewhere. */
  get exactRoom(): Buffer {
    if (this.#received < LENGTH_BYTES) return this.#bytes.subarray(this.#received, LENGTH_BYTES);
    const end = LENGTH_BYTES + this.#bytes.readUInt32LE();
    return this.#bytes.subarray(this.#received, end);
  }

  /**
   * So many bytes are in what `room` was. Returns the content once the frame is whole, and is empty
   * then. Throws INVALID_ARGUMENT for what is no frame, and for bytes behind it.
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

/** Whether what a peer sent is a wish, and no announcement. */
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

/** Throws INVALID_ARGUMENT for what is no announcement. */
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
  };
}

/** The error of an answer that is one; `where` names who answered. */
export function readAnswer(
  content: Record<string, unknown>,
  where: string,
): 'send' | 'stored' | SteleError {
  const { answer } = content;
  if (answer === 'send' || answer === 'stored') return answer;
  return refusalOf(content, where);
}

/** The number of bytes that come now, or why none do. */
export function readSending(content: Record<string, unknown>, where: string): number | SteleError {
  const { answer, byteLength } = content;
  if (answer === 'sending' && typeof byteLength === 'number') return byteLength;
  return refusalOf(content, where);
}

function refusalOf(content: Record<string, unknown>, where: string): SteleError {
  const code = textOf(content, 'code');
  if (isErrorCode(code)) return new SteleError(code, `${where}: ${textOf(content, 'detail')}`);
  return new SteleError('UNAVAILABLE', `${where} answered what is not understood.`);
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
    // Told below.
  }
  throw notAFrame();
}

function notAFrame(): SteleError {
  return new SteleError('INVALID_ARGUMENT', 'What came is no frame of the segment protocol.');
}
