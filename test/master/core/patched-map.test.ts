import { expect, test } from 'vitest';
import { flattened, withEntry } from '../../../master/core/patched-map.ts';
import { seededRandom } from '../../support/rows.ts';

function drawFrom(seed: number): (below: number) => number {
  const next = seededRandom(seed);
  return (below) => Math.floor(next() * below);
}

test('a map of which entries are replaced is like one that is copied each time', () => {
  const draw = drawFrom(5);
  let plain: ReadonlyMap<string, number> = new Map();
  let patched: ReadonlyMap<string, number> = plain;
  for (let step = 0; step < 1_000; step++) {
    const key = `k${draw(draw(10) === 0 ? 120 : 80)}`;
    const before = [...patched];
    const next = withEntry(patched, key, step);
    expect([...patched]).toEqual(before);
    plain = new Map(plain).set(key, step);
    patched = next;
    expect([...patched]).toEqual([...plain]);
    expect([...patched.values()]).toEqual([...plain.values()]);
    expect([...patched.keys()]).toEqual([...plain.keys()]);
    expect([patched.size, patched.get(key), patched.has('none')]).toEqual([
      plain.size,
      step,
      false,
    ]);
    expect(flattened(patched)).toEqual(plain);
  }
});
