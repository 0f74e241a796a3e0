// The frames and blocks of a zstd file (RFC 8878, section 3), without decompressing them.
//
//     frame      | 28 b5 2f fd | header 2..14 bytes | block | block | ... | checksum 4 bytes, if any |
//     block      | last 1 bit, type 2 bits, size 21 bits | data |
//     skippable  | 5x 2a 4d 18 | size u32 | data |
//
// With the end of each frame known, each can have its own decoder, bytes between and after frames
// can be reported, and errors have an offset.

import { SteleError } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';
import { formatBytes } from '../../base/units.ts';
import type { ByteReader } from './byte-reader.ts';

const FRAME_MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;
/** The zstd program's limit without --long=31 on the output that a decoder must keep. */
export const WINDOW_BYTES_MAX = 128 * 1024 * 1024 + 1;
const BLOCK_BYTES_MAX = 128 * 1024;
const BLOCK_RLE = 1;
const BLOCK_RESERVED = 3;

/** The header of a frame. */
export interface FrameHeader {
  /** Offset of the frame in the file. */
  readonly offset: number;
  /** Magic and header as in the file. */
  readonly bytes: Buffer;
  readonly hasChecksum: boolean;
  /** Unpacked size of the frame; undefined if the frame does not declare it. */
  readonly contentBytes: number | undefined;
  /** Output that a decoder must keep. */
  readonly windowBytes: number;
  /** Maximum unpacked size of one block. */
  readonly blockBytesMax: number;
}

export interface Block {
  /** Header and data. */
  readonly bytes: Buffer;
  readonly isLast: boolean;
}

/** The error for a damaged or truncated file, with the offset. */
export function damaged(name: string, what: string, offset: number, unpacked: number): SteleError {
  return new SteleError(
    'INPUT_INVALID',
    `${shorten(name, 200)} is damaged: ${what} at byte ${offset} of it (${unpacked} bytes unpacked before), so nothing was loaded; copy it again, or check it with \`zstd --test\`.`,
  );
}

/**
 * The next frame's header; skips skippable frames. Undefined at the end of the file. Throws
 * INPUT_INVALID, and UNSUPPORTED for a frame that needs a dictionary or more memory than zstd's
 * default limit.
 */
export async function nextFrame(
  reader: ByteReader,
  name: string,
  unpacked: number,
): Promise<FrameHeader | undefined> {
  while (!(await reader.isAtEnd())) {
    const { offset } = reader;
    const magic = await reader.take(4);
    const value = magic.length === 4 ? magic.readUInt32LE(0) : 0;
    if (value === FRAME_MAGIC) return await readHeader(reader, name, offset, unpacked);
    if ((value & 0xfffffff0) >>> 0 !== SKIPPABLE_MAGIC) {
      throw damaged(name, 'bytes that are not a zstd frame', offset, unpacked);
    }
    const size = await reader.take(4);
    const byteCount = size.length === 4 ? size.readUInt32LE(0) : 1;
    if ((await reader.skip(byteCount)) === byteCount) continue;
    throw damaged(name, 'it ends inside a skippable frame', reader.offset, unpacked);
  }
  return undefined;
}

async function readHeader(
  reader: ByteReader,
  name: string,
  offset: number,
  unpacked: number,
): Promise<FrameHeader> {
  const [descriptor = -1] = await reader.take(1);
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const descriptorBytes = isSingleSegment ? 0 : 1;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] as number;
  const sizeFlag = descriptor >>> 6;
  const sizeBytes = sizeFlag === 0 ? Number(isSingleSegment) : 1 << sizeFlag;
  const restBytes = descriptorBytes + dictionaryBytes + sizeBytes;
  const rest = Buffer.from(descriptor < 0 ? [] : await reader.take(restBytes));
  if (descriptor < 0 || rest.length < restBytes) {
    throw damaged(name, 'it ends inside a frame header', reader.offset, unpacked);
  }
  if ((descriptor & 0x08) !== 0) throw damaged(name, 'a bad frame header', offset, unpacked);
  if (dictionaryBytes > 0 && rest.readUIntLE(descriptorBytes, dictionaryBytes) !== 0) {
    const text = `${shorten(name, 200)} was compressed with a dictionary, which is not read; unpack it first (unzstd -D).`;
    throw new SteleError('UNSUPPORTED', text);
  }
  const contentBytes = contentSize(rest, descriptorBytes + dictionaryBytes, sizeBytes);
  const windowBytes = isSingleSegment ? (contentBytes ?? 0) : windowSize(rest[0] as number);
  refuseWindow(windowBytes, name);
  const bytes = Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd, descriptor]), rest]);
  const hasChecksum = (descriptor & 0x04) !== 0;
  const blockBytesMax = Math.min(BLOCK_BYTES_MAX, windowBytes);
  return { offset, bytes, hasChecksum, contentBytes, windowBytes, blockBytesMax };
}

function contentSize(rest: Buffer, at: number, sizeBytes: number): number | undefined {
  switch (sizeBytes) {
    case 1:
      return rest.readUInt8(at);
    case 2:
      return rest.readUInt16LE(at) + 256;
    case 4:
      return rest.readUInt32LE(at);
    case 8:
      return Number(rest.readBigUInt64LE(at));
    default:
      return undefined;
  }
}

/** Exponent in the upper five bits, eighths in the lower three. */
function windowSize(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >>> 3));
  return base + (base / 8) * (descriptor & 7);
}

function refuseWindow(window: number, name: string): void {
  if (window <= WINDOW_BYTES_MAX) return;
  throw new SteleError(
    'UNSUPPORTED',
    `${shorten(name, 200)} was compressed with a window of ${formatBytes(window)}, and at most 128 MiB is read; unpack it first (unzstd --long=31).`,
  );
}

/** The next block of the frame. Throws INPUT_INVALID. */
export async function nextBlock(
  reader: ByteReader,
  frame: FrameHeader,
  name: string,
  unpacked: number,
): Promise<Block> {
  const { offset } = reader;
  const head = Buffer.from(await reader.take(3));
  const value = head.length === 3 ? head.readUIntLE(0, 3) : 0;
  const type = (value >>> 1) & 3;
  const size = value >>> 3;
  if (head.length === 3 && (type === BLOCK_RESERVED || size > frame.blockBytesMax)) {
    throw damaged(name, 'a bad block', offset, unpacked);
  }
  const dataBytes = type === BLOCK_RLE ? 1 : size;
  const data = await reader.take(dataBytes);
  if (head.length < 3 || data.length < dataBytes) {
    throw damaged(name, 'it ends inside a frame', reader.offset, unpacked);
  }
  return { bytes: Buffer.concat([head, data]), isLast: (value & 1) === 1 };
}
