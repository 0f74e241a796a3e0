// The part of a segment that stays in memory while its records are on disk: the index, to find
// records, and the checksums, to verify what is read.
//
//   file     [header | index | ............ records ............ | CRC table | tail]
//   memory   [header | index ]                                     [CRC table]
//
// Invariant: index and checksums were verified when they were read. The records are verified block
// by block whenever they are read (`checkBlocks`); that they are what the index says was checked
// once, when the segment arrived (verify.ts).

import { crc32 } from 'node:zlib';
import { checkFooterBytes, crcBlockCount, wrongBlock } from './header.ts';
import type { SegmentHeader } from './header.ts';
import { indexOf } from './reader.ts';
import type { SegmentIndex } from './reader.ts';

export interface ResidentSegment extends SegmentIndex {
  /** The CRC32 of each block of the file. */
  readonly crcs: Uint32Array;
  /** Bytes of memory that it takes. */
  readonly residentBytes: number;
}

/** The bytes from the start of the file that `openResident` needs: the blocks with the index. */
export function headBytesOf(header: SegmentHeader): number {
  const { crcBlockBytes, footerOffset, recordsOffset } = header;
  return Math.min(Math.ceil(recordsOffset / crcBlockBytes) * crcBlockBytes, footerOffset);
}

/** Bytes of memory that a segment takes while its records are on disk. */
export function residentBytesOf(header: SegmentHeader): number {
  return header.recordsOffset + crcBlockCount(header) * Uint32Array.BYTES_PER_ELEMENT;
}

/**
 * Opens a segment by its first `headBytesOf(header)` bytes and those from the footer's offset on,
 * both of which are copied, into memory that threads can share. Throws CORRUPT.
 */
export function openResident(head: Buffer, footer: Buffer, header: SegmentHeader): ResidentSegment {
  checkFooterBytes(footer, header);
  const crcs = crcsIn(footer, header);
  const found = crcsOf(head, header.crcBlockBytes);
  checkBlocks(header, crcs, 0, found, 0, found.length);
  const bytes = Buffer.from(new SharedArrayBuffer(header.recordsOffset));
  head.copy(bytes, 0, 0, header.recordsOffset);
  return residentIn(bytes, crcs, header);
}

/**
 * A segment by its verified index, which `head` begins with and which is kept, not copied, and its
 * verified checksums.
 */
export function residentIn(
  head: Buffer,
  crcs: Uint32Array,
  header: SegmentHeader,
): ResidentSegment {
  return { ...indexOf(head, header), crcs, residentBytes: residentBytesOf(header) };
}

/** The checksums in a footer, in memory that threads can share. */
export function crcsIn(footer: Buffer, header: SegmentHeader): Uint32Array {
  const count = crcBlockCount(header);
  const crcs = new Uint32Array(new SharedArrayBuffer(count * 4));
  for (let block = 0; block < count; block++) crcs[block] = footer.readUInt32LE(block * 4);
  return crcs;
}

/** The checksums of consecutive blocks. */
export function crcsOf(bytes: Buffer, blockBytes: number): number[] {
  const crcs: number[] = [];
  for (let at = 0; at < bytes.length; at += blockBytes) {
    crcs.push(crc32(bytes.subarray(at, at + blockBytes)));
  }
  return crcs;
}

/**
 * Compares the checksums `found[at, at + count)` of blocks that were read, the first of which is
 * block `first`. Throws CORRUPT.
 */
export function checkBlocks(
  header: SegmentHeader,
  expected: Uint32Array,
  first: number,
  found: ArrayLike<number>,
  at: number,
  count: number,
): void {
  for (let index = 0; index < count; index++) {
    const block = first + index;
    if (found[at + index] !== expected[block]) throw wrongBlock(header, block);
  }
}
