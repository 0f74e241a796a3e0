// Test helpers: key-value pairs, as encoded parts and as built segments.

import { buildSegment } from '../../segment/builder.ts';
import type { BuildInput, BuildResult, BuiltSegment } from '../../segment/builder.ts';
import { HEADER_BYTES } from '../../segment/layout.ts';
import { sealSegment } from '../../segment/header.ts';
import { findRecord, valueEnd, valueStart } from '../../segment/reader.ts';
import type { Segment } from '../../segment/reader.ts';
import { recordBytes, writeRecord } from '../../segment/record.ts';
import { crc32 } from 'node:zlib';

export type Pair = readonly [key: Uint8Array, value: Uint8Array];

export const UID = '0123456789abcdef';

/** The pairs as one part: encoded records, one after the other. */
export function encode(pairs: readonly Pair[]): Buffer {
  const total = pairs.reduce((sum, [key, value]) => sum + recordBytes(key.length, value.length), 0);
  const part = Buffer.alloc(total);
  let at = 0;
  for (const [key, value] of pairs) {
    at = writeRecord(part, at, key, 0, key.length, value, 0, value.length);
  }
  return part;
}

export function build(
  parts: readonly (readonly Pair[])[],
  options: Partial<BuildInput> = {},
): BuildResult {
  return buildSegment({
    keyspaceUid: UID,
    shard: 5,
    shardCount: 128,
    onConflict: 'error',
    parts: parts.map(encode),
    ...options,
  });
}

/** Builds a segment from pairs that have no conflict. */
export function built(pairs: readonly Pair[], options: Partial<BuildInput> = {}): BuiltSegment {
  const { segment } = build([pairs], options);
  if (segment === undefined) throw new Error('conflicts in test data');
  return segment;
}

/** The value of `key`, or undefined. The key is passed in the middle of a larger buffer. */
export function lookUp(segment: Segment, key: Uint8Array): Buffer | undefined {
  const message = Buffer.concat([Buffer.from('>>'), key, Buffer.from('<<')]);
  const offset = findRecord(segment, message, 2, 2 + key.length);
  if (offset < 0) return undefined;
  return segment.bytes.subarray(valueStart(segment, offset), valueEnd(segment, offset));
}

/** Recomputes all checksums after a test has changed the bytes. */
export function reseal(bytes: Buffer): void {
  const footerOffset = Math.min(bytes.readUInt32LE(72), bytes.length - 28);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 124)), 124);
  const crcBlockBytes = bytes.readUInt32LE(44);
  const blocks = Math.ceil(footerOffset / crcBlockBytes);
  if (footerOffset < HEADER_BYTES || footerOffset + blocks * 4 + 24 !== bytes.length) return;
  sealSegment(bytes, { footerOffset, crcBlockBytes });
}
