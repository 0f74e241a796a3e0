import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { hashKey, lastHash2 } from '../../segment/hash.ts';
import { findPlace, foundPlace, hashAfterBytes, placeOfHashes } from '../../segment/place.ts';
import {
  findRecord,
  forEachRecord,
  openSegment,
  recordBounds,
  valueEnd,
} from '../../segment/reader.ts';
import type { Segment } from '../../segment/reader.ts';
import { headBytesOf, openResident } from '../../segment/resident.ts';
import type { ResidentSegment } from '../../segment/resident.ts';
import type { SegmentHeader } from '../../segment/header.ts';
import { TAIL_BYTES } from '../../segment/layout.ts';
import { built } from './pairs.ts';
import type { Pair } from './pairs.ts';

const golden = openSegment(readFileSync(new URL('./golden/v1.seg', import.meta.url)));

function pairsOf(count: number): Pair[] {
  return Array.from({ length: count }, (_, index) => [
    Buffer.from(`key:${index}`),
    Buffer.alloc((index * 7919) % (index % 50 === 0 ? 9000 : 90), index),
  ]);
}

const many = openSegment(Buffer.from(built(pairsOf(20_000)).bytes));

function resident({ bytes, header }: Segment): ResidentSegment {
  const head = bytes.subarray(0, headBytesOf(header));
  return openResident(head, bytes.subarray(header.footerOffset), header);
}

describe.each([
  ['the golden segment, whose buckets overflow', golden],
  ['20,000 records of many sizes', many],
])('the index alone of %s', (_name, segment) => {
  const index = resident(segment);

  it('says where each record begins and ends', () => {
    forEachRecord(segment, (offset) => {
      const key = keyOf(segment, offset);
      const h1 = hashKey(key, 0, key.length, segment.seed1, segment.seed2);
      const h2 = lastHash2();
      const places: [number, number][] = [];
      for (let skipped = 0; findPlace(index, h1, h2, skipped); skipped++) {
        places.push([foundPlace.start, foundPlace.end]);
      }
      expect(places).toContainEqual([offset, valueEnd(segment, offset)]);
    });
  });

  it('finds a record for few of the keys that are missing', () => {
    let found = 0;
    for (let key = 0; key < 2000; key++) {
      const missing = Buffer.from(`missing:${key}`);
      expect(findRecord(segment, missing, 0, missing.length)).toBe(-1);
      const h1 = hashKey(missing, 0, missing.length, segment.seed1, segment.seed2);
      if (findPlace(index, h1, lastHash2(), 0)) found++;
    }
    expect(found).toBeLessThan(200);
  });

  it('divides the records into stretches that meet', () => {
    const records: { start: number; end: number; h1: number }[] = [];
    forEachRecord(segment, (start) => {
      const key = keyOf(segment, start);
      const h1 = hashKey(key, 0, key.length, segment.seed1, segment.seed2) >>> 0;
      records.push({ start, end: valueEnd(segment, start), h1 });
    });
    let visited = 0;
    for (let from = 0; from < 2 ** 32;) {
      const to = hashAfterBytes(index, from, 2000);
      const { end, start } = placeOfHashes(index, from, to);
      const inside = records.filter(({ h1 }) => h1 >= from && h1 < to);
      expect(inside.every((record) => record.start >= start && record.end <= end)).toBe(true);
      visited += inside.length;
      expect(to).toBeGreaterThan(from);
      from = to;
    }
    expect(visited).toBe(records.length);
  });
});

describe('a segment with its records on disk', () => {
  it('takes the memory of index and checksums', () => {
    const { residentBytes } = resident(many);
    expect(residentBytes).toBe(residentBytesOf(many.header));
    expect(residentBytes / 20_000).toBeLessThan(6.5);
  });

  it('is not opened with a flipped bit in the index or in the footer', () => {
    for (const at of [200, many.header.recordsOffset - 1, many.header.footerOffset + 2]) {
      const bytes = Buffer.from(many.bytes);
      bytes[at]! ^= 16;
      const { header } = many;
      const head = bytes.subarray(0, headBytesOf(header));
      const open = (): ResidentSegment =>
        openResident(head, bytes.subarray(header.footerOffset), header);
      expect(open).toThrow(/checksum/);
    }
  });
});

/** Bytes of header and index, and of the CRC table. */
function residentBytesOf({ fileBytes, footerOffset, recordsOffset }: SegmentHeader): number {
  return recordsOffset + (fileBytes - footerOffset - TAIL_BYTES);
}

function keyOf(segment: Segment, offset: number): Buffer {
  const { keyStart, valueStart } = recordBounds(segment, offset);
  return segment.bytes.subarray(keyStart, valueStart);
}
