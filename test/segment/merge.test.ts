import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mergeSegments } from '../../segment/merge.ts';
import { openSegment } from '../../segment/reader.ts';
import { verifySegment } from '../../segment/verify.ts';
import { digestOf, flatten, layers, segmentOf } from './chains.ts';

describe('merged segments', () => {
  it('are, byte for byte, the segment built from the merged rows', () => {
    fc.assert(
      fc.property(layers, (rows) => {
        const merged = mergeSegments(rows.map(segmentOf));
        const whole = flatten(rows);
        const rebuilt = segmentOf(whole);
        expect(merged.bytes.equals(rebuilt.bytes)).toBe(true);
        expect(merged.info).toEqual(rebuilt.meta);
        expect(merged.info.digest.toString('hex')).toBe(digestOf(whole));
        verifySegment(openSegment(merged.bytes));
      }),
    );
  });

  it('are the same whether merged at once or in two steps', () => {
    fc.assert(
      fc.property(layers, fc.nat(6), (rows, at) => {
        const segments = rows.map(segmentOf);
        const cut = 1 + (at % segments.length);
        const first = openSegment(mergeSegments(segments.slice(0, cut)).bytes);
        const whole = mergeSegments([first, ...segments.slice(cut)]);
        expect(whole.bytes.equals(mergeSegments(segments).bytes)).toBe(true);
      }),
    );
  });

  it('of another shard or keyspace are refused', () => {
    const segment = segmentOf(new Map([['a', 'b']]));
    const other = { ...segment, meta: { ...segment.meta, shard: segment.meta.shard + 1 } };
    expect(() => mergeSegments([segment, other])).toThrow('Not of one shard');
  });
});
