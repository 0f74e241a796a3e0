// The full verification of a segment file, in one pass over it: what verify.ts checks, of a file of
// which only the index, the checksums and a window of records are in memory.
//
//     header, footer -> index: checksums, hash -> records, window by window: checksums, hash, structure
//
// Reads block, so this is for worker threads.

import type { Hash } from 'node:crypto';
import { SEGMENT_BYTES_MAX } from '../base/limits.ts';
import {
  contentHasher,
  contentHashOf,
  corrupt,
  crcBlockCount,
  checkFooterBytes,
  readHeader,
  wrongBlock,
} from './header.ts';
import type { SegmentHeader } from './header.ts';
import { HEADER_BYTES } from './layout.ts';
import { RecordWindow, WINDOW_BYTES, windowedOf } from './record-window.ts';
import type { ReadAt, WindowedSegment } from './record-window.ts';
import { checkBlocks, crcsIn, crcsOf, residentIn } from './resident.ts';
import type { ResidentSegment } from './resident.ts';
import { checkedSegment, checkedSteps } from './verify.ts';
import type { OnSample } from './verify.ts';

/** A file to be read. */
export interface SegmentFileSource {
  readonly byteLength: number;
  readonly read: ReadAt;
}

/** The two ends of a segment file, checked. */
export interface SegmentEnds {
  readonly header: SegmentHeader;
  /** The bytes from the footer's offset on. */
  readonly footer: Buffer;
}

/** Reads and checks header and footer. Throws UNKNOWN_FORMAT, CORRUPT, and what the file throws. */
export function readEnds({ byteLength, read }: SegmentFileSource): SegmentEnds {
  if (byteLength > SEGMENT_BYTES_MAX) throw corrupt(`it has ${byteLength} bytes, more than it can`);
  const start = Buffer.alloc(Math.min(HEADER_BYTES, byteLength));
  read(start, 0);
  const header = readHeader(start, byteLength);
  const footer = Buffer.allocUnsafeSlow(byteLength - header.footerOffset);
  read(footer, header.footerOffset);
  checkFooterBytes(footer, header);
  return { header, footer };
}

/**
 * Checks every byte of the file in steps, like `verifySteps` of verify.ts, and returns what stays in
 * memory. `depth`: `full`, or `checksums` for bytes that passed the full check before. Throws CORRUPT,
 * and what the file throws.
 */
export function* verifyFileSteps(
  { read }: SegmentFileSource,
  { footer, header }: SegmentEnds,
  depth: 'full' | 'checksums',
  onSample?: OnSample,
): Generator<number, ResidentSegment, void> {
  const crcs = crcsIn(footer, header);
  const head = Buffer.from(new SharedArrayBuffer(header.recordsOffset));
  read(head, 0);
  const ownBytes = indexBlockBytes(header);
  const found = crcsOf(head.subarray(0, ownBytes), header.crcBlockBytes);
  checkBlocks(header, crcs, 0, found, 0, found.length);
  yield head.length;
  const content = new ContentHash(head);
  const onRead = (bytes: Buffer, position: number): void => content.add(bytes, position);
  const file = { header, crcs, read };
  const window = RecordWindow.overFile({ ...file, onRead });
  const resident = residentIn(head, crcs, header);
  if (depth === 'checksums') {
    const { footerOffset } = header;
    for (let at = ownBytes; at < footerOffset; at = window.end) {
      window.need(at, Math.min(at + WINDOW_BYTES, footerOffset));
      yield window.end - at;
    }
  } else {
    const back = RecordWindow.overFile(file);
    const headView = new DataView(head.buffer, head.byteOffset, head.length);
    const parts = { head, headView, window, back };
    yield* checkedSteps(checkedSegment(resident, parts), onSample);
  }
  content.require(header.contentHash);
  return resident;
}

/**
 * Bytes of the blocks without records. The block in which the index ends is checked with the first
 * record.
 */
function indexBlockBytes({ crcBlockBytes, footerOffset, recordsOffset }: SegmentHeader): number {
  if (recordsOffset === footerOffset) return footerOffset;
  return Math.floor(recordsOffset / crcBlockBytes) * crcBlockBytes;
}

/** The hash of the content, of bytes that come in their order and may overlap. */
class ContentHash {
  readonly #hasher: Hash;
  #end: number;

  constructor(head: Buffer) {
    this.#hasher = contentHasher(head).update(head.subarray(HEADER_BYTES));
    this.#end = head.length;
  }

  add(bytes: Buffer, position: number): void {
    const end = position + bytes.length;
    if (end <= this.#end) return;
    this.#hasher.update(bytes.subarray(this.#end - position));
    this.#end = end;
  }

  require(expected: string): void {
    if (contentHashOf(this.#hasher) === expected) return;
    throw corrupt('its content does not have the hash in its header');
  }
}

/**
 * Checks the bytes [from, to) of a file, rounded outwards to whole CRC blocks, against their checksums;
 * with the first of them also header and footer. Calls for all ranges together check every byte. Throws
 * CORRUPT, and what the file throws.
 */
export function verifyFileRange(file: SegmentFileSource, from: number, to: number): void {
  const { byteLength, read } = file;
  const start = Buffer.alloc(Math.min(HEADER_BYTES, byteLength));
  read(start, 0);
  const header = from === 0 ? readEnds(file).header : readHeader(start, byteLength);
  const { crcBlockBytes, footerOffset } = header;
  const first = Math.floor(from / crcBlockBytes);
  const end = Math.min(Math.ceil(to / crcBlockBytes), crcBlockCount(header));
  if (end <= first) return;
  const table = Buffer.alloc((end - first) * 4);
  read(table, footerOffset + first * 4);
  const bytes = Buffer.allocUnsafeSlow(Math.min(WINDOW_BYTES, crcBlockBytes * (end - first)));
  const blocksAtATime = Math.max(1, Math.floor(bytes.length / crcBlockBytes));
  for (let block = first; block < end; block += blocksAtATime) {
    const at = block * crcBlockBytes;
    const until = Math.min((block + blocksAtATime) * crcBlockBytes, end * crcBlockBytes);
    const piece = bytes.subarray(0, Math.min(until, footerOffset) - at);
    read(piece, at);
    for (const [index, crc] of crcsOf(piece, crcBlockBytes).entries()) {
      const number = block + index;
      if (crc !== table.readUInt32LE((number - first) * 4)) throw wrongBlock(header, number);
    }
  }
}

/** A segment on disk, read through a window. */
export function fileSegment(resident: ResidentSegment, read: ReadAt): WindowedSegment {
  const { crcs, header } = resident;
  return windowedOf(resident, RecordWindow.overFile({ header, crcs, read }), undefined);
}
