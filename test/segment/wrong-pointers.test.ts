// Segments with correct checksums and wrong contents, as a faulty writer makes them. The full check
// finds each of them, and a reader that is given one all the same ends with an error and reads
// nothing outside of the records.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SteleError } from '../../base/errors.ts';
import { bucketOf, hashKey } from '../../segment/hash.ts';
import {
  findRecord,
  firstRecordNear,
  forEachRecord,
  openSegment,
  recordBounds,
  recordsOfBucket,
} from '../../segment/reader.ts';
import type { Segment } from '../../segment/reader.ts';
import { verifySegment } from '../../segment/verify.ts';
import { UID, built, reseal } from './pairs.ts';
import type { Pair } from './pairs.ts';

const LINE_FIELDS: readonly [name: string, at: number, bytes: 1 | 2 | 4][] = [
  ['base', 0, 4],
  ...Array.from({ length: 19 }, (_, i): [string, number, 1] => [`tag ${i}`, 4 + i, 1]),
  ['count', 23, 1],
  ...Array.from({ length: 19 }, (_, i): [string, number, 2] => [`offset ${i}`, 24 + 2 * i, 2]),
  ['next', 60, 4],
];
const HEADER_FIELDS = [16, 20, 28, 32, 36, 40, 44, 48, 52, 56, 60, 64, 68, 72, 76, 80, 84, 88, 92];

/** Most of the keys belong to one of the five buckets, which needs a chain of three lines. */
const PAIRS: Pair[] = chained(50, 10).map((key, i): Pair => [key, Buffer.from(`v${i}`)]);

function chained(inOne: number, inOthers: number): Buffer[] {
  const buckets = Math.ceil((2 * (inOne + inOthers)) / 25);
  const seeds = Buffer.from(UID, 'hex');
  const keys = Array.from({ length: 1000 }, (_, i) => Buffer.from(`key-${i}`));
  const bucket = (key: Buffer): number => {
    const h1 = hashKey(key, 0, key.length, seeds.readInt32LE(0), seeds.readInt32LE(4));
    return bucketOf(h1, buckets);
  };
  return [
    ...keys.filter((key) => bucket(key) === 2).slice(0, inOne),
    ...keys.filter((key) => bucket(key) !== 2).slice(0, inOthers),
  ];
}

const ABSENT = Array.from({ length: 40 }, (_, i) => Buffer.from(`gone-${i}`));
const GOOD = built(PAIRS).bytes;
const { buckets, overflowLines } = openSegment(GOOD).header;

const copy = (): Buffer => Buffer.from(new Uint8Array(GOOD).buffer);

/** What `action` throws must be a SteleError; anything else fails the test. */
function isRefused(action: () => void): boolean {
  try {
    action();
    return false;
  } catch (thrown) {
    if (thrown instanceof SteleError && thrown.code === 'CORRUPT') return true;
    throw thrown;
  }
}

/** Reads in every possible way. */
function readAll(segment: Segment): void {
  const tries: (() => void)[] = [...PAIRS.map(([key]) => Buffer.from(key)), ...ABSENT].map(
    (key) => () => {
      const offset = findRecord(segment, key, 0, key.length);
      if (offset < 0) return;
      const { end, keyStart, valueStart } = recordBounds(segment, offset);
      assert(segment.bytes.subarray(keyStart, valueStart).equals(key));
      assert(end <= segment.recordsEnd);
    },
  );
  tries.push(() => forEachRecord(segment, () => undefined));
  for (let bucket = 0; bucket < segment.bucketCount; bucket++) {
    tries.push(() => recordsOfBucket(segment, bucket, []));
    tries.push(() => {
      const at = firstRecordNear(segment, Math.floor((bucket * 2 ** 32) / segment.bucketCount));
      assert(at >= segment.recordsStart && at <= segment.recordsEnd);
    });
  }
  for (const attempt of tries) isRefused(attempt);
}

/** Whether the change was detected, at the latest by the full check. */
function isNoticed(bytes: Buffer): boolean {
  let segment: Segment | undefined;
  if (isRefused(() => (segment = openSegment(bytes)))) return true;
  if (segment === undefined) return true;
  const opened = segment;
  readAll(opened);
  return isRefused(() => verifySegment(opened));
}

function write(bytes: Buffer, at: number, width: number, value: number): void {
  bytes.writeUIntLE(value % 2 ** (8 * width), at, width);
}

/** Values that a faulty writer, or an attacker, would put in place of `value`. */
function wrongValues(value: number, width: number, lineCount: number): number[] {
  const top = 2 ** (8 * width - 1);
  const all = [0, 1, value + 1, value + top - 1, value ^ 0x80, top - 1, top, 2 * top - 1];
  return [...all, lineCount, lineCount - 1].filter(
    (wrong) => wrong >= 0 && wrong % (2 * top) !== value,
  );
}

describe('a segment with correct checksums', () => {
  it('has chains, and lines of several records', () => {
    expect(overflowLines).toBe(2);
    expect(buckets).toBe(5);
    expect(isNoticed(copy())).toBe(false);
  });

  it.each(LINE_FIELDS)('and a wrong %s in any index line is refused', (_name, at, width) => {
    const lineCount = buckets + overflowLines;
    const passed: string[] = [];
    for (let line = 0; line < lineCount; line++) {
      const fieldAt = 128 + 64 * line + at;
      const value = GOOD.readUIntLE(fieldAt, width);
      for (const wrong of wrongValues(value, width, lineCount)) {
        const bytes = copy();
        write(bytes, fieldAt, width, wrong);
        reseal(bytes);
        if (!isNoticed(bytes)) passed.push(`line ${line}: ${wrong} for ${value}`);
      }
    }
    expect(passed).toEqual([]);
  });

  it.each(HEADER_FIELDS)('and a wrong header field at %i is refused', (at) => {
    const value = GOOD.readUInt32LE(at);
    const passed = wrongValues(value, 4, buckets).filter((wrong) => {
      const bytes = copy();
      write(bytes, at, 4, wrong);
      reseal(bytes);
      return !isNoticed(bytes);
    });
    // Nothing in the file repeats the shard count, which is part of the identity that is checked.
    if (at !== 28) expect(passed).toEqual([]);
  });

  it('and several wrong places at once is refused, or reads as before', () => {
    const place = fc.record({
      at: fc.integer({ min: 128, max: GOOD.length - 33 }),
      value: fc.integer({ min: 0, max: 255 }),
    });
    fc.assert(
      fc.property(fc.array(place, { minLength: 1, maxLength: 6 }), (places) => {
        const bytes = copy();
        for (const { at, value } of places) bytes[at] = value;
        reseal(bytes);
        expect(isNoticed(bytes)).toBe(!bytes.equals(resealed(GOOD)));
      }),
      { numRuns: 300 },
    );
  });

  it('and a loop in which a lookup would never end is refused', () => {
    const bytes = copy();
    for (let line = 0; line < buckets; line++) {
      bytes[128 + 64 * line + 23]! |= 0x80;
      bytes.writeUInt32LE(0x7fffffff, 128 + 64 * line + 60);
    }
    reseal(bytes);
    const segment = openSegment(bytes);
    for (const key of ABSENT) {
      expect(() => findRecord(segment, key, 0, key.length)).toThrow(/goes on in line 2147483647/);
    }
  });
});

function resealed(bytes: Buffer): Buffer {
  const sealed = Buffer.from(new Uint8Array(bytes).buffer);
  reseal(sealed);
  return sealed;
}
