import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ControlPlane, SHARDS, until } from '../control-plane.ts';
import type { FakeDatanode } from '../fake-datanodes.ts';

let plane: ControlPlane;
let nodes: FakeDatanode[];
beforeEach(async () => {
  plane = new ControlPlane();
  await plane.start();
  nodes = await plane.join('a', 'b', 'c');
  await plane.load('prices');
  await plane.load('prices');
});
afterEach(() => plane.close());

const diff = (from: number, to: number, samplesMax = 10, signal?: AbortSignal) =>
  plane.operations.diffVersions({ keyspace: 'prices', from, to, samplesMax }, signal);

const ALL = Array.from({ length: SHARDS }, (_unused, shard) => shard);

describe('the difference of two versions', () => {
  test('is added up over the shards, each compared once, by nodes that hold both', async () => {
    const response = await diff(1, 0);
    expect(response).toMatchObject({ from: 1, to: 2, shardsCompared: SHARDS, shardsTotal: SHARDS });
    expect(response.counts).toEqual({ added: SHARDS, removed: 0, changed: 0 });
    expect(nodes.flatMap((node) => node.diffed).sort((one, other) => one - other)).toEqual(ALL);
    const busiest = Math.max(...nodes.map((node) => node.diffed.length));
    expect(busiest).toBeLessThan(SHARDS);
  });

  test('has as many samples as asked for, of the first shards', async () => {
    const { samples } = await diff(1, 2, 3);
    expect(samples.map(({ key }) => key.toString())).toEqual(
      [0, 1, 2].map((shard) => `key of shard ${shard}`),
    );
    expect((await diff(1, 2, 0)).samples).toEqual([]);
  });

  test('asks nobody where the segments are the same', async () => {
    const nothing = { counts: { added: 0, removed: 0, changed: 0 }, shardsCompared: 0 };
    expect(await diff(2, 2)).toMatchObject(nothing);
    expect(nodes.flatMap((node) => node.diffed)).toEqual([]);
  });

  test('goes to another replica where a node cannot answer', async () => {
    nodes[0]!.diffFails = true;
    expect((await diff(1, 2)).counts?.added).toBe(SHARDS);
    expect(nodes[0]!.diffed).toEqual([]);
  });

  test('is UNAVAILABLE, with the shard and the reasons, where no replica can answer', async () => {
    for (const node of nodes) node.diffFails = true;
    await expect(diff(1, 2)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(/shard \d+ of versions 1 and 2 .*too much to do/) as string,
    });
    for (const node of nodes) node.alive = false;
    await until(
      () => [...plane.leader.world.nodes.values()].every((node) => node.liveness !== 'SERVING'),
      'nobody serves',
    );
    await expect(diff(1, 2)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  test('names the versions there are where one is unknown, and ends with its caller', async () => {
    await expect(diff(1, 9)).rejects.toMatchObject({
      code: 'VERSION_NOT_FOUND',
      message: expect.stringContaining('it keeps: 1, 2') as string,
    });
    const unknown = { keyspace: 'none', from: 1, to: 2, samplesMax: 0 };
    await expect(plane.operations.diffVersions(unknown)).rejects.toMatchObject({
      code: 'KEYSPACE_NOT_FOUND',
    });
    nodes.forEach((node) => (node.diffFails = true));
    await expect(diff(1, 2, 10, AbortSignal.abort())).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});
