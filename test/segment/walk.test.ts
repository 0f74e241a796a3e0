import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { newWalk, nextKey } from '../../segment/walk.ts';
import { asFile } from '../support/segments/windows.ts';
import { layers, segmentOf } from './chains.ts';

describe('a walk over several segments', () => {
  it('visits every key once, in the order of the files, with all the segments that have it', () => {
    fc.assert(
      fc.property(layers, (rows) => {
        const walk = newWalk(rows.map((row) => asFile(segmentOf(row), 0)));
        const seen = new Map<string, number[]>();
        let before = -1;
        while (nextKey(walk)) {
          const { bounds, window, h1 } = walk.first!;
          const key = window.bytes.toString('utf8', bounds.keyStart, bounds.valueStart);
          expect(seen.has(key)).toBe(false);
          const at = walk.cursors.flatMap(({ isAtKey }, index) => (isAtKey ? [index] : []));
          expect(walk.cursors.indexOf(walk.first!)).toBe(at[0]);
          seen.set(key, at);
          expect(h1 >>> 0).toBeGreaterThanOrEqual(before);
          before = h1 >>> 0;
        }
        const expected = new Map<string, number[]>();
        rows.forEach((layer, index) => {
          for (const key of layer.keys()) expected.set(key, [...(expected.get(key) ?? []), index]);
        });
        expect(seen).toEqual(expected);
        expect(nextKey(walk)).toBe(false);
      }),
    );
  });

  it('over no segment ends at once', () => {
    expect(nextKey(newWalk([]))).toBe(false);
  });
});
