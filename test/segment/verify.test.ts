import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { SteleError } from '../../base/errors.ts';
import { openSegment } from '../../segment/reader.ts';
import { verifyRange, verifySegment, verifySteps } from '../../segment/verify.ts';
import { built, reseal } from './pairs.ts';

const golden = readFileSync(new URL('./golden/v1.seg', import.meta.url));
const header = openSegment(golden).header;

/** A copy that tests may damage. */
function copy(): Buffer {
  return Buffer.from(new Uint8Array(golden).buffer);
}

function check(bytes: Buffer): void {
  verifySegment(openSegment(bytes));
}

function errorOf(action: () => void): SteleError | undefined {
  try {
    action();
    return undefined;
  } catch (thrown) {
    if (thrown instanceof SteleError) return thrown;
    throw thrown;
  }
}

/** Offsets whose damage was not detected. */
function unnoticed(
  offsets: Iterable<number>,
  damage: (bytes: Buffer, at: number) => void,
): number[] {
  return [...offsets].filter((at) => {
    const bytes = copy();
    damage(bytes, at);
    return errorOf(() => check(bytes)) === undefined;
  });
}

function* range(from: number, to: number, step = 1): Generator<number> {
  for (let at = from; at < to; at += step) yield at;
}

function flip(bytes: Buffer, at: number): void {
  bytes[at]! ^= 0x10;
}

function flipAndReseal(bytes: Buffer, at: number): void {
  flip(bytes, at);
  reseal(bytes);
}

/** Swaps two adjacent pieces of `length` bytes. */
function swap(bytes: Buffer, at: number, length: number): void {
  const first = Buffer.from(bytes.subarray(at, at + length));
  bytes.copyWithin(at, at + length, at + 2 * length);
  first.copy(bytes, at + length);
}

describe('opening', () => {
  it('finds every changed byte of header, CRC table and tail by itself', () => {
    const ends = [...range(0, 128), ...range(header.footerOffset, golden.length)];
    const passed = ends.filter((at) => {
      const bytes = copy();
      flip(bytes, at);
      return errorOf(() => void openSegment(bytes)) === undefined;
    });
    expect(passed).toEqual([]);
  });

  const at = { tail: golden.length - 24 };
  it.each([
    ['magic', 0, 'CORRUPT', /magic and format version/],
    ['format version', 8, 'CORRUPT', /magic and format version/],
    ['header bytes', 12, 'CORRUPT', /checksum of its header/],
    ['keyspace uid', 16, 'CORRUPT', /checksum of its header/],
    ['shard', 24, 'CORRUPT', /checksum of its header/],
    ['shard count', 28, 'CORRUPT', /checksum of its header/],
    ['digest', 80, 'CORRUPT', /checksum of its header/],
    ['header CRC', 124, 'CORRUPT', /checksum of its header/],
    ['CRC table', header.footerOffset, 'CORRUPT', /checksum of its CRC table/],
    ['tail', at.tail + 4, 'CORRUPT', /checksum of its tail/],
    ['tail CRC', at.tail + 12, 'CORRUPT', /checksum of its tail/],
    ['end magic', at.tail + 16, 'CORRUPT', /end mark/],
  ])('says which part is damaged: %s', (_name, offset, code, message) => {
    const bytes = copy();
    flip(bytes, offset);
    const error = errorOf(() => void openSegment(bytes));
    expect(error?.code).toBe(code);
    expect(error?.message).toMatch(message);
  });

  it.each([
    ['magic', 0, /not a segment/],
    ['format version', 8, /format version 17/],
  ])('takes no segment of another format for a damaged one: %s', (_name, offset, message) => {
    const bytes = copy();
    flip(bytes, offset);
    reseal(bytes);
    const error = errorOf(() => void openSegment(bytes));
    expect(error?.code).toBe('UNKNOWN_FORMAT');
    expect(error?.message).toMatch(message);
  });

  it('finds a file that was cut or has grown, at any length', () => {
    const lengths = [...range(0, 400), ...range(0, golden.length, 997), golden.length - 1];
    for (const length of lengths) {
      expect(errorOf(() => void openSegment(copy().subarray(0, length)))?.code).toBe('CORRUPT');
    }
    const grown = Buffer.concat([golden, Buffer.alloc(4)]);
    expect(errorOf(() => void openSegment(grown))?.message).toMatch(/where its header says/);
  });

  it('finds numbers that contradict one another under right checksums', () => {
    // All fields except version, uid, shard, shard count, digest and features, which nothing else
    // in the header repeats.
    const fields = [12, 32, 36, 40, 44, 48, 52, 56, 60, 72, 76, 120];
    const passed = fields.filter((field) => {
      const bytes = copy();
      bytes.writeUInt32LE(bytes.readUInt32LE(field) + 2 ** 26, field);
      reseal(bytes);
      return errorOf(() => void openSegment(bytes)) === undefined;
    });
    expect(passed).toEqual([]);
  });
});

describe('an unknown feature', () => {
  it('is ignored if it is compatible', () => {
    const bytes = copy();
    bytes.writeUInt32LE(0x8000_0001, 96);
    reseal(bytes);
    check(bytes);
  });

  it.each([1, 0x8000_0000])('is named in the error if it is not: %i', (feature) => {
    const bytes = copy();
    bytes.writeUInt32LE(feature, 100);
    reseal(bytes);
    const error = errorOf(() => void openSegment(bytes));
    expect(error?.code).toBe('UNKNOWN_FORMAT');
    expect(error?.message).toContain(`(0x${feature.toString(16)})`);
  });
});

describe('the hash in the name', () => {
  it('is the SHA-256 of the file but for hash, header checksum and footer', () => {
    const content = [golden.subarray(0, 104), golden.subarray(128, header.footerOffset)];
    const hash = createHash('sha256').update(Buffer.concat(content)).digest('hex').slice(0, 32);
    expect(openSegment(golden).meta.id.split('-')[2]).toBe(hash);
  });

  it('is verified', () => {
    const bytes = copy();
    flip(bytes, 104);
    // Only the header checksum is recomputed; all other bytes are unchanged.
    bytes.writeUInt32LE(crc32(bytes.subarray(0, 124)), 124);
    expect(openSegment(bytes).meta.id).not.toBe(openSegment(golden).meta.id);
    expect(errorOf(() => check(bytes))?.message).toMatch(/does not have the hash in its header/);
  });
});

describe('blocks of another size', () => {
  const pairs = Array.from({ length: 2000 }, (_, i): [Buffer, Buffer] => [
    Buffer.from(`key-${i}`),
    Buffer.alloc(i % 50, 'v'),
  ]);
  const inBlocksOf = (crcBlockBytes: number): Buffer => built(pairs, { crcBlockBytes }).bytes;

  it.each([4096, 16_384, 1_048_576])('of %i bytes are checksummed and found damaged', (size) => {
    const bytes = inBlocksOf(size);
    const segment = openSegment(bytes);
    verifySegment(segment);
    expect([...verifySteps(segment)].length).toBeLessThan(10);
    const block = Math.floor(9000 / size);
    flip(bytes, 9000);
    const wrong = new RegExp(`block ${block} \\(bytes ${block * size} to`);
    expect(errorOf(() => check(bytes))?.message).toMatch(wrong);
    expect(errorOf(() => verifyRange(segment, 8999, 9001))?.message).toMatch(wrong);
    if (size === 4096) verifyRange(segment, 0, 8000);
  });

  it.each([0, 2048, 65_537, 2 ** 21])('of %i bytes are not accepted', (size) => {
    const bytes = copy();
    bytes.writeUInt32LE(size, 44);
    bytes.writeUInt32LE(crc32(bytes.subarray(0, 124)), 124);
    expect(errorOf(() => void openSegment(bytes))?.code).toBe('CORRUPT');
  });
});

describe('verifying', () => {
  it('passes the golden file, in steps that cover it', () => {
    const segment = openSegment(copy());
    const steps = [...verifySteps(segment)];
    expect(steps.length).toBeGreaterThan(2);
    expect(Math.max(...steps)).toBeLessThan(256 * 1024);
  });

  it('finds a changed byte in every section by the checksums, and says which block', () => {
    const index = range(128, header.recordsOffset);
    const records = range(header.recordsOffset, header.footerOffset, 331);
    expect(unnoticed([...index, ...records, header.footerOffset - 1], flip)).toEqual([]);
    const bytes = copy();
    flip(bytes, 66_000);
    expect(errorOf(() => check(bytes))?.message).toMatch(/block 1 \(bytes 65536 to \d+\)/);
  });

  it('finds a wrong index under correct checksums, byte by byte', () => {
    expect(unnoticed(range(128, header.recordsOffset), flipAndReseal)).toEqual([]);
  });

  it('finds wrong records under correct checksums', () => {
    const records = range(header.recordsOffset, header.footerOffset, 331);
    expect(unnoticed([...records, header.footerOffset - 1], flipAndReseal)).toEqual([]);
  });

  it('finds wrong counts, seed and digest under correct checksums', () => {
    const fields = [16, 20, 32, 64, 68, 80, 84, 88, 92];
    expect(unnoticed(fields, flipAndReseal)).toEqual([]);
  });

  it('finds records in the wrong order, although index, checksums and digest agree with them', () => {
    const bytes = built([
      [Buffer.from('a'), Buffer.from('1')],
      [Buffer.from('b'), Buffer.from('2')],
    ]).bytes;
    const { recordsStart } = openSegment(bytes);
    // Two records of four bytes each, and their tags at the start of the only line.
    swap(bytes, recordsStart, 4);
    swap(bytes, 128 + 4, 1);
    reseal(bytes);
    expect(() => check(bytes)).toThrow(/not sorted/);
    swap(bytes, recordsStart, 4);
    swap(bytes, 128 + 4, 1);
    reseal(bytes);
    check(bytes);
  });

  it('finds the same key twice', () => {
    const bytes = built([
      [Buffer.from('a'), Buffer.from('1')],
      [Buffer.from('b'), Buffer.from('2')],
    ]).bytes;
    const { recordsStart } = openSegment(bytes);
    bytes.copyWithin(recordsStart, recordsStart + 4, recordsStart + 8);
    bytes[128 + 4] = bytes[128 + 5]!;
    reseal(bytes);
    expect(() => check(bytes)).toThrow(/not sorted/);
  });

  it('finds damage that came after opening', () => {
    const bytes = copy();
    const segment = openSegment(bytes);
    flip(bytes, 30);
    expect(errorOf(() => verifySegment(segment))?.message).toMatch(/header/);
  });

  it('finds an index that ends in a loop, and so does a lookup', () => {
    const many = Array.from(
      { length: 40 },
      (_, i) => [Buffer.from(`k${i}`), Buffer.alloc(70_000, i)] as const,
    );
    const bytes = built(many).bytes;
    const segment = openSegment(bytes);
    bytes.writeUInt32LE(0, 128 + 60);
    expect(() => verifySegment(segment)).toThrow(/block 0/);
    reseal(bytes);
    expect(() => verifySegment(openSegment(bytes))).toThrow(/goes on in line 0/);
  });
});
