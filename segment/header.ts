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
//      44  u32 CRC block bytes = 65536
//      48  u32 index offset 52  u32 index bytes
//      56  u32 rec. offset  60  u32 record bytes
//      64  u32 key bytes    68  u32 value bytes
//      72  u32 footer off.  76  u32 file bytes
//      80  digest, 16 bytes
//      96  zeros            124 u32 CRC32 of header bytes 0..123
//
// The CRC table (one u32 a block) lies between the footer offset and the tail. Header, table and tail
// are checked on every open; the blocks themselves by verify.ts.

import { crc32 } from 'node:zlib';
import { SteleError } from '../base/errors.ts';
import { SEGMENT_RECORDS_MAX } from '../base/limits.ts';
import {
  alignTo4,
  BUCKETS_MAX,
  CRC_BLOCK_BYTES,
  DIGEST_BYTES,
  FORMAT_VERSION,
  HEADER_BYTES,
  LINE_BYTES,
  TAIL_BYTES,
} from './layout.ts';

const MAGIC = 'STELESEG';
const END_MAGIC = 'STELEEND';
const DIGEST_AT = 80;
const RESERVED_AT = 96;
const HEADER_CRC_AT = 124;

/** What the header says, beyond what follows from it. */
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
  readonly digest: Buffer;
}

/** Everything that follows from the counts of a segment. */
export function placeSections(
  buckets: number,
  overflowLines: number,
  recordsBytes: number,
): Pick<SegmentHeader, 'recordsOffset' | 'footerOffset' | 'fileBytes'> {
  const recordsOffset = HEADER_BYTES + (buckets + overflowLines) * LINE_BYTES;
  const footerOffset = alignTo4(recordsOffset + recordsBytes);
  const fileBytes = footerOffset + crcBlockCount(footerOffset) * 4 + TAIL_BYTES;
  return { recordsOffset, footerOffset, fileBytes };
}

/** Number of CRC blocks over the `footerOffset` bytes before the footer. */
export function crcBlockCount(footerOffset: number): number {
  return Math.ceil(footerOffset / CRC_BLOCK_BYTES);
}

/** CRC32 of block `block` of the bytes before `footerOffset`. */
export function blockCrc(bytes: Buffer, footerOffset: number, block: number): number {
  const start = block * CRC_BLOCK_BYTES;
  return crc32(bytes.subarray(start, Math.min(start + CRC_BLOCK_BYTES, footerOffset)));
}

/** Writes the header into the first HEADER_BYTES of `bytes`, which are zeros. */
export function writeHeader(bytes: Buffer, header: SegmentHeader): void {
  bytes.write(MAGIC, 0, 'latin1');
  bytes.writeUInt32LE(FORMAT_VERSION, 8);
  bytes.writeUInt32LE(HEADER_BYTES, 12);
  bytes.write(header.keyspaceUid, 16, 'hex');
  bytes.writeUInt32LE(header.shard, 24);
  bytes.writeUInt32LE(header.shardCount, 28);
  bytes.writeUInt32LE(header.records, 32);
  bytes.writeUInt32LE(header.buckets, 36);
  bytes.writeUInt32LE(header.overflowLines, 40);
  bytes.writeUInt32LE(CRC_BLOCK_BYTES, 44);
  bytes.writeUInt32LE(HEADER_BYTES, 48);
  bytes.writeUInt32LE(header.recordsOffset - HEADER_BYTES, 52);
  bytes.writeUInt32LE(header.recordsOffset, 56);
  bytes.writeUInt32LE(header.recordsBytes, 60);
  bytes.writeUInt32LE(header.keyBytes, 64);
  bytes.writeUInt32LE(header.valueBytes, 68);
  bytes.writeUInt32LE(header.footerOffset, 72);
  bytes.writeUInt32LE(header.fileBytes, 76);
  header.digest.copy(bytes, DIGEST_AT);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, HEADER_CRC_AT)), HEADER_CRC_AT);
}

/** Writes the CRC table and the tail behind everything else. Returns the CRC32 of the table. */
export function writeFooter(bytes: Buffer, footerOffset: number): number {
  const blocks = crcBlockCount(footerOffset);
  const tail = footerOffset + blocks * 4;
  for (let block = 0; block < blocks; block++) {
    bytes.writeUInt32LE(blockCrc(bytes, footerOffset, block), footerOffset + block * 4);
  }
  const tableCrc = crc32(bytes.subarray(footerOffset, tail));
  bytes.writeUInt32LE(blocks, tail);
  bytes.writeUInt32LE(tableCrc, tail + 4);
  bytes.writeUInt32LE(bytes.length, tail + 8);
  bytes.writeUInt32LE(crc32(bytes.subarray(tail, tail + 12)), tail + 12);
  bytes.write(END_MAGIC, tail + 16, 'latin1');
  return tableCrc;
}

/**
 * Reads and checks the header. Throws UNKNOWN_FORMAT if this is not a segment of a version known
 * here, CORRUPT if it is damaged or cut short.
 */
export function readHeader(bytes: Buffer): SegmentHeader {
  const length = bytes.length;
  const start = bytes.toString('latin1', 0, 8);
  if (!MAGIC.startsWith(start)) {
    throw new SteleError(
      'UNKNOWN_FORMAT',
      `It is not a segment: it does not begin with '${MAGIC}'.`,
    );
  }
  if (length < HEADER_BYTES + LINE_BYTES + TAIL_BYTES) {
    throw corrupt(`it has ${length} bytes, fewer than an empty segment`);
  }
  const version = bytes.readUInt32LE(8);
  if (version !== FORMAT_VERSION) {
    throw new SteleError(
      'UNKNOWN_FORMAT',
      `The segment has format version ${version}; this Stele reads version ${FORMAT_VERSION}. Use the Stele that wrote it, or a newer one.`,
    );
  }
  if (crc32(bytes.subarray(0, HEADER_CRC_AT)) !== bytes.readUInt32LE(HEADER_CRC_AT)) {
    throw corrupt('the checksum of its header is wrong');
  }
  const header = parseHeader(bytes);
  if (header.fileBytes !== length) {
    throw corrupt(`it has ${length} bytes where its header says ${header.fileBytes}`);
  }
  checkHeader(bytes, header);
  return header;
}

/** Checks tail and CRC table against a header that `readHeader` passed. Returns the table's CRC32. */
export function readFooter(bytes: Buffer, header: SegmentHeader): number {
  const tail = bytes.length - TAIL_BYTES;
  if (bytes.toString('latin1', tail + 16) !== END_MAGIC) {
    throw corrupt(`its end mark '${END_MAGIC}' is missing`);
  }
  if (crc32(bytes.subarray(tail, tail + 12)) !== bytes.readUInt32LE(tail + 12)) {
    throw corrupt('the checksum of its tail is wrong');
  }
  const blocks = bytes.readUInt32LE(tail);
  if (
    blocks !== crcBlockCount(header.footerOffset) ||
    bytes.readUInt32LE(tail + 8) !== bytes.length
  ) {
    throw corrupt('its tail and its header disagree about its size');
  }
  const tableCrc = bytes.readUInt32LE(tail + 4);
  if (crc32(bytes.subarray(header.footerOffset, tail)) !== tableCrc) {
    throw corrupt('the checksum of its CRC table is wrong');
  }
  return tableCrc;
}

/** A CORRUPT error in the one form that all checks of a segment use. */
export function corrupt(what: string): SteleError {
  return new SteleError(
    'CORRUPT',
    `The segment is damaged: ${what}. Fetch it again from a replica.`,
  );
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
    // A copy: what is known about a segment must not keep its bytes alive.
    digest: Buffer.from(bytes.subarray(DIGEST_AT, DIGEST_AT + DIGEST_BYTES)),
  };
}

/** A right checksum over wrong numbers is a writer's mistake: found here, before anything is read. */
function checkHeader(bytes: Buffer, header: SegmentHeader): void {
  const placed = placeSections(header.buckets, header.overflowLines, header.recordsBytes);
  const isConsistent =
    bytes.readUInt32LE(12) === HEADER_BYTES &&
    bytes.readUInt32LE(44) === CRC_BLOCK_BYTES &&
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
