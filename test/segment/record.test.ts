import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeRecord,
  newRecordBounds,
  readLongVarint,
  recordBytes,
  varintBytes,
  writeVarint,
} from '../../segment/record.ts';
import { encode } from './pairs.ts';

const bounds = newRecordBounds();

describe('a record', () => {
  it('is decoded as it was encoded, at any offset', () => {
    const bytes = fc.uint8Array({ maxLength: 300 });
    fc.assert(
      fc.property(bytes, bytes, fc.nat(20), (key, value, before) => {
        const part = Buffer.concat([Buffer.alloc(before, 0xff), encode([[key, value]])]);
        expect(decodeRecord(part, before, part.length, bounds)).toBe(true);
        expect(part.subarray(bounds.keyStart, bounds.valueStart)).toEqual(Buffer.from(key));
        expect(part.subarray(bounds.valueStart, bounds.end)).toEqual(Buffer.from(value));
        expect(bounds.end - before).toBe(recordBytes(key.length, value.length));
      }),
    );
  });

  it('is refused when it is cut anywhere', () => {
    const part = encode([[Buffer.alloc(200, 1), Buffer.alloc(300, 2)]]);
    for (let limit = 0; limit < part.length; limit++) {
      expect(decodeRecord(part, 0, limit, bounds)).toBe(false);
    }
  });

  it('may have a key and a value of exactly the maximum length, and not longer', () => {
    const room = 2 ** 27;
    const part = Buffer.alloc(20);
    const isValid = (keyBytes: number, valueBytes: number): boolean => {
      writeVarint(part, writeVarint(part, 0, keyBytes), valueBytes);
      return decodeRecord(part, 0, room, bounds);
    };
    expect(isValid(65_536, 67_108_864)).toBe(true);
    expect(isValid(65_537, 0)).toBe(false);
    expect(isValid(0, 67_108_865)).toBe(false);
  });

  it('has lengths in the shortest form only', () => {
    for (const value of [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 2 ** 28 - 1]) {
      const varint = Buffer.alloc(4);
      expect(writeVarint(varint, 0, value)).toBe(varintBytes(value));
      expect(readLongVarint(varint, 0, 4)).toBe(value);
    }
    expect(readLongVarint(Buffer.from([0x80, 0x00]), 0, 2)).toBe(-1);
    expect(readLongVarint(Buffer.from([0xff, 0x80, 0x00]), 0, 3)).toBe(-1);
    expect(readLongVarint(Buffer.from([0x80, 0x80, 0x80, 0x80, 0x01]), 0, 5)).toBe(-1);
  });
});
