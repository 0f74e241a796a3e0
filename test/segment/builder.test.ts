import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildSegment, SegmentBuilder } from '../../segment/builder.ts';
import { bucketOf, hashKey, lastHash2 } from '../../segment/hash.ts';
import {
  findHashedRecord,
  findRecord,
  forEachRecord,
  keyStart,
  openSegment,
  recordsOfBucket,
  segmentMeta,
  valueEnd,
  valueLength,
  valueStart,
} from '../../segment/reader.ts';
import type { Segment } from '../../segment/reader.ts';
import { verifySegment } from '../../segment/verify.ts';
import { build, built, encode, lookUp, UID } from './pairs.ts';
import type { Pair } from './pairs.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const text = (key: string, value: string): Pair => [Buffer.from(key), Buffer.from(value)];

/** Few distinct keys, so that there are duplicates; some values are too large for a u16 span. */
const pair = fc.tuple(
  fc.oneof(fc.uint8Array({ maxLength: 2 }), fc.uint8Array({ maxLength: 300 })),
  fc.oneof(
    { weight: 9, arbitrary: fc.uint8Array({ maxLength: 20 }) },
    { weight: 1, arbitrary: fc.nat(70_000).map((length) => new Uint8Array(length).fill(length)) },
  ),
);
const somePairs = fc.array(pair, { maxLength: 120 });

/** The pairs of a segment, read by its records and again by a scan of its buckets. */
function contents(segment: Segment): Map<string, string> {
  const byWalk: number[] = [];
  const byScan: number[] = [];
  forEachRecord(segment, (offset) => byWalk.push(offset));
  for (let bucket = 0; bucket < segment.bucketCount; bucket++) {
    recordsOfBucket(segment, bucket, byScan);
  }
  expect(byScan).toEqual(byWalk);
  const { bytes } = segment;
  return new Map(
    byWalk.map((offset) => {
      const start = valueStart(segment, offset);
      const end = valueEnd(segment, offset);
      expect(valueLength(segment, offset)).toBe(end - start);
      return [
        hex(bytes.subarray(keyStart(segment, offset), start)),
        hex(bytes.subarray(start, end)),
      ];
    }),
  );
}

describe('a built segment', () => {
  it('answers as a Map does, for any input, under each rule', () => {
    fc.assert(
      fc.property(somePairs, fc.constantFrom('first', 'last'), (pairs, onConflict) => {
        const expected = new Map<string, string>();
        for (const [key, value] of pairs) {
          if (onConflict === 'last' || !expected.has(hex(key))) expected.set(hex(key), hex(value));
        }
        const result = build([pairs], { onConflict });
        const segment = openSegment(result.segment!.bytes);
        verifySegment(segment);
        expect(contents(segment)).toEqual(expected);
        for (const [key, value] of expected) {
          expect(hex(lookUp(segment, Buffer.from(key, 'hex'))!)).toBe(value);
        }
        expect(segmentMeta(segment).records).toBe(expected.size);
        expect(result.duplicates).toBe(pairs.length - expected.size);
      }),
      { numRuns: 150 },
    );
  });

  it('does not find keys that are not in it', () => {
    fc.assert(
      fc.property(somePairs, fc.array(fc.uint8Array({ maxLength: 300 })), (pairs, others) => {
        const { segment } = build([pairs], { onConflict: 'last' });
        const keys = new Set(pairs.map(([key]) => hex(key)));
        const open = openSegment(segment!.bytes);
        for (const key of others) expect(lookUp(open, key) !== undefined).toBe(keys.has(hex(key)));
        for (const [key] of pairs) {
          const longer = Buffer.concat([key, Buffer.from([0])]);
          expect(lookUp(open, longer) !== undefined).toBe(keys.has(hex(longer)));
        }
      }),
      { numRuns: 50 },
    );
  });

  it('has the same bytes for the same pairs in any order, any number of times, in any parts', () => {
    fc.assert(
      fc.property(somePairs, fc.nat(), fc.nat(), (input, turn, cut) => {
        const pairs = [...new Map(input.map((one) => [hex(one[0]), one])).values()];
        const at = turn % (pairs.length + 1);
        const turned = [...pairs.slice(at), ...pairs.slice(0, at)].reverse();
        const parts = [turned.slice(0, cut % 50), [], turned.slice(cut % 50), pairs.slice(0, 10)];
        const again = build(parts);
        expect(again.segment!.bytes.equals(built(pairs).bytes)).toBe(true);
        expect(again.duplicates).toBe(Math.min(10, pairs.length));
      }),
      { numRuns: 50 },
    );
  });

  it('holds its counts, and an id that identifies its bytes', () => {
    const { bytes, info } = built([text('a', 'xyz'), text('bb', ''), text('', 'q')]);
    expect(info).toMatchObject({ shard: 5, shardCount: 128, keyspaceUid: UID, records: 3 });
    expect(info).toMatchObject({ keyBytes: 3, valueBytes: 4, fileBytes: bytes.length });
    expect(segmentMeta(openSegment(bytes))).toEqual(info);
    expect(built([text('a', 'xyz')]).info.id).not.toBe(info.id);
    const elsewhere = built([text('a', 'xyz')], { keyspaceUid: 'ffffffffffffffff' }).info;
    expect(elsewhere.digest).toEqual(built([text('a', 'xyz')]).info.digest);
    expect(elsewhere.id).not.toBe(built([text('a', 'xyz')]).info.id);
  });

  it('is over a SharedArrayBuffer, and can be opened from any buffer aligned to 4 bytes', () => {
    const { bytes } = built([text('a', 'xyz')]);
    expect(bytes.buffer).toBeInstanceOf(SharedArrayBuffer);
    const moved = Buffer.from(new ArrayBuffer(bytes.length + 4), 4);
    bytes.copy(moved);
    expect(lookUp(openSegment(moved), Buffer.from('a'))?.toString()).toBe('xyz');
  });

  it('shares its hash with all segments of the keyspace, so that a key is hashed once for several', () => {
    const key = Buffer.from('k');
    const base = openSegment(built([text('k', 'old'), text('x', '1')], { shard: 1 }).bytes);
    const delta = openSegment(built([text('k', 'new')], { shard: 2 }).bytes);
    const h1 = hashKey(key, 0, 1, base.seed1, base.seed2);
    const h2 = lastHash2();
    for (const segment of [base, delta]) {
      const offset = findHashedRecord(segment, key, 0, 1, h1, h2);
      expect(offset).toBe(findRecord(segment, key, 0, 1));
      expect(offset).toBeGreaterThan(0);
    }
  });

  it('may be empty', () => {
    const { segment, duplicates } = buildSegment({
      keyspaceUid: UID,
      shard: 0,
      shardCount: 1,
      parts: [],
      onConflict: 'error',
    });
    const open = openSegment(segment!.bytes);
    verifySegment(open);
    expect(contents(open).size).toBe(0);
    expect(findRecord(open, Buffer.from(''), 0, 0)).toBe(-1);
    expect(duplicates).toBe(0);
  });

  it('takes hundreds of keys in one bucket, over a chain of overflow lines', () => {
    const seed = Buffer.from(UID, 'hex');
    const pairs: Pair[] = [];
    for (let i = 0; pairs.length < 400; i++) {
      const key = Buffer.from(`k${i}`);
      const h1 = hashKey(key, 0, key.length, seed.readInt32LE(0), seed.readInt32LE(4));
      if (bucketOf(h1, 32) === 7) pairs.push([key, Buffer.from(String(i))]);
    }
    const segment = openSegment(built(pairs).bytes);
    verifySegment(segment);
    expect(segment.bucketCount).toBe(32);
    expect(segment.header.overflowLines).toBe(Math.ceil((400 - 19) / 18));
    for (const [key, value] of pairs) expect(lookUp(segment, key)).toEqual(value);
    expect(lookUp(segment, Buffer.from('absent'))).toBeUndefined();
  });

  it('keeps two records in one line up to an offset of 65,535 and no further', () => {
    // Two lengths of 1 and 3 bytes and a key of 1 byte come before the value.
    const overflowLines = (valueBytes: number): number => {
      const value = Buffer.alloc(valueBytes);
      const segment = openSegment(
        built([
          [Buffer.from('a'), value],
          [Buffer.from('b'), value],
        ]).bytes,
      );
      verifySegment(segment);
      expect(lookUp(segment, Buffer.from('a'))?.length).toBe(valueBytes);
      expect(lookUp(segment, Buffer.from('b'))?.length).toBe(valueBytes);
      return segment.header.overflowLines;
    };
    expect(overflowLines(65_535 - 5)).toBe(0);
    expect(overflowLines(65_536 - 5)).toBe(1);
  });
});

describe('two values for one key', () => {
  it('are a conflict that names both places, and no segment is built', () => {
    const parts = [
      [text('a', '1'), text('b', '1')],
      [text('b', '1'), text('a', '2'), text('a', '1'), text('a', '3')],
    ];
    const result = build(parts);
    expect(result.segment).toBeUndefined();
    expect(result.conflictCount).toBe(2);
    expect(result.duplicates).toBe(2);
    expect(result.conflicts).toEqual([
      { first: { part: 0, offset: 0 }, second: { part: 1, offset: 4 } },
      { first: { part: 0, offset: 0 }, second: { part: 1, offset: 12 } },
    ]);
  });

  it('are decided by input order, across parts', () => {
    const parts = [[text('a', '1')], [text('a', '2'), text('a', '3')], [text('b', '1')]];
    const value = (onConflict: 'first' | 'last'): string | undefined =>
      lookUp(
        openSegment(build(parts, { onConflict }).segment!.bytes),
        Buffer.from('a'),
      )?.toString();
    expect(value('first')).toBe('1');
    expect(value('last')).toBe('3');
    const same = [...parts, [text('a', '3'), text('b', '1')]];
    expect(build(same, { onConflict: 'last' })).toMatchObject({ duplicates: 4, overruled: 2 });
    expect(build(same, { onConflict: 'first' })).toMatchObject({ duplicates: 4, overruled: 3 });
    expect(build([[text('b', '1'), text('b', '1')]])).toMatchObject({
      duplicates: 1,
      overruled: 0,
    });
  });

  it('are listed up to a hundred times and counted after that', () => {
    const many = Array.from({ length: 300 }, (_, i) => text('a', String(i)));
    const result = build([many]);
    expect(result.conflicts.length).toBe(100);
    expect(result.conflictCount).toBe(299);
  });

  it('are listed in input order, the earliest ones, whatever their hashes', () => {
    const twice = ['1', '2'].map((value) =>
      Array.from({ length: 300 }, (_, i) => text(`key-${i + 100}`, value)),
    );
    const offsets = build(twice).conflicts.map(({ second }) => second.offset);
    expect(offsets).toEqual(Array.from({ length: 100 }, (_, i) => i * (offsets[1] ?? 0)));
  });

  it('cost no more than other rows when two keys come 100,000 times each', () => {
    const pairs = Array.from({ length: 200_000 }, (_, i) => text(i % 2 === 0 ? 'a' : 'b', 'same'));
    const result = build([pairs]);
    expect(result.duplicates).toBe(199_998);
    expect(result.segment!.info.records).toBe(2);
  });
});

describe('the builder', () => {
  it('builds the same segment when it has built others before', () => {
    const builder = new SegmentBuilder();
    const input = (count: number) => ({
      keyspaceUid: UID,
      shard: 5,
      shardCount: 128,
      parts: [encode(Array.from({ length: count }, (_, i) => text(`k${i}`, `v${i}`)))],
      onConflict: 'error' as const,
    });
    const alone = buildSegment(input(100)).segment!.bytes;
    builder.build(input(5000));
    expect(builder.build(input(100)).segment!.bytes.equals(alone)).toBe(true);
    builder.build(input(9000));
    expect(builder.build(input(100)).segment!.bytes.equals(alone)).toBe(true);
  });

  it('refuses malformed records, and a malformed uid', () => {
    const cut = encode([text('a', 'b'), text('c', 'd')]).subarray(0, 7);
    const input = { keyspaceUid: UID, shard: 0, shardCount: 1, onConflict: 'error' as const };
    expect(() => buildSegment({ ...input, parts: [cut] })).toThrow(/Part 0 .* offset 4/);
    expect(() => buildSegment({ ...input, parts: [], keyspaceUid: 'xyz' })).toThrow(/16 hex/);
  });
});

it('lets its thread sleep between small steps, and builds the same bytes', () => {
  const pairs = Array.from({ length: 2000 }, (_, row) => text(`key ${row}`, `value ${row}`));
  const parts = [encode(pairs.slice(0, 700)), encode(pairs.slice(700))];
  const input = { keyspaceUid: UID, shard: 0, shardCount: 1, onConflict: 'error', parts } as const;
  let rests = 0;
  const rested = buildSegment({ ...input, throttle: () => rests++ });
  expect(rests).toBeGreaterThan(2000 / 256);
  expect(rested.segment?.bytes.equals(buildSegment(input).segment!.bytes)).toBe(true);
});
