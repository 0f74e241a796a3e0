// Masters that are there, refuse, or take a connection and say nothing.

import { expect, onTestFinished, test } from 'vitest';
import { ViewWatcher } from '../../routing/view-watcher.ts';
import type { ClusterView } from '../../proto/gen/stele/v1/view.ts';
import { FakeCluster } from '../support/peers/fake-cluster.ts';
import { startViews } from '../support/peers/masters.ts';
import { openSockets, refusingPort, startMutePeer } from '../support/peers/peers.ts';
import { until } from '../support/process/stele-process.ts';

/** Sends a view at once, or none. */
async function startMaster({ sends }: { sends: boolean }): Promise<string> {
  return (await startViews(sends ? new FakeCluster().current() : undefined)).address;
}

function viewOf(epoch: number, revision = 1): ClusterView {
  return { ...new FakeCluster().current(), epoch, revision, ready: true, clusterId: 'c' };
}

/** Tries the seeds in this order. */
function watch(seeds: readonly string[]): ViewWatcher {
  let count = 0;
  const watcher = new ViewWatcher(seeds, { random: () => count++ });
  onTestFinished(() => watcher.close());
  return watcher;
}

test('one seed that answers is enough, whatever the others do', async () => {
  const mute = await startMutePeer();
  const seeds = [
    `127.0.0.1:${mute.port}`,
    `127.0.0.1:${await refusingPort()}`,
    await startMaster({ sends: false }),
    await startMaster({ sends: true }),
  ];
  const { revision } = await watch(seeds).firstView(4000);
  expect(revision).toBe(new FakeCluster().current().revision);
});

test('the only seed is waited for, however slow it is', async () => {
  const mute = await startMutePeer();
  const watcher = watch([`127.0.0.1:${mute.port}`]);
  await expect(watcher.firstView(1000)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  expect(mute.seen()).toBeLessThanOrEqual(2);
});

test('a hundred that wait for the first view are no leak, and close() ends their wait', async () => {
  const warnings: Error[] = [];
  const onWarning = (warning: Error): void => void warnings.push(warning);
  process.on('warning', onWarning);
  onTestFinished(() => void process.off('warning', onWarning));
  const before = openSockets();
  const mute = await startMutePeer();
  const watcher = new ViewWatcher([`127.0.0.1:${mute.port}`]);
  const { signal } = new AbortController();
  const waiting = Array.from({ length: 100 }, () => watcher.firstView(60_000, signal));
  const failed = Promise.allSettled(waiting);
  await until('a connection', () => mute.seen() > 0);
  const startMs = performance.now();
  await watcher.close();
  expect((await failed).every(({ status }) => status === 'rejected')).toBe(true);
  expect(performance.now() - startMs).toBeLessThan(1000);
  expect(warnings).toEqual([]);
  await until('its connections to be gone', () => openSockets() <= before);
});

test('when the watched master dies, another is watched, and its higher epoch counts', async () => {
  const [old, leader] = [await startViews(viewOf(1, 7)), await startViews(viewOf(2))];
  const watcher = watch([old.address, leader.address]);
  expect(await watcher.firstView(4000)).toMatchObject({ epoch: 1 });
  await old.close();
  await until('the new epoch', () => watcher.view?.epoch === 2);
});

test('a master that was replaced is left, again and again, and its views do not count', async () => {
  const [leader, replaced] = [await startViews(viewOf(2)), await startViews(viewOf(1, 99))];
  const watcher = watch([leader.address, replaced.address]);
  await watcher.firstView(4000);
  const epochs: number[] = [];
  watcher.subscribe(({ epoch }) => epochs.push(epoch));
  await leader.close();
  await until('the other to be left', () => replaced.watches() > 2);
  expect(watcher.view).toMatchObject({ epoch: 2 });
  expect(epochs).toEqual([]);
});

test('the error names every seed with its reason', async () => {
  const mute = await startMutePeer();
  const [dead, silent] = [`127.0.0.1:${await refusingPort()}`, `127.0.0.1:${mute.port}`];
  await expect(watch([dead, silent]).firstView(1000)).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: `No master answers at ${dead} (connect ECONNREFUSED ${dead}), ${silent} (no answer in time)`,
  });
});
