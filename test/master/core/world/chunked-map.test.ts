import { expect, test } from 'vitest';
import { withEntry } from '../../../../master/core/world/chunked-map.ts';
import { seededRandom } from '../../../support/inputs/rows.ts';

function drawFrom(seed: number): (below: number) => number {
  const next = seededRandom(seed);
  return (below) => Math.floor(next() * below);
}

test('a map of which entries are replaced is like one that is copied each time', () => {
  const draw = drawFrom(5);
  let plain: ReadonlyMap<string, number> = new Map();
  let chunked: ReadonlyMap<string, number> = plain;
  for (let step = 0; step < 1_000; step++) {
    const key = `k${draw(draw(10) === 0 ? 120 : 80)}`;
    const before = [...chunked];
    const next = withEntry(chunked, key, step);
    expect([...chunked]).toEqual(before);
    plain = new Map(plain).set(key, step);
    chunked = next;
    expect([...chunked]).toEqual([...plain]);
    expect([...chunked.values()]).toEqual([...plain.values()]);
    expect([...chunked.keys()]).toEqual([...plain.keys()]);
    expect([chunked.size, chunked.get(key), chunked.has('none')]).toEqual([
      plain.size,
      step,
      false,
    ]);
  }
});
