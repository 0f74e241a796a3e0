import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { openSegment, recordsOfBucket } from '../../segment/reader.ts';
import { verifySegment } from '../../segment/verify.ts';
import { GOLDEN_SHARD, GOLDEN_SHARD_COUNT, GOLDEN_UID, goldenPairs } from './golden/pairs-v1.ts';
import { built, lookUp } from './pairs.ts';

const folder = new URL('./golden/', import.meta.url);
const file = new URL('v1.seg', folder);

function build(pairs = goldenPairs()): Buffer {
  return built(pairs, {
    keyspaceUid: GOLDEN_UID,
    shard: GOLDEN_SHARD,
    shardCount: GOLDEN_SHARD_COUNT,
    // As Stele wrote at first; the block size is the writer's choice.
    crcBlockBytes: 64 * 1024,
  }).bytes;
}

// Only for a new format version: STELE_WRITE_GOLDEN=1 npx vitest run test/segment/golden.test.ts
if (process.env['STELE_WRITE_GOLDEN'] === '1') {
  mkdirSync(folder, { recursive: true });
  writeFileSync(file, build());
}

describe('the golden file of format version 1', () => {
  const golden = readFileSync(file);

  it('equals what the writer builds from the same pairs, byte for byte', () => {
    expect(build().equals(golden)).toBe(true);
    expect(build(goldenPairs().reverse()).equals(golden)).toBe(true);
  });

  it('is read by the reader: every pair, and the name of the whole', () => {
    const segment = openSegment(golden);
    verifySegment(segment);
    for (const [key, value] of goldenPairs()) expect(lookUp(segment, key)).toEqual(value);
    expect(lookUp(segment, Buffer.from('key-60'))).toBeUndefined();
    expect(segment.meta.id).toBe(
      '00017-fd29919fb71f56b8f2580c39a6736967-cb0dde226b5d3fbf8accbf8b4e783eb6',
    );
    expect(segment.meta.records).toBe(66);
  });

  it('has a bucket that overflows by count and one that overflows by span', () => {
    const segment = openSegment(golden);
    const buckets = Array.from({ length: segment.bucketCount }, (_, bucket) => {
      const offsets: number[] = [];
      recordsOfBucket(segment, bucket, offsets);
      return offsets;
    });
    const span = (offsets: number[]): number => (offsets.at(-1) ?? 0) - (offsets[0] ?? 0);
    expect(buckets.some((offsets) => offsets.length > 19 && span(offsets) < 65_536)).toBe(true);
    expect(buckets.some((offsets) => offsets.length < 19 && span(offsets) > 65_535)).toBe(true);
  });
});
