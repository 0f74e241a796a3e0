import { describe, expect, it } from 'vitest';
import { drawRing, spreadOf } from '../../../../cli/verbs/cluster/ring.ts';

describe('spreadOf', () => {
  it('counts first owners and replicas by node, in the order of their names', () => {
    const shards = [
      { owners: ['node-10', 'node-2'] },
      { owners: ['node-2', 'node-10'] },
      { owners: ['node-2', 'node-1'] },
    ];
    expect(spreadOf(shards)).toEqual([
      { node: 'node-1', first: 0, replicas: 1, ofMean: 0.5 },
      { node: 'node-2', first: 2, replicas: 3, ofMean: 1.5 },
      { node: 'node-10', first: 1, replicas: 2, ofMean: 1 },
    ]);
  });

  it('is empty without owners', () => {
    expect(spreadOf([{ owners: [] }])).toEqual([]);
  });
});

it('the ring is drawn as a circle, with a letter for each first owner', () => {
  const shards = Array.from({ length: 4 }, (_, at) => ({ owners: [at < 2 ? 'n1' : 'n2', 'n3'] }));
  const lines = drawRing(shards);
  const rows = lines.slice(1, 20);
  // Clockwise from the top: the right half belongs to the first two shards.
  expect(rows.every((row) => /^[ B]*[AB]?[ A]*$/.test(row))).toBe(true);
  expect(rows[9]).toMatch(/^B +A$/);
  expect(lines.slice(-3)).toEqual(['A n1', 'B n2', 'C n3']);
  expect(drawRing(Array.from({ length: 128 }, () => ({ owners: [] }))).join('')).toMatch(/^[ .]+$/);
});
