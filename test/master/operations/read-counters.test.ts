import { afterEach, beforeEach, expect, test } from 'vitest';
import { ControlPlane } from '../control-plane.ts';
import type { FakeDatanode } from '../fake-datanodes.ts';

let plane: ControlPlane;
let nodes: FakeDatanode[];
beforeEach(async () => {
  plane = new ControlPlane();
  await plane.start();
  nodes = await plane.join('n-2', 'n-10');
});
afterEach(() => plane.close());

test('every datanode is asked, and one that does not answer is named', async () => {
  const reads = { found: 7, notFound: 1, failed: 0, valueBytes: 70, cacheHits: 0 };
  nodes[0]!.reads = { ...reads, latency: [8], keyspaces: [] };
  nodes[1]!.alive = false;
  const { nodes: counted, own } = await plane.operations.readCounters();
  expect(own).toBeUndefined();
  expect(counted.map(({ nodeId }) => nodeId)).toEqual(['n-2', 'n-10']);
  expect(counted[0]).toMatchObject({
    incarnation: nodes[0]!.incarnation,
    trouble: '',
    counters: { found: 7 },
  });
  expect(counted[1]?.counters).toBeUndefined();
  expect(counted[1]?.trouble).not.toBe('');
});
