import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Segment } from '../../segment/reader.ts';
import { openSegment } from '../../segment/reader.ts';
import { readEnds, verifyFileRange, verifyFileSteps } from '../../segment/verify-file.ts';
import type { SegmentFileSource } from '../../segment/verify-file.ts';
import { verifySegment } from '../../segment/verify.ts';
import { finish, layers, segmentOf } from './chains.ts';
import { reseal } from './pairs.ts';

function fileOf(bytes: Buffer): SegmentFileSource & { readonly reads: number[] } {
  const reads: number[] = [];
  const read = (into: Buffer, position: number): void => {
    reads.push(into.length);
    expect(bytes.copy(into, 0, position, position + into.length)).toBe(into.length);
  };
  return { byteLength: bytes.length, read, reads };
}

function verify(bytes: Buffer, depth: 'full' | 'checksums' = 'full') {
  const file = fileOf(bytes);
  return finish(verifyFileSteps(file, readEnds(file), depth));
}

const many = segmentOf(
  new Map(Array.from({ length: 20_000 }, (_, at) => [`key ${at}`, 'v'.repeat(at % 200)])),
);

/** The same bytes, in memory of their own. */
const copyOf = ({ bytes }: Segment): Buffer => Buffer.from(bytes);

describe('a segment file that is verified in one pass', () => {
  it('is accepted, with the index and the checksums that stay in memory', () => {
    fc.assert(
      fc.property(layers, ([rows]) => {
        const segment = segmentOf(rows!);
        for (const depth of ['full', 'checksums'] as const) {
          const resident = verify(segment.bytes, depth);
          expect(resident.meta).toEqual(segment.meta);
          expect(Buffer.from(resident.lines).equals(Buffer.from(segment.lines))).toBe(true);
          expect(resident.crcs.length).toBe(Math.ceil(segment.header.footerOffset / 4096));
        }
      }),
    );
  });

  it('is read once, in windows of bounded size', () => {
    const file = fileOf(many.bytes);
    finish(verifyFileSteps(file, readEnds(file), 'full'));
    const [, footer = 0, head = 0, ...windows] = file.reads;
    // The block in which the index ends is read twice, the header three times.
    const twice = many.header.recordsOffset % 4096;
    const total = windows.reduce((sum, byteCount) => sum + byteCount, head + footer - twice);
    expect(total).toBe(many.bytes.length);
    expect(windows.length).toBeGreaterThan(5);
    expect(Math.max(...windows)).toBeLessThanOrEqual(260 * 1024);
  });

  it('is refused with any byte changed, whatever part of it that is in', () => {
    const small = segmentOf(new Map(Array.from({ length: 300 }, (_, at) => [`k${at}`, `v${at}`])));
    fc.assert(
      fc.property(
        fc.constantFrom(small, many),
        fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
        fc.integer({ min: 1, max: 255 }),
        ({ bytes }, place, bits) => {
          const bad = Buffer.from(bytes);
          const at = Math.floor(place * bytes.length);
          bad[at] = bad[at]! ^ bits;
          expect(() => verify(bad)).toThrow();
          const pieces = (): void => {
            for (let from = 0; from < bad.length; from += 100_000) {
              verifyFileRange(fileOf(bad), from, from + 100_000);
            }
          };
          expect(pieces).toThrow();
        },
      ),
    );
    for (let from = 0; from < many.bytes.length; from += 100_000) {
      verifyFileRange(fileOf(many.bytes), from, from + 100_000);
    }
  });

  it('is refused for the same reason as in memory if its checksums are right and its content is not', () => {
    const { footerOffset } = many.header;
    fc.assert(
      fc.property(fc.integer({ min: 128, max: footerOffset - 1 }), fc.nat(254), (at, value) => {
        const bad = copyOf(many);
        if (bad[at] === value) return;
        bad[at] = value;
        reseal(bad);
        const inMemory = failureOf(() => verifySegment(openSegment(bad)));
        expect(inMemory).toMatchObject({ code: 'CORRUPT' });
        expect(failureOf(() => verify(bad))).toEqual(inMemory);
      }),
    );
  });

  it('is refused if it is cut off, or longer than it says', () => {
    for (const length of [0, 100, 5000, many.bytes.length - 1]) {
      expect(() => verify(copyOf(many).subarray(0, length))).toThrow();
    }
    expect(() => verify(Buffer.concat([many.bytes, Buffer.alloc(1)]))).toThrow(/bytes where its/);
  });
});

function failureOf(run: () => unknown): unknown {
  try {
    run();
    return undefined;
  } catch (thrown) {
    const { code, message } = thrown as { readonly code: string; readonly message: string };
    return { code, message };
  }
}
