import { assert, integer, property } from 'fast-check';
import { expect, test } from 'vitest';
import type { Node, Shard } from '../../../console/api/shapes.ts';
import { cellsOf, changedShards, shardSentence } from '../../../console/ring/cells.ts';
import { coloursOf, zonesOf } from '../../../console/ring/colours.ts';
import {
  arc,
  bandOf,
  bandOfAll,
  cellPaths,
  pathsByName,
  shardAt,
} from '../../../console/ring/geometry.ts';
import { NODE } from '../samples.ts';

function shard(number: number, owners: string[] | null, holders: string[]): Shard {
  const slots = [number * 4, number * 4 + 3] as const;
  return { shard: number, slots, owners, holders, status: 'green', records: 1, bytes: 2 };
}

const NODES: Node[] = [NODE, { ...NODE, id: 'node-1' }, { ...NODE, id: 'node-2', state: 'DOWN' }];

test('a cell says who should have a copy, and whether it does', () => {
  const cells = cellsOf(
    [
      shard(0, ['node-0', 'node-1'], ['node-0', 'node-1']),
      shard(1, ['node-1', 'node-0'], ['node-1']),
      shard(2, ['node-2'], []),
      shard(3, null, ['node-1']),
    ],
    NODES,
  );
  expect(cells.map((row) => row.map((cell) => cell && `${cell.node} ${cell.state}`))).toEqual([
    ['node-0 held', 'node-1 held', 'node-2 lost', 'node-1 held'],
    ['node-1 held', 'node-0 copying', undefined, undefined],
  ]);
  const later = cellsOf([shard(0, ['node-0'], ['node-0'])], NODES);
  expect(changedShards(cells, cells)).toEqual([]);
  expect(changedShards(later, cells)).toEqual([0, 1, 2, 3]);
});

test('a shard is one sentence', () => {
  expect(shardSentence(shard(1, ['a', 'b'], ['b', 'c']))).toBe(
    'Shard 1, slots 4 to 7; held by b, c; missing on a; for a while also on c.',
  );
  expect(shardSentence(shard(1, null, []))).toBe('Shard 1, slots 4 to 7; no copy can be read.');
});

test('the shard at a point is the one that is drawn there', () => {
  const most = 4096;
  assert(
    property(integer({ min: 1, max: most }), integer({ min: 0, max: most - 1 }), (total, at) => {
      const number = at % total;
      const band = bandOfAll(3);
      const angle = (2 * Math.PI * (number + 0.5)) / total - Math.PI / 2;
      const radius = (band.inner + band.outer) / 2;
      const point = [radius * Math.cos(angle), radius * Math.sin(angle)] as const;
      expect(shardAt(...point, total, band)).toBe(number);
    }),
  );
  expect(shardAt(0, 0, 8, bandOfAll(2))).toBeUndefined();
  expect(shardAt(200, 0, 8, bandOfAll(2))).toBeUndefined();
});

test('bands of all ranks lie beside each other, and leave the middle free', () => {
  for (const ranks of [1, 2, 3, 5]) {
    for (let rank = 0; rank < ranks; rank++) {
      const { inner, outer } = bandOf(rank, ranks);
      expect(outer).toBeGreaterThan(inner);
      expect(inner).toBeGreaterThan(40);
      if (rank > 0) expect(outer).toBeLessThan(bandOf(rank - 1, ranks).inner);
    }
  }
});

test('there is one path for each name, whatever the number of shards', () => {
  const names = Array.from({ length: 1024 }, (_, at) => `node-${at % 50}`);
  const paths = pathsByName(names, bandOf(0, 1));
  expect(paths.size).toBe(50);
  const arcs = [...paths.values()].join('').match(/M/g) ?? [];
  expect(arcs).toHaveLength(1024);
  // Neighbours become one arc where there are many.
  expect(pathsByName(Array(1024).fill('a'), bandOf(0, 1)).get('a')?.match(/M/g)).toHaveLength(2);
  expect(arc(0, 4, 4, { inner: 1, outer: 2 }).match(/M/g)).toHaveLength(2);
  const cells = cellsOf([shard(0, ['node-0'], [])], NODES);
  expect(cellPaths(cells)).toMatchObject([{ node: 'node-0', state: 'copying' }]);
});

test('zones and nodes are in the order of people, each node with its own colour', () => {
  const nodes = Array.from({ length: 50 }, (_, at) => ({
    ...NODE,
    id: `node-${49 - at}`,
    zone: `zone-${at % 3}`,
  }));
  const zones = zonesOf(nodes);
  expect(zones.map(({ name }) => name)).toEqual(['zone-0', 'zone-1', 'zone-2']);
  expect(zones[0]?.nodes.slice(0, 3).map(({ id }) => id)).toEqual(['node-1', 'node-4', 'node-7']);
  expect(new Set(coloursOf(zones).values()).size).toBe(50);
});
