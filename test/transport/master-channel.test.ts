import { expect, onTestFinished, test } from 'vitest';
import { SteleError } from '../../base/errors.ts';
import { ClusterServiceClient } from '../../proto/gen/stele/v1/cluster.ts';
import { MasterChannel } from '../../transport/master-channel.ts';
import { hurry } from '../support/hurry.ts';
import { startMasterPeer, startMasterProcess } from '../support/peers/masters.ts';
import { openSockets, refusingPort, startGrpcPeer, startMutePeer } from '../support/peers/peers.ts';
import { until } from '../support/process/stele-process.ts';

/** Less than a peer has for its first byte (grpc-dial.ts), so a test fails if it waits for that. */
const DEADLINE_MS = 4000;
const NO_LEADER = new SteleError('UNAVAILABLE', 'This master knows no leader.');
const NOWHERE = 'no.such.host.invalid:8400';

type Channel = MasterChannel<ClusterServiceClient>;

/** Tries the addresses in this order. */
function connect(...addresses: string[]): Channel {
  let count = 0;
  const options = { random: () => count++ };
  const channel = new MasterChannel(ClusterServiceClient, addresses.join(','), options);
  onTestFinished(() => channel.close());
  return channel;
}

function ask(channel: Channel, deadlineMs = DEADLINE_MS, signal?: AbortSignal): Promise<unknown> {
  const options = { deadlineMs, isRepeatable: true, ...(signal === undefined ? {} : { signal }) };
  return channel.call((client) => client.listNodes.bind(client), {}, options);
}

function change(channel: Channel, deadlineMs = DEADLINE_MS): Promise<unknown> {
  const options = { deadlineMs, isRepeatable: false };
  return channel.call((client) => client.drainNode.bind(client), { nodeId: 'a' }, options);
}

const refusing = async (): Promise<string> => `127.0.0.1:${await refusingPort()}`;
const silent = async (): Promise<string> => `127.0.0.1:${(await startMutePeer()).port}`;
const datanode = async (): Promise<string> =>
  `127.0.0.1:${(await startGrpcPeer({ answers: true })).port}`;

test.each([
  ['refuses connections', refusing],
  ['accepts them and is silent', silent],
  ['has a name that does not resolve', () => Promise.resolve(NOWHERE)],
  ['is a datanode', datanode],
])('a master that %s is passed over, even for a change', async (_what, other) => {
  const [first, second] = [await other(), await startMasterPeer()];
  await change(connect(first, second.address));
  await ask(connect(first, second.address));
  expect(second.calls).toEqual(['drainNode', 'listNodes']);
});

test('several masters that are silent cost a quarter of a second each', async () => {
  const last = await startMasterPeer();
  const channel = connect(await silent(), await silent(), await silent(), last.address);
  await ask(channel, 2000);
  expect(last.calls).toHaveLength(1);
});

test('a channel keeps to the master that answers', async () => {
  const [first, second] = [await startMasterPeer(), await startMasterPeer()];
  const channel = connect(first.address, second.address);
  for (let call = 0; call < 5; call++) await ask(channel);
  expect([first.calls.length, second.calls.length]).toEqual([5, 0]);
});

test('clients spread over the masters', async () => {
  const peers = [await startMasterPeer(), await startMasterPeer()];
  const list = peers.map(({ address }) => address).join(',');
  for (let client = 0; client < 50 && !peers.every(({ calls }) => calls.length > 0); client++) {
    const channel = new MasterChannel(ClusterServiceClient, list);
    onTestFinished(() => channel.close());
    await ask(channel);
  }
  expect(peers.every(({ calls }) => calls.length > 0)).toBe(true);
});

test('when the master in use dies, the next call goes to another, even a change', async () => {
  const [first, second] = [await startMasterPeer(), await startMasterPeer()];
  const channel = connect(first.address, second.address);
  await ask(channel);
  await first.close();
  await change(channel);
  await ask(channel);
  expect(first.calls).toEqual(['listNodes']);
  expect(second.calls).toEqual(['drainNode', 'listNodes']);
});

test('a question that its master did not answer before it died is asked again', async () => {
  const [first, second] = [await startMasterPeer('never'), await startMasterPeer()];
  const asked = ask(connect(first.address, second.address));
  await until('the question', () => first.calls.length === 1);
  await first.close();
  await asked;
  expect(second.calls).toEqual(['listNodes']);
});

test('a change that its master did not answer before it died is not made again', async () => {
  const [first, second] = [await startMasterPeer('never'), await startMasterPeer()];
  const channel = connect(first.address, second.address);
  const changed = change(channel);
  const failed = expect(changed).rejects.toMatchObject({
    code: 'OUTCOME_UNKNOWN',
    message: `The master at ${first.address} was lost before it answered, so what was asked for may have been done or not; check, and run the same command again if it was not.`,
  });
  await until('the change', () => first.calls.length === 1);
  await first.close();
  await failed;
  expect(second.calls).toEqual([]);
  await change(channel);
  expect(second.calls).toEqual(['drainNode']);
});

test('a stopped process is left: at the start, between calls and during a call', async () => {
  const [first, second] = [await startMasterProcess(), await startMasterPeer()];
  const [early, late] = [
    connect(first.address, second.address),
    connect(first.address, second.address),
  ];
  await ask(early);
  expect(second.calls).toEqual([]);
  first.kill('SIGSTOP');
  await Promise.all([ask(early), ask(late)]);
  await Promise.all([change(early), change(late)]);
  expect(second.calls.toSorted()).toEqual(['drainNode', 'drainNode', 'listNodes', 'listNodes']);
});

test('after a call whose deadline has passed, the next one goes to another master', async () => {
  const [first, second] = [await startMasterPeer('never'), await startMasterPeer()];
  const channel = connect(first.address, second.address);
  await expect(change(channel, 300)).rejects.toMatchObject({
    code: 'DEADLINE_EXCEEDED',
    message: `${first.address} did not answer in time.`,
  });
  await change(channel);
  expect(second.calls).toEqual(['drainNode']);
});

test('a master without a leader is left: questions are asked again, changes are not', async () => {
  const [first, second] = [await startMasterPeer(NO_LEADER), await startMasterPeer()];
  await ask(connect(first.address, second.address));
  expect(second.calls).toEqual(['listNodes']);
  const channel = connect(first.address, second.address);
  await expect(change(channel)).rejects.toMatchObject({ message: NO_LEADER.message });
  expect(second.calls).toEqual(['listNodes']);
  await change(channel);
  expect(second.calls).toEqual(['listNodes', 'drainNode']);
});

test('a call in flight survives that its channel leaves the master', async () => {
  const [first, second] = [await startMasterPeer('never'), await startMasterPeer()];
  const channel = connect(first.address, second.address);
  const slow = ask(channel, 1000).catch((thrown: unknown) => thrown);
  await until('the slow call', () => first.calls.length === 1);
  await expect(change(channel, 100)).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  await ask(channel);
  expect(await slow).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  expect([first.calls.length, second.calls.length]).toEqual([2, 1]);
});

test("a master's own error is final", async () => {
  const refusal = new SteleError('NODE_NOT_FOUND', 'There is no datanode a.');
  const [first, second] = [await startMasterPeer(refusal), await startMasterPeer()];
  const channel = connect(first.address, second.address);
  await expect(ask(channel)).rejects.toMatchObject({ code: 'NODE_NOT_FOUND' });
  await expect(change(channel)).rejects.toMatchObject({ message: refusal.message });
  expect([first.calls.length, second.calls.length]).toEqual([2, 0]);
});

test('the error names every address with its reason', async () => {
  const [dead, other] = [await refusing(), await datanode()];
  await expect(ask(connect(dead, NOWHERE, other))).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: `No master answers: ${dead} (connect ECONNREFUSED ${dead}), ${NOWHERE} (its name does not resolve), ${other} (not a master; a datanode, perhaps); start one with \`stele up\`, or name others with --master.`,
  });
  const [mute, leaderless] = [await silent(), await startMasterPeer(NO_LEADER)];
  await expect(ask(connect(leaderless.address, mute), 1000)).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: `No master can serve this now: ${leaderless.address} (This master knows no leader), ${mute} (no answer in time); try again in a few seconds.`,
  });
  hurry();
  await expect(ask(connect(dead, mute), 20_000)).rejects.toMatchObject({
    message: expect.stringContaining(
      `${mute} (it accepts connections but does not respond)`,
    ) as string,
  });
}, 30_000);

test('with one address nothing is asked twice', async () => {
  const only = await startMasterPeer(NO_LEADER);
  await expect(ask(connect(only.address))).rejects.toMatchObject({ message: NO_LEADER.message });
  expect(only.calls).toHaveLength(1);
  await only.close();
  await expect(ask(connect(only.address))).rejects.toMatchObject({
    message: `Nothing answers at ${only.address} (connect ECONNREFUSED ${only.address}).`,
  });
});

test('an aborted call and a closed channel leave nothing open', async () => {
  const timers = (): number =>
    process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  const mutes = [await startMutePeer(), await startMutePeer()];
  const [sockets, timersBefore] = [openSockets(), timers()];
  const abort = new AbortController();
  const channel = connect(...mutes.map(({ port }) => `127.0.0.1:${port}`));
  const calls = [ask(channel, 60_000, abort.signal), ask(channel, 60_000)];
  const ended = calls.map((call) => expect(call).rejects.toMatchObject({ code: 'CANCELLED' }));
  await until('connections', () => mutes.every(({ seen }) => seen() > 0));
  abort.abort();
  await ended[0];
  channel.close();
  await ended[1];
  await expect(ask(channel)).rejects.toMatchObject({ code: 'CANCELLED' });
  await until('nothing to be open', () => openSockets() <= sockets && timers() <= timersBefore);
});

test('a channel has one connection, whatever it had to try', async () => {
  const before = openSockets();
  const peers = [await startMasterPeer(), await startMasterPeer(NO_LEADER)];
  const channel = connect(
    await silent(),
    NOWHERE,
    ...peers.map(({ address }) => address).toReversed(),
  );
  await Promise.all([ask(channel), ask(channel), ask(channel)]);
  // Of its two ends, the client's is not counted: it does not keep the process alive.
  await until('one connection to be left', () => openSockets() <= before + 1);
  await ask(channel);
  channel.close();
  await until('none to be left', () => openSockets() <= before);
});
