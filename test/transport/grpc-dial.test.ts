import { connectivityState } from '@grpc/grpc-js';
import { expect, onTestFinished, test } from 'vitest';
import { DatanodeServiceClient } from '../../proto/gen/stele/v1/datanode.ts';
import { callUnary, CHANNEL_OPTIONS } from '../../transport/grpc-channel.ts';
import { WatchedCredentials } from '../../transport/grpc-dial.ts';
import { openSockets, startGrpcPeer, startMutePeer } from '../support/peers/peers.ts';
import { until } from '../support/process/stele-process.ts';

function clientOf(host: string, port: number, dialMs?: number): DatanodeServiceClient {
  const client = new DatanodeServiceClient(
    `${host}:${port}`,
    new WatchedCredentials(dialMs),
    CHANNEL_OPTIONS,
  );
  onTestFinished(() => client.close());
  return client;
}

test('an attempt that is accepted and not answered ends, and is repeated', async () => {
  const peer = await startMutePeer();
  const client = clientOf('127.0.0.1', peer.port, 100);
  const channel = client.getChannel();
  channel.getConnectivityState(true);
  await until(
    'the attempt to fail',
    () => channel.getConnectivityState(true) === connectivityState.TRANSIENT_FAILURE,
  );
  const seen = peer.seen();
  await until('more attempts', () => peer.seen() > seen + 2);
  const open = openSockets();
  await until('still more', () => peer.seen() > seen + 6);
  expect(openSockets()).toBeLessThanOrEqual(open + 4);
});

test.each(['127.0.0.1', 'localhost'])(
  'a connection to %s outlives the deadline of its dial',
  async (host) => {
    const peer = await startGrpcPeer({ answers: true });
    const client = clientOf(host, peer.port, 800);
    const call = (): Promise<unknown> =>
      callUnary(client.heartbeat.bind(client), { header: undefined }, 'peer', { deadlineMs: 5000 });
    await call();
    const sockets = openSockets();
    const channel = client.getChannel();
    let lost = false;
    channel.watchConnectivityState(connectivityState.READY, Infinity, () => (lost = true));
    const startedMs = performance.now();
    await until('the deadline to pass', () => performance.now() - startedMs > 1_000);
    await call();
    expect(lost).toBe(false);
    expect(openSockets()).toBe(sockets);
  },
);

test('a connection that is closed has no socket left, even if the peer hangs', async () => {
  await until('the sockets of the tests before to be gone', () => openSockets() === 0);
  const peer = await startGrpcPeer({ answers: false });
  const client = clientOf('127.0.0.1', peer.port);
  void callUnary(client.heartbeat.bind(client), { header: undefined }, 'peer', {
    deadlineMs: 300,
  }).catch(() => undefined);
  await until('the call to be there', () => peer.seen() === 1);
  expect(openSockets()).toBeGreaterThan(0);
  client.close();
  await until('no socket', () => openSockets() === 0);
});
