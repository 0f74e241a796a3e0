// The two ends of a segment file, written last and checked first.
//
//     header                                       tail (the last 24 bytes)
//       0  magic "STELESEG"                          0  u32 number of CRC blocks
//       8  u32 format version = 1                    4  u32 CRC32 of the CRC table
//      12  u32 header bytes = 128                    8  u32 file bytes
//      16  keyspace uid, 8 bytes (hash seed)        12  u32 CRC32 of tail bytes 0..11
//      24  u32 shard        28  u32 shard count     16  magic "STELEEND"
//      32  u32 records      36  u32 buckets
//      40  u32 overflow lines
//      44  u32 CRC block bytes
//      48  u32 index offset 52  u32 index bytes
//      56  u32 rec. offset  60  u32 record bytes
//      64  u32 key bytes    68  u32 value bytes
//      72  u32 footer off.  76  u32 file bytes
//      80  digest, 16 bytes
//      96  u32 compatible, 100 u32 incompatible features
//     104  SHA-256 of the content, 16 bytes
//     120  u32 zero        124 u32 CRC32 of header bytes 0..123
//
// A reader ignores unknown compatible features and refuses a file with unknown incompatible ones.
// The content, whose hash is part of the segment's name, is the header up to the hash, the index
// and the records.
//
// The CRC table (one u32 per block) lies between the footer offset and the tail. Header, table and
// tail are checked at every open; the blocks themselves are checked by verify.ts.

import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import { format } from 'node:util';
import { crc32 } from 'node:zlib';
import { SteleError } from '../base/errors.ts';
import { SEGMENT_RECORDS_MAX } from '../base/limits.ts';
import {
  alignTo4,
  BUCKETS_MAX,
  CONTENT_HASH_BYTES,
  CRC_BLOCK_BYTES_MAX,
  CRC_BLOCK_BYTES_MIN,
  DIGEST_BYTES,
  FORMAT_VERSION,
  HEADER_BYTES,
  LINE_BYTES,
  TAIL_BYTES,
} from './layout.ts';

const MAGIC = 'STELESEG';
const END_MAGIC = 'STELEEND';
const DIGEST_AT = 80;
const INCOMPATIBLE_AT = 100;
const CONTENT_HASH_AT = 104;
const RESERVED_AT = 120;
const HEADER_CRC_AT = 124;

/** The fields of the header, without those that can be computed from the others. */
export interface SegmentHeader {
  readonly keyspaceUid: string;
  readonly shard: number;
  readonly shardCount: number;
  readonly records: number;
  readonly buckets: number;
  readonly overflowLines: number;
  readonly recordsOffset: number;
  readonly recordsBytes: number;
  readonly keyBytes: number;
  readonly valueBytes: number;
  readonly footerOffset: number;
  readonly fileBytes: number;
  readonly crcBlockBytes: number;
  readonly digest: Buffer;
  /** 32 hex digits, as in the segment's name. */
  readonly contentHash: string;
}

/** The fields that must be known before the content can be hashed. */
export type WrittenHeader = Omit<SegmentHeader, 'contentHash'>;

/** Computes the offsets and the file size from the counts of a segment. */
export function placeSections(
  buckets: number,
  overflowLines: number,
  recordsBytes: number,
  crcBlockBytes: number,
): Pick<SegmentHeader, 'recordsOffset' | 'footerOffset' | 'fileBytes'> {
  const recordsOffset = HEADER_BYTES + (buckets + overflowLines) * LINE_BYTES;
  const footerOffset = alignTo4(recordsOffset + recordsBytes);
  const fileBytes = footerOffset + Math.ceil(footerOffset / crcBlockBytes) * 4 + TAIL_BYTES;
  return { recordsOffset, footerOffset, fileBytes };
}

type Blocks = Pick<SegmentHeader, 'crcBlockBytes' | 'footerOffset'>;

/** The number of CRC blocks, which cover all bytes before the footer. */
export function crcBlockCount({ crcBlockBytes, footerOffset }: Blocks): number {
  return Math.ceil(footerOffset / crcBlockBytes);
}

/** The bytes of CRC block `block`. */
export function crcBlock(bytes: Buffer, blocks: Blocks, block: number): Buffer {
  const start = block * blocks.crcBlockBytes;
  return bytes.subarray(start, Math.min(start + blocks.crcBlockBytes, blocks.footerOffset));
}

/** The CRC blocks that hold the bytes [start, end), as offsets. */
export function blocksOf(
  { crcBlockBytes, footerOffset }: Blocks,
  start: number,
  end: number,
): { readonly from: number; readonly to: number } {
  const from = Math.floor(start / crcBlockBytes) * crcBlockBytes;
  const to = Math.min(Math.ceil(end / crcBlockBytes) * crcBlockBytes, footerOffset);
  return { from, to };
}

/** The error for CRC block `block`, whose checksum is not that of the table. */
export function wrongBlock({ crcBlockBytes, footerOffset }: Blocks, block: number): SteleError {
  const start = block * crcBlockBytes;
  const end = Math.min(start + crcBlockBytes, footerOffset) - 1;
  return corruptAt('the checksum of block %d (bytes %d to %d) is wrong', block, start, end);
}

/**
 * Starts the hash of the content with the header of `bytes`; the caller adds index and records, in
 * pieces of any size.
 */
export function contentHasher(bytes: Buffer): Hash {
  return createHash('sha256').update(bytes.subarray(0, CONTENT_HASH_AT));
}

/** The content hash as header and name have it: the first 16 bytes, as 32 hex digits. */
export function contentHashOf(hasher: Hash): string {
  return hasher.digest('hex').slice(0, CONTENT_HASH_BYTES * 2);
}

/**
 * Writes the header into the first HEADER_BYTES of `bytes`, which must be zeros. Leaves hash and
 * checksum to `sealSegment`.
 */
export function writeHeader(bytes: Buffer, header: WrittenHeader): void {
  bytes.write(MAGIC, 0, 'latin1');
  bytes.writeUInt32LE(FORMAT_VERSION, 8);
  bytes.writeUInt32LE(HEADER_BYTES, 12);
  bytes.write(header.keyspaceUid, 16, 'hex');
  bytes.writeUInt32LE(header.shard, 24);
  bytes.writeUInt32LE(header.shardCount, 28);
  bytes.writeUInt32LE(header.records, 32);
  bytes.writeUInt32LE(header.buckets, 36);
  bytes.writeUInt32LE(header.overflowLines, 40);
  bytes.writeUInt32LE(header.crcBlockBytes, 44);
  bytes.writeUInt32LE(HEADER_BYTES, 48);
  bytes.writeUInt32LE(header.recordsOffset - HEADER_BYTES, 52);
  bytes.writeUInt32LE(header.recordsOffset, 56);
  bytes.writeUInt32LE(header.recordsBytes, 60);
  bytes.writeUInt32LE(header.keyBytes, 64);
  bytes.writeUInt32LE(header.valueBytes, 68);
  bytes.writeUInt32LE(header.footerOffset, 72);
  bytes.writeUInt32LE(header.fileBytes, 76);
  header.digest.copy(bytes, DIGEST_AT);
}

/**
 * Writes what depends on all other bytes: content hash, header checksum, CRC table and tail.
 * Returns the hash, 32 hex digits.
 */
export function sealSegment(bytes: Buffer, blocks: Blocks): string {
  const { footerOffset } = blocks;
  const hasher = contentHasher(bytes).update(bytes.subarray(HEADER_BYTES, footerOffset));
  const contentHash = contentHashOf(hasher);
  sealHeader(bytes, contentHash);
  const blockCount = crcBlockCount(blocks);
  for (let block = 0; block < blockCount; block++) {
    bytes.writeUInt32LE(crc32(crcBlock(bytes, blocks, block)), footerOffset + block * 4);
  }
  sealFooter(bytes.subarray(footerOffset), blockCount, bytes.length);
  return contentHash;
}

/** Writes the content hash into the header in `bytes`, and the checksum of the header. */
export function sealHeader(bytes: Buffer, contentHash: string): void {
  bytes.write(contentHash, CONTENT_HASH_AT, 'hex');
  bytes.writeUInt32LE(crc32(bytes.subarray(0, HEADER_CRC_AT)), HEADER_CRC_AT);
}

/** Writes the tail of a footer that has its CRC table. */
export function sealFooter(footer: Buffer, blockCount: number, fileBytes: number): void {
  const tail = blockCount * 4;
  footer.writeUInt32LE(blockCount, tail);
  footer.writeUInt32LE(crc32(footer.subarray(0, tail)), tail + 4);
  footer.writeUInt32LE(fileBytes, tail + 8);
  footer.writeUInt32LE(crc32(footer.subarray(tail, tail + 12)), tail + 12);
  footer.write(END_MAGIC, tail + 16, 'latin1');
}

/**
 * Reads and checks the header; `length` is that of the whole file, of which `bytes` are at least
 * the header. Throws UNKNOWN_FORMAT if this is not a segment or has an unknown version or
 * incompatible feature, CORRUPT if it is damaged or truncated.
 */
export function readHeader(bytes: Buffer, length = bytes.length): SegmentHeader {
  const start = bytes.toString('latin1', 0, 8);
  if (!MAGIC.startsWith(start)) {
    throw unknownFormat(bytes, `It is not a segment: it does not begin with '${MAGIC}'.`);
  }
  if (length < HEADER_BYTES + LINE_BYTES + TAIL_BYTES) {
    throw corrupt(`it has ${length} bytes, fewer than an empty segment`);
  }
  const version = bytes.readUInt32LE(8);
  if (version !== FORMAT_VERSION) {
    throw unknownFormat(
      bytes,
      `The segment has format version ${version}; this Stele reads version ${FORMAT_VERSION}. Use the Stele that wrote it, or a newer one.`,
    );
  }
  if (crc32(bytes.subarray(0, HEADER_CRC_AT)) !== bytes.readUInt32LE(HEADER_CRC_AT)) {
    throw corrupt('the checksum of its header is wrong');
  }
  const unknown = bytes.readUInt32LE(INCOMPATIBLE_AT);
  if (unknown !== 0) {
    throw new SteleError(
      'UNKNOWN_FORMAT',
      `The segment uses features of its format that this Stele does not know (0x${unknown.toString(16)}). Use the Stele that wrote it, or a newer one.`,
    );
  }
  const header = parseHeader(bytes);
  if (header.fileBytes !== length) {
    throw corrupt(`it has ${length} bytes where its header says ${header.fileBytes}`);
  }
  checkHeader(bytes, header);
  return header;
}

/**
 * Returns the error for bytes that do not begin as this format does: CORRUPT if the header has the
 * checksum that it would have with the right beginning. A file of another format must stay as it
 * is; a damaged one must be replaced.
 */
function unknownFormat(bytes: Buffer, message: string): SteleError {
  if (bytes.length >= HEADER_BYTES) {
    const header = Buffer.from(bytes.subarray(0, HEADER_CRC_AT));
    header.write(MAGIC, 0, 'latin1');
    header.writeUInt32LE(FORMAT_VERSION, 8);
    if (crc32(header) === bytes.readUInt32LE(HEADER_CRC_AT)) {
      return corrupt('its first 12 bytes, magic and format version, are wrong');
    }
  }
  return new SteleError('UNKNOWN_FORMAT', message);
}

/** Checks tail and CRC table against a header that `readHeader` passed. Throws CORRUPT. */
export function checkFooter(bytes: Buffer, header: SegmentHeader): void {
  checkFooterBytes(bytes.subarray(header.footerOffset), header);
}

/** `checkFooter` for the bytes from the footer's offset to the end of the file. */
export function checkFooterBytes(footer: Buffer, header: SegmentHeader): void {
  const tail = footer.length - TAIL_BYTES;
  if (footer.toString('latin1', tail + 16) !== END_MAGIC) {
    throw corrupt(`its end mark '${END_MAGIC}' is missing`);
  }
  if (crc32(footer.subarray(tail, tail + 12)) !== footer.readUInt32LE(tail + 12)) {
    throw corrupt('the checksum of its tail is wrong');
  }
  const blocks = footer.readUInt32LE(tail);
  if (blocks !== crcBlockCount(header) || footer.readUInt32LE(tail + 8) !== header.fileBytes) {
    throw corrupt('its tail and its header disagree about its size');
  }
  if (crc32(footer.subarray(0, tail)) !== footer.readUInt32LE(tail + 4)) {
    throw corrupt('the checksum of its CRC table is wrong');
  }
}

/**
 * Throws UNKNOWN_FORMAT unless segments of format `wanted` (0 means 1) can be written here. `asker`
 * names the requester in the error.
 */
export function requireWritten(wanted: number, asker: string): void {
  if ((wanted || 1) === FORMAT_VERSION) return;
  throw new SteleError(
    'UNKNOWN_FORMAT',
    `${asker} asks for segments of format ${wanted}, and this Stele writes format ${FORMAT_VERSION}; use the Stele that the cluster runs.`,
  );
}

/** Returns a CORRUPT error in the form that all checks of a segment share. */
export function corrupt(what: string): SteleError {
  return new SteleError(
    'CORRUPT',
    `The segment is damaged: ${what}. Fetch it again from a replica.`,
  );
}

/**
 * Like `corrupt`, with `numbers` in place of `%d`, for hot loops. With a template string, the
 * optimizing compiler converts loop-invariant numbers to strings before the loop, even if the error
 * is never thrown; that cost a sixth of the verification.
 */
export function corruptAt(pattern: string, ...numbers: readonly number[]): SteleError {
  return corrupt(format(pattern, ...numbers));
}

function parseHeader(bytes: Buffer): SegmentHeader {
  return {
    keyspaceUid: bytes.toString('hex', 16, 24),
    shard: bytes.readUInt32LE(24),
    shardCount: bytes.readUInt32LE(28),
    records: bytes.readUInt32LE(32),
    buckets: bytes.readUInt32LE(36),
    overflowLines: bytes.readUInt32LE(40),
    recordsOffset: bytes.readUInt32LE(56),
    recordsBytes: bytes.readUInt32LE(60),
    keyBytes: bytes.readUInt32LE(64),
    valueBytes: bytes.readUInt32LE(68),
    footerOffset: bytes.readUInt32LE(72),
    fileBytes: bytes.readUInt32LE(76),
    crcBlockBytes: bytes.readUInt32LE(44),
    // A copy, because metadata of a segment must not keep its bytes alive.
    digest: Buffer.from(bytes.subarray(DIGEST_AT, DIGEST_AT + DIGEST_BYTES)),
    contentHash: bytes.toString('hex', CONTENT_HASH_AT, CONTENT_HASH_AT + CONTENT_HASH_BYTES),
  };
}

/**
 * Finds a writer's mistake, wrong numbers with a correct checksum, before anything else is read.
 */
function checkHeader(bytes: Buffer, header: SegmentHeader): void {
  const { buckets, crcBlockBytes, overflowLines, recordsBytes } = header;
  const placed = placeSections(buckets, overflowLines, recordsBytes, crcBlockBytes);
  const isConsistent =
    isCrcBlockSize(crcBlockBytes) &&
    bytes.readUInt32LE(12) === HEADER_BYTES &&
    bytes.readUInt32LE(48) === HEADER_BYTES &&
    bytes.readUInt32LE(52) === placed.recordsOffset - HEADER_BYTES &&
    header.recordsOffset === placed.recordsOffset &&
    header.footerOffset === placed.footerOffset &&
    header.fileBytes === placed.fileBytes &&
    bytes.subarray(RESERVED_AT, HEADER_CRC_AT).every((byte) => byte === 0) &&
    header.shard < header.shardCount &&
    header.buckets >= 1 &&
    header.buckets <= BUCKETS_MAX &&
    header.records <= SEGMENT_RECORDS_MAX &&
    header.keyBytes + header.valueBytes <= header.recordsBytes;
  if (!isConsistent) throw corrupt('the numbers in its header contradict one another');
}

function isCrcBlockSize(byteCount: number): boolean {
  const isPowerOf2 = (byteCount & (byteCount - 1)) === 0;
  return isPowerOf2 && byteCount >= CRC_BLOCK_BYTES_MIN && byteCount <= CRC_BLOCK_BYTES_MAX;
}
