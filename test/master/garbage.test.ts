// Segments that no version names: they go while no load runs, however often loads come.

import { versionId } from '../../master/catalog/records.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ControlPlane, until } from './control-plane.ts';

const MINUTE_MS = 60_000;
/** Time for which garbage stays after a start of the master. */
const HOUR_MS = 60 * MINUTE_MS;
let plane: ControlPlane;
beforeEach(async () => {
  plane = new ControlPlane();
  await plane.start();
});
afterEach(() => plane.close());

test('what a returning datanode holds of versions that are gone goes, though a load comes every 50 minutes', async () => {
  const [, , away] = await plane.join('a', 'b', 'c');
  const first = await plane.load('prices');
  const heldByAway = (): string[] =>
    [...away!.segments.keys()].filter((key) => first.ids.some((id) => key.endsWith(id)));
  expect(heldByAway()).not.toEqual([]);
  away!.alive = false;
  await until(() => plane.leader.world.owners.flat().every((id) => id !== 'c'), 'c is given up');
  for (let load = 0; load < 3; load++) {
    plane.skippedMs += 50 * MINUTE_MS;
    await plane.load('prices');
  }
  await until(
    () => !plane.leader.catalog.state.manifest.has(versionId(first.uid, 1)),
    'version 1 is forgotten',
  );
  away!.restart();
  await plane.register(away!);
  // No hour passes any more, and a load was there just now.
  await plane.load('prices');
  await until(() => heldByAway().length === 0, 'c is rid of version 1');
});

test('what a running load has sent stays, for however long it runs', async () => {
  const [a] = await plane.join('a', 'b');
  await plane.load('prices');
  const load = await plane.begin('prices');
  plane.push(load, plane.segments());
  const held = a!.segments.size;
  for (let report = 0; report < 5; report++) {
    plane.skippedMs += HOUR_MS / 2;
    plane.loads.reportProgress({
      ...{ loadId: load.loadId, stage: 'push', rows: 1, rejected: 0 },
      ...{ bytesDone: 1, bytesTotal: 1, shardsDone: 1, shardsTotal: 1 },
    });
    await until(() => plane.leader.world.nowMs > plane.skippedMs, 'a turn');
  }
  expect(a!.segments.size).toBe(held);
  await plane.loads.abortLoad({ loadId: load.loadId, reason: 'bad rows', resumable: false });
  await until(() => a!.segments.size < held, 'what it has sent goes at once');
});
