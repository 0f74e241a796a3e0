import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { POSITION_END, walkInMemory } from '../../../datanode/reads/shard-records.ts';
import { openSegment } from '../../../segment/reader.ts';
import type { Segment } from '../../../segment/reader.ts';
import { built } from '../../segment/pairs.ts';
import type { Pair } from '../../segment/pairs.ts';

const SEED = Number(process.env['STELE_TEST_SEED'] ?? Date.now() % 1_000_000);

const segmentOf = (pairs: Iterable<readonly [string, string]>): Segment =>
  openSegment(
    built([...pairs].map(([key, value]): Pair => [Buffer.from(key), Buffer.from(value)])).bytes,
  );

/** The records from `position` on, in order, each with its position. */
function walkFrom(segments: readonly Segment[], position: number): [number, string, string][] {
  const walk = walkInMemory(segments, position);
  const met: [number, string, string][] = [];
  while (walk.next()) {
    const { bytes, keyStart, valueStart, end } = walk;
    const key = bytes.toString('latin1', keyStart, valueStart);
    met.push([walk.position, key, bytes.toString('latin1', valueStart, end)]);
  }
  expect(walk.next()).toBe(false);
  return met;
}

const numbered = (count: number, value: string): [string, string][] =>
  Array.from({ length: count }, (_, index) => [`k${index}`, value]);

describe('a walk over the records of a shard', () => {
  it('visits nothing if there is no segment, or only an empty one', () => {
    expect(walkFrom([], 0)).toEqual([]);
    expect(walkFrom([segmentOf([])], 0)).toEqual([]);
    expect(walkFrom([segmentOf([['a', '1']])], POSITION_END)).toEqual([]);
  });

  it('visits every record once, in order of position, whichever bucket it begins in', () => {
    const segment = segmentOf(numbered(3000, 'v'));
    const all = walkFrom([segment], 0);
    expect(new Set(all.map(([, key]) => key)).size).toBe(3000);
    expect(all).toHaveLength(3000);
    const positions = all.map(([position]) => position);
    expect(positions).toEqual([...positions].sort((left, right) => left - right));
    for (let at = 0; at < all.length; at += 97) {
      const position = positions[at] ?? 0;
      const rest = all.slice(positions.indexOf(position));
      expect(walkFrom([segment], position)).toEqual(rest);
      expect(walkFrom([segment], position + 1)[0]).toEqual(
        all[positions.lastIndexOf(position) + 1],
      );
    }
  });

  it('gives a key the same position in every segment of its keyspace', () => {
    const one = walkFrom([segmentOf([['k7', 'x']])], 0);
    const among = walkFrom([segmentOf(numbered(500, 'x'))], 0);
    expect(among).toContainEqual(one[0]);
  });

  it('merges segments as a Map written from the oldest to the newest, cut anywhere', () => {
    const someSegment = fc.array(fc.tuple(fc.nat(60), fc.nat(9)), { maxLength: 50 });
    fc.assert(
      fc.property(fc.array(someSegment, { maxLength: 5 }), fc.nat(1000), (contents, cut) => {
        const expected = new Map<string, string>();
        const oldestFirst = contents.map((pairs) => {
          const rows = new Map(pairs.map(([key, value]) => [`k${key}`, `v${value}`] as const));
          for (const [key, value] of rows) expected.set(key, value);
          return segmentOf(rows);
        });
        const newestFirst = oldestFirst.reverse();
        const all = walkFrom(newestFirst, 0);
        expect(all).toHaveLength(expected.size);
        expect(new Map(all.map(([, key, value]) => [key, value]))).toEqual(expected);
        const position = all[cut % Math.max(1, all.length)]?.[0] ?? 0;
        expect(walkFrom(newestFirst, position)).toEqual(all.filter(([at]) => at >= position));
      }),
      { seed: SEED, numRuns: 200 },
    );
  });
});
