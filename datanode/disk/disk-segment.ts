// A held segment whose records are on disk: the index in memory, and the file open for reading.

import { HEADER_BYTES } from '../../segment/layout.ts';
import { blocksOf, readHeader } from '../../segment/header.ts';
import type { SegmentHeader } from '../../segment/header.ts';
import { checkBlocks, headBytesOf, openResident } from '../../segment/resident.ts';
import type { ResidentSegment } from '../../segment/resident.ts';
import type { Segment } from '../../segment/reader.ts';
import type { OpenFile } from '../../base/disk/files.ts';
import { readBytes } from './read-bytes.ts';
import { READABLE_BLOCK_BYTES_MAX } from './block-source.ts';
import type { BlockFile, BlockReceiver, BlockSource } from './block-source.ts';

export interface DiskSegment extends ResidentSegment {
  readonly file: BlockFile;
  /** Of this opening of the file: another one has another number, also of the same segment. */
  readonly number: number;
}

let opened = 0;

/** A segment whose records are read from `file`. */
export function diskSegment(resident: ResidentSegment, file: BlockFile): DiskSegment {
  opened = (opened + 1) >>> 0;
  return { ...resident, file, number: opened };
}

/** Whether the records of a segment can be read from disk, block by block. */
export function isReadable({ crcBlockBytes }: SegmentHeader): boolean {
  return crcBlockBytes <= READABLE_BLOCK_BYTES_MAX;
}

/** The resident part of a segment in memory. */
export function residentOf({ bytes, header }: Segment): ResidentSegment {
  const head = bytes.subarray(0, headBytesOf(header));
  return openResident(head, bytes.subarray(header.footerOffset), header);
}

/**
 * The resident part of a segment file, and the bytes of its footer. Throws CORRUPT, UNKNOWN_FORMAT
 * and the system's errors.
 */
export async function readResident(
  file: OpenFile,
): Promise<{ readonly resident: ResidentSegment; readonly footer: Buffer }> {
  const { size } = await file.stat();
  const start = await readBytes(file, 0, Math.min(size, HEADER_BYTES));
  const header = readHeader(start, size);
  const head = await readBytes(file, 0, headBytesOf(header));
  const footer = await readBytes(file, header.footerOffset, size - header.footerOffset);
  return { resident: openResident(head, footer, header), footer };
}

/**
 * Checks the blocks with the bytes [start, end), whose checksums are `crcs` from `crcAt` on. Returns
 * the offset of the first block in the file. Throws CORRUPT.
 */
export function checkRead(
  { crcs: expected, header }: DiskSegment,
  start: number,
  end: number,
  crcs: ArrayLike<number>,
  crcAt: number,
): number {
  const { from, to } = blocksOf(header, start, end);
  const count = Math.ceil((to - from) / header.crcBlockBytes);
  checkBlocks(header, expected, from / header.crcBlockBytes, crcs, crcAt, count);
  return from;
}

/** Reads the blocks that hold the bytes [start, end). */
export function readBlocks(
  source: BlockSource,
  { file, header }: DiskSegment,
  start: number,
  end: number,
  receiver: BlockReceiver,
): void {
  const { from, to } = blocksOf(header, start, end);
  source.read(file, from, to - from, header.crcBlockBytes, receiver);
}
