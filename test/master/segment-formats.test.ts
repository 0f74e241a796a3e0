// Datanodes and loaders of two releases, of which the newer one has a newer segment format.

import { expect, onTestFinished, test } from 'vitest';
import { ControlPlane } from './control-plane.ts';

async function mixedCluster(): Promise<ControlPlane> {
  const plane = new ControlPlane();
  onTestFinished(() => plane.close());
  await plane.start();
  await plane.join('older', 'newer');
  await plane.register(plane.network.nodes.get('newer')!, '', 2);
  return plane;
}

/** The format of a load whose loader writes formats up to `newest`. */
async function formatOfLoad(plane: ControlPlane, keyspace: string, newest: number) {
  return (await plane.begin(keyspace, { segmentFormat: newest })).segmentFormat;
}

test('loads write the newest format that the loader writes and every datanode reads', async () => {
  const plane = await mixedCluster();
  expect(await formatOfLoad(plane, 'a', 2)).toBe(1);
  await plane.register(plane.network.nodes.get('older')!, '', 3);
  expect(await formatOfLoad(plane, 'b', 1)).toBe(1);
  expect(await formatOfLoad(plane, 'c', 2)).toBe(2);
  expect(await formatOfLoad(plane, 'd', 3)).toBe(2);
  // A loader that sends no format is of the first release.
  expect(await formatOfLoad(plane, 'e', 0)).toBe(1);
});

test('who cannot read a format that loads write cannot join, also after a restart of the master', async () => {
  const plane = await mixedCluster();
  const older = plane.network.nodes.get('older')!;
  await plane.register(older, '', 2);
  // All could read format 2, but nothing is written in it.
  await plane.register(older, '', 1);
  await plane.register(older, '', 2);
  expect(await formatOfLoad(plane, 'a', 2)).toBe(2);
  const refusal = /older reads segments up to format 1, .* has segments of format 2; start a newer/;
  await expect(plane.register(older, '', 1)).rejects.toThrow(refusal);
  await plane.stop();
  await plane.start();
  await expect(plane.register(older, '', 1)).rejects.toThrow(refusal);
  await plane.register(older, '', 3);
});
