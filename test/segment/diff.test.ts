import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { diffSteps } from '../../segment/diff.ts';
import type { ShardDiff } from '../../segment/diff.ts';
import { mergeSegments } from '../../segment/merge.ts';
import { openSegment } from '../../segment/reader.ts';
import type { Segment } from '../../segment/reader.ts';
import { windowed } from '../../segment/record-window.ts';
import { asFile } from '../support/segments/windows.ts';
import { finish, flatten, layers, segmentOf } from './chains.ts';
import type { Layer } from './chains.ts';

/** Any of them may be on disk. */
const opened = (segment: Segment, at: number) =>
  at % 2 === 0 ? asFile(segment, 0) : windowed(segment);

/** Both sides are oldest first. */
function diff(from: readonly Layer[], to: readonly Layer[], samplesMax = 1000): ShardDiff {
  const segments = new Map([...from, ...to].map((rows) => [rows, segmentOf(rows)]));
  const newestFirst = (rows: readonly Layer[]) =>
    rows.map((one, at) => opened(segments.get(one)!, at)).reverse();
  return finish(diffSteps(newestFirst(from), newestFirst(to), samplesMax));
}

/** The expected difference, from two Maps: `kind key from to`, sorted. */
function expected(from: readonly Layer[], to: readonly Layer[]): string[] {
  const before = flatten(from);
  const after = flatten(to);
  const lines: string[] = [];
  for (const key of new Set([...before.keys(), ...after.keys()])) {
    const a = before.get(key);
    const b = after.get(key);
    if (a === b) continue;
    const kind = a === undefined ? 'added' : b === undefined ? 'removed' : 'changed';
    lines.push(`${kind} ${key} ${cut(a)} ${cut(b)}`);
  }
  return lines.sort();
}

const cut = (value: string | undefined): string =>
  value === undefined ? '-' : `${value.length}:${value.slice(0, 256)}`;

function sampled({ samples }: ShardDiff): string[] {
  const text = (value: { bytes: Uint8Array; byteLength: number } | undefined): string =>
    value === undefined ? '-' : `${value.byteLength}:${Buffer.from(value.bytes).toString()}`;
  return samples
    .map(
      ({ from, key, kind, to }) =>
        `${kind} ${Buffer.from(key).toString()} ${text(from)} ${text(to)}`,
    )
    .sort();
}

const countsOf = (lines: readonly string[]): object => {
  const count = (kind: string): number => lines.filter((line) => line.startsWith(kind)).length;
  return { added: count('added '), removed: count('removed '), changed: count('changed ') };
};

describe('the difference of two states of a shard', () => {
  it('is that of two Maps, for unrelated states', () => {
    fc.assert(
      fc.property(layers, layers, (from, to) => {
        const result = diff(from, to);
        const lines = expected(from, to);
        expect(sampled(result)).toEqual(lines);
        expect(result).toMatchObject(countsOf(lines));
      }),
    );
  });

  it('is that of two Maps if both share a base and some deltas', () => {
    fc.assert(
      fc.property(layers, layers, layers, fc.boolean(), (shared, one, other, isBare) => {
        const from = isBare ? shared : [...shared, ...one];
        const to = [...shared, ...other];
        for (const [a, b] of [
          [from, to],
          [to, from],
        ] as const) {
          const result = diff(a, b);
          const lines = expected(a, b);
          expect(sampled(result)).toEqual(lines);
          expect(result).toMatchObject(countsOf(lines));
        }
      }),
    );
  });

  it('is nothing between a shard and its merged form, and between equals', () => {
    fc.assert(
      fc.property(layers, (rows) => {
        const segments = rows.map(segmentOf);
        const merged = openSegment(mergeSegments(segments).bytes);
        const nothing = { added: 0, removed: 0, changed: 0, samples: [] };
        expect(finish(diffSteps(segments.map(opened).reverse(), [asFile(merged)], 10))).toEqual(
          nothing,
        );
        expect(finish(diffSteps([asFile(merged)], [windowed(merged)], 10))).toEqual(nothing);
      }),
    );
  });

  it('has at most as many samples of each kind as asked for, and counts all', () => {
    const numbered = (start: number, end: number, value: string): Layer =>
      new Map(Array.from({ length: end - start }, (_, at) => [`key-${start + at}`, value]));
    const result = diff([numbered(0, 300, 'a')], [numbered(100, 500, 'b')], 3);
    expect(result).toMatchObject({ added: 200, removed: 100, changed: 200 });
    const kinds = result.samples.map(({ kind }) => kind).sort();
    expect(kinds).toEqual([
      ...Array(3).fill('added'),
      ...Array(3).fill('changed'),
      ...Array(3).fill('removed'),
    ]);
    expect(diff([numbered(0, 3, 'a')], [numbered(0, 3, 'b')], 0).samples).toEqual([]);
  });
});
