import { afterEach, beforeEach, expect, test } from 'vitest';
import { ControlPlane } from '../control-plane.ts';
import type { FakeDatanode } from '../fake-datanodes.ts';

let plane: ControlPlane;
let nodes: FakeDatanode[];
beforeEach(async () => {
  plane = new ControlPlane();
  await plane.start();
  nodes = await plane.join('a', 'b', 'c');
  await plane.load('prices');
});
afterEach(() => plane.close());

const list = (limit = 0, keyspace = 'prices') => plane.operations.listHotKeys({ keyspace, limit });
const hot = (key: string, readsPerSecond: number, valueBytes?: number) => ({
  key: Buffer.from(key),
  readsPerSecond,
  ...(valueBytes === undefined ? {} : { valueBytes }),
});

test('the samples of all datanodes are added up by key', async () => {
  nodes[0]!.hotKeys = {
    readsPerSecond: 100,
    hottest: [hot('x', 50, 3), hot('y', 10)],
    largest: [hot('big', 1, 900)],
  };
  nodes[1]!.hotKeys = {
    readsPerSecond: 60,
    hottest: [hot('y', 55), hot('x', 5, 3)],
    largest: [hot('bigger', 0, 1000), hot('big', 2, 900)],
  };
  nodes[2]!.hotKeys = undefined;
  expect(await list()).toEqual({
    readsPerSecond: 160,
    hottest: [hot('y', 65), hot('x', 55, 3)],
    largest: [hot('bigger', 0, 1000), hot('big', 3, 900)],
    unanswered: ['c'],
  });
  expect((await list(1)).hottest).toEqual([hot('y', 65)]);
});

test('an unknown keyspace, too many keys and silent datanodes are refused', async () => {
  await expect(list(0, 'none')).rejects.toMatchObject({ code: 'KEYSPACE_NOT_FOUND' });
  await expect(list(101)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  for (const node of nodes) node.hotKeys = undefined;
  await expect(list()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
});
