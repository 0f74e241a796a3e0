import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { S3Fifo, hashOfPlace } from '../../../datanode/disk/s3-fifo.ts';

/** The bytes of the record at a place: always the same ones. */
function recordOf(segment: number, start: number, length: number): Buffer {
  const record = Buffer.alloc(length);
  for (let at = 0; at < length; at++) record[at] = (segment * 31 + start * 7 + at) & 0xff;
  return record;
}

function add(cache: S3Fifo, segment: number, start: number, length: number): void {
  // Not at the start of its buffer, as in a block that was read.
  const block = Buffer.concat([Buffer.alloc(3, 0xee), recordOf(segment, start, length)]);
  cache.add(segment, start, hashOfPlace(segment, start), block, 3, length);
}

function find(cache: S3Fifo, segment: number, start: number, length: number): Buffer | undefined {
  const at = cache.find(segment, start, hashOfPlace(segment, start));
  return at < 0 ? undefined : cache.bytes.subarray(at, at + length);
}

const has = (cache: S3Fifo, start: number): boolean => find(cache, 1, start, 100) !== undefined;

/** Adds a record unless it is there, as a reader does; returns whether it was there. */
function read(cache: S3Fifo, start: number): boolean {
  const isThere = has(cache, start);
  if (!isThere) add(cache, 1, start, 100);
  return isThere;
}

describe('a cache of records', () => {
  const steps = fc.array(
    fc.record({
      adds: fc.boolean(),
      segment: fc.integer({ min: 1, max: 3 }),
      place: fc.integer({ min: 0, max: 400 }),
    }),
    { minLength: 200, maxLength: 3000 },
  );

  it('returns the bytes that were added, never others, whatever is added and evicted', () => {
    fc.assert(
      fc.property(steps, fc.integer({ min: 2000, max: 40_000 }), (all, byteCount) => {
        const cache = new S3Fifo(byteCount);
        const added = new Map<string, Buffer>();
        let largest = 0;
        for (const { adds, place, segment } of all) {
          // Of any length, up to the largest.
          const length = 1 + ((place * 2654435761) % cache.recordBytesMax);
          const name = `${segment}:${place}`;
          if (adds) {
            add(cache, segment, place, length);
            added.set(name, recordOf(segment, place, length));
          }
          const found = find(cache, segment, place, length);
          // What was added last is there.
          if (adds) assert(found !== undefined);
          if (found !== undefined) assert(added.get(name)?.equals(found));
          largest = Math.max(largest, cache.count);
        }
        const there = [...added].filter(([name, record]) => {
          const [segment = 0, place = 0] = name.split(':').map(Number);
          const found = find(cache, segment, place, record.length);
          if (found !== undefined) assert(found.equals(record));
          return found !== undefined;
        });
        expect(there.length).toBe(cache.count);
        expect(largest).toBeGreaterThan(0);
      }),
      { numRuns: 40 },
    );
  });

  it('takes the memory that it was given, everything included', () => {
    for (const byteCount of [2000, 65_536, 1_000_003]) {
      const { byteCount: taken, bytes } = new S3Fifo(byteCount);
      expect(taken).toBeLessThanOrEqual(byteCount);
      expect(taken).toBeGreaterThan(byteCount - 4);
      expect(bytes.buffer.byteLength).toBe(taken);
    }
  });

  it('keeps every record until it is full, of the usual size at less than 40 bytes of its own', () => {
    const cache = new S3Fifo(1024 * 1024);
    let start = 0;
    while (start === cache.count) add(cache, 1, start++, 106);
    expect(cache.count).toBeGreaterThan((1024 * 1024) / (106 + 40));
  });

  it('is also full when there are as many small records as its index can name', () => {
    const cache = new S3Fifo(64 * 1024);
    for (let start = 0; start < 100_000; start++) add(cache, 1, start, 2);
    expect(cache.count).toBeGreaterThan(800);
    expect(cache.count).toBeLessThan((64 * 1024) / 48);
    for (let start = 0; start < 100_000; start++) {
      const found = find(cache, 1, start, 2);
      if (found !== undefined) expect(found).toEqual(recordOf(1, start, 2));
    }
  });

  it('keeps what is used while everything is read once', () => {
    const cache = new S3Fifo(128 * 1024);
    const hot = Array.from({ length: 300 }, (_, start) => start);
    for (let time = 0; time < 5; time++) for (const start of hot) read(cache, start);
    let kept = 0;
    for (let start = 1000; start < 31_000; start++) {
      read(cache, start);
      if (start % 10 === 0 && read(cache, hot[(start / 10) % hot.length]!)) kept++;
    }
    expect(kept).toBeGreaterThan(0.95 * 3000);
  });

  it('gives a record that returns soon after its eviction to those that stay', () => {
    const cache = new S3Fifo(128 * 1024);
    for (let start = 1000; start < 11_000; start++) read(cache, start);
    expect(read(cache, 1)).toBe(false);
    // Through the small ring, with a tenth of the memory, and out of it.
    for (let start = 20_000; has(cache, 1); start++) {
      // `has` is a use, and two of them would keep it.
      for (let more = 0; more < 200; more++) read(cache, start * 1000 + more);
    }
    read(cache, 1);
    for (let start = 50_000; start < 50_300; start++) read(cache, start);
    expect(has(cache, 1)).toBe(true);
  });
});
