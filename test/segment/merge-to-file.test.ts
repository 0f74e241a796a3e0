import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mergeSegments } from '../../segment/merge.ts';
import { mergeSteps } from '../../segment/merge-to-file.ts';
import type { MergedTotals } from '../../segment/merge-to-file.ts';
import type { Segment } from '../../segment/reader.ts';
import { windowed } from '../../segment/record-window.ts';
import type { WindowedSegment } from '../../segment/record-window.ts';
import type { SegmentMeta } from '../../segment/layout.ts';
import { asFile } from '../support/segments/windows.ts';
import { finish, layers, segmentOf } from './chains.ts';

/** The file that a merge writes, and what it says of it. */
function merged(
  segments: readonly WindowedSegment[],
  expected: MergedTotals,
): { readonly bytes: Buffer; readonly meta: SegmentMeta } {
  let bytes = Buffer.alloc(0);
  const meta = finish(
    mergeSteps(segments, expected, (piece, position) => {
      const end = position + piece.length;
      if (end > bytes.length) bytes = Buffer.concat([bytes], end);
      piece.copy(bytes, position);
    }),
  );
  return { bytes, meta };
}

const mixed = (segment: Segment, index: number): WindowedSegment =>
  index % 3 === 2 ? windowed(segment) : asFile(segment);

describe('segments merged into a file', () => {
  it('are, byte for byte, those merged in memory', () => {
    fc.assert(
      fc.property(layers, (rows) => {
        const segments = rows.map(segmentOf);
        const { bytes, info } = mergeSegments(segments);
        const { bytes: file, meta } = merged(segments.map(mixed), info);
        expect(file.equals(bytes)).toBe(true);
        expect(meta).toEqual(info);
      }),
    );
  });

  it('are the same with overflow lines, empty buckets and many blocks', () => {
    const numbered = (from: number, count: number, valueBytes: number) =>
      new Map(
        Array.from({ length: count }, (_, at) => [
          `key ${from + at}`,
          'v'.repeat(1 + ((at * 37) % valueBytes)),
        ]),
      );
    for (const rows of [
      [numbered(0, 40_000, 20), numbered(30_000, 20_000, 90)],
      [numbered(0, 3000, 9000), numbered(5, 10, 200_000), numbered(0, 1, 4)],
      [new Map<string, string>()],
    ]) {
      const segments = rows.map(segmentOf);
      const { bytes, info } = mergeSegments(segments);
      expect(merged(segments.map(mixed), info).bytes.equals(bytes)).toBe(true);
    }
  });

  it('that are not what is expected write nothing', () => {
    const segments = [segmentOf(new Map([['a', 'b']])), segmentOf(new Map([['c', 'd']]))];
    const { info } = mergeSegments(segments);
    const write = (): void => expect.unreachable();
    for (const wrong of [{ records: 3 }, { valueBytes: 1 }, { digest: Buffer.alloc(16) }]) {
      const steps = mergeSteps(segments.map(windowed), { ...info, ...wrong }, write);
      expect(() => finish(steps)).toThrow(/Shard 5 merged to 2 records .* expects/);
    }
  });

  it('read every block once a walk, in windows of bounded size', () => {
    const rows = new Map(Array.from({ length: 30_000 }, (_, at) => [`key ${at}`, 'v'.repeat(90)]));
    const segment = segmentOf(rows);
    let [total, largest] = [0, 0];
    const source = asFile(segment, 64 * 1024, (byteCount) => {
      total += byteCount;
      largest = Math.max(largest, byteCount);
    });
    merged([source], segment.meta);
    const recordBlocks =
      segment.header.footerOffset - Math.floor(segment.recordsStart / 4096) * 4096;
    expect(total).toBe(2 * recordBlocks);
    expect(largest).toBeLessThanOrEqual(72 * 1024);
  });
});
