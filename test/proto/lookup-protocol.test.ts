import { PackedWriter, readKeys, readResults } from '../../proto/lookup-protocol.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LookupStatus } from '../../proto/gen/stele/v1/lookup.ts';

const bytes = fc.uint8Array({ maxLength: 300 });

describe('the packed bytes of the lookup stream', () => {
  it('return the keys and targets that were added', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 65_535 }), bytes)), (entries) => {
        const writer = new PackedWriter(16);
        for (const [target, key] of entries) writer.addKey(target, key);
        expect(writer.count).toBe(entries.length);
        const packed = writer.take();
        const read: [number, Uint8Array][] = [];
        readKeys(packed, entries.length, (index, target, start, end) => {
          read[index] = [target, new Uint8Array(packed.subarray(start, end))];
        });
        expect(read).toEqual(entries);
      }),
    );
  });

  it('return the statuses and values that were added', () => {
    const status = fc.constantFrom(
      LookupStatus.OK,
      LookupStatus.NOT_FOUND,
      LookupStatus.UNAVAILABLE,
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(status, bytes)), (entries) => {
        const writer = new PackedWriter(16);
        for (const [code, value] of entries) {
          // In the middle of a larger buffer, as values lie in a segment.
          const source = Buffer.concat([Buffer.from('xx'), value, Buffer.from('yy')]);
          writer.addResult(code, source, 2, 2 + value.length);
        }
        const packed = writer.take();
        const read: [LookupStatus, Uint8Array][] = [];
        readResults(packed, 0, packed.length, entries.length, (index, code, start, end) => {
          read[index] = [code, new Uint8Array(packed.subarray(start, end))];
        });
        expect(read).toEqual(entries);
      }),
    );
  });

  it('are refused when cut anywhere, or followed by more', () => {
    const writer = new PackedWriter();
    writer.addKey(0, Buffer.from('one'));
    writer.addKey(1, Buffer.from('two'));
    const packed = Buffer.from(writer.take());
    for (let length = 0; length < packed.length; length++) {
      const cut = packed.subarray(0, length);
      expect(() => readKeys(cut, 2, () => undefined)).toThrowError(/malformed/);
    }
    const longer = Buffer.concat([packed, Buffer.from([0])]);
    expect(() => readKeys(longer, 2, () => undefined)).toThrowError(/malformed/);
    expect(() =>
      readResults(Buffer.from([1, 255, 255, 255, 255]), 0, 5, 1, () => undefined),
    ).toThrowError(/malformed/);
  });

  it('treat an unknown status as UNAVAILABLE, never as an answer', () => {
    const seen: LookupStatus[] = [];
    readResults(Buffer.from([99, 0, 0, 0, 0]), 0, 5, 1, (_, status) => seen.push(status));
    expect(seen).toEqual([LookupStatus.UNAVAILABLE]);
  });
});
