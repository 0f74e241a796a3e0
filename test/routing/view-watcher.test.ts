// Masters that are there, refuse, or take a connection and say nothing.

import { expect, onTestFinished, test } from 'vitest';
import { ViewWatcher } from '../../routing/view-watcher.ts';
import { ClusterServiceService } from '../../proto/gen/stele/v1/cluster.ts';
import { GrpcServer } from '../../transport/grpc-server.ts';
import { FakeCluster } from '../master/front/fake-cluster.ts';
import { openSockets, refusingPort, startMutePeer } from '../support/peers.ts';
import { until } from '../support/stele-process.ts';

/** Sends a view at once, or none. */
async function startMaster({ sends }: { sends: boolean }): Promise<string> {
  const server = new GrpcServer();
  const { view } = { view: new FakeCluster().current() };
  const watchView = (call: { write(message: unknown): void }): void => {
    if (sends) call.write({ view });
  };
  const names = Object.keys(ClusterServiceService);
  server.addService(
    ClusterServiceService,
    Object.fromEntries(names.map((name) => [name, watchView])),
  );
  const port = await server.listen('127.0.0.1', 0, '--grpc-port');
  onTestFinished(() => server.close(0));
  return `127.0.0.1:${port}`;
}

function watch(seeds: readonly string[]): ViewWatcher {
  const watcher = new ViewWatcher(seeds);
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
