// The shape of a segment file: where everything is. docs/segment-format.md is the normative text.
//
//     0            +--------------------------------------------+
//                  | header, 128 bytes                          |  header.ts
//     128          +--------------------------------------------+
//                  | index: one 64-byte line per bucket,        |
//                  |        then the overflow lines             |  index-line.ts
//     records      +--------------------------------------------+
//     offset       | records, sorted by (h1, h2, key)           |  record.ts
//                  | zeros up to a multiple of 4                |
//     footer       +--------------------------------------------+
//     offset       | CRC32 of each block of all above           |  header.ts
//                  | tail, 24 bytes                             |
//     file bytes   +--------------------------------------------+
//
// Invariants: every integer is little-endian; every offset is from the start of the file and fits a
// positive int32, so that the reader's arithmetic stays in small integers; no byte of the file is
// outside the reach of a checksum; the same records and the same keyspace give the same bytes.

import type { SegmentId } from '../base/segment-name.ts';
import assert from 'node:assert/strict';
import { endianness } from 'node:os';
import { SEGMENT_BYTES_MAX, SEGMENT_RECORDS_MAX } from '../base/limits.ts';

/** The format that is written, and the newest that is read. */
export const FORMAT_VERSION = 1;
export const HEADER_BYTES = 128;
export const TAIL_BYTES = 24;
/**
 * Block size of the checksums when writing: a record that is read from disk is verified with its
 * block. Readers accept any power of two from MIN to MAX.
 */
export const CRC_BLOCK_BYTES = 4 * 1024;
export const CRC_BLOCK_BYTES_MIN = 4 * 1024;
export const CRC_BLOCK_BYTES_MAX = 1024 * 1024;
export const DIGEST_BYTES = 16;
/** Bytes of the SHA-256 of the content that are kept, in the header and the segment's name. */
export const CONTENT_HASH_BYTES = 16;

export const LINE_BYTES = 64;
/** A bucket holds 12.5 records on average: 5.3 index bytes per key, and few overflows. */
const RECORDS_PER_2_BUCKETS = 25;
/** `floor(h1 * bucketCount / 2^32)` is exact in a double up to here. */
export const BUCKETS_MAX = 2 ** 21;

// The reader lays Int32Array and Uint16Array over the file, and those have the host's byte order.
assert(endianness() === 'LE', 'Stele runs on little-endian machines only.');
assert(HEADER_BYTES % LINE_BYTES === 0);
assert(SEGMENT_BYTES_MAX < 2 ** 31);
assert(Math.ceil((SEGMENT_RECORDS_MAX * 2) / RECORDS_PER_2_BUCKETS) <= BUCKETS_MAX);

/** The name and the facts of a segment (SegmentInfo of proto/stele/v1/segment.proto). */
export interface SegmentMeta {
  /** See base/segment-name.ts. */
  readonly id: SegmentId;
  readonly shard: number;
  readonly shardCount: number;
  /** 16 hex digits; also the seed of the key hash. */
  readonly keyspaceUid: string;
  readonly fileBytes: number;
  readonly records: number;
  readonly keyBytes: number;
  readonly valueBytes: number;
  /** Order-independent digest of the records, 16 bytes (digest.ts). */
  readonly digest: Buffer;
}

/** How many buckets a segment of `recordCount` records has; at least one. */
export function bucketCountFor(recordCount: number): number {
  return Math.max(1, Math.ceil((recordCount * 2) / RECORDS_PER_2_BUCKETS));
}

/** Rounds up to the footer's alignment. */
export function alignTo4(byteCount: number): number {
  return Math.ceil(byteCount / 4) * 4;
}
