import { expect, onTestFinished, test } from 'vitest';
import { connectAdmin } from '../../client/admin.ts';
import { hurry } from '../support/hurry.ts';
import { startMasterPeer } from '../support/peers/masters.ts';
import { refusingPort, startGrpcPeer, startMutePeer } from '../support/peers/peers.ts';
import { until } from '../support/process/stele-process.ts';

test('close() ends the calls in flight, and later ones', async () => {
  const mute = await startMutePeer();
  const admin = connectAdmin(`127.0.0.1:${mute.port}`, { deadlineMs: 60_000 });
  const call = admin.listNodes();
  const ended = expect(call).rejects.toMatchObject({ code: 'CANCELLED' });
  await until('the connection', () => mute.seen() > 0);
  const startMs = performance.now();
  admin.close();
  await ended;
  expect(performance.now() - startMs).toBeLessThan(1000);
  await expect(admin.listShards()).rejects.toMatchObject({ code: 'CANCELLED' });
});

test('an error tells a master that hangs from other servers', async () => {
  const [mute, datanode] = [await startMutePeer(), await startGrpcPeer({ answers: true })];
  hurry();
  const ask = (port: number): Promise<unknown> => {
    const admin = connectAdmin(`127.0.0.1:${port}`, { deadlineMs: 20_000 });
    onTestFinished(() => admin.close());
    return admin.listNodes();
  };
  await expect(ask(mute.port)).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: expect.stringMatching(
      /^The master at \S+ did not answer in time: it accepts connections but does not respond; check whether/,
    ) as string,
  });
  await expect(ask(datanode.port)).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringContaining('is not a master (a datanode, perhaps)') as string,
  });
  await expect(ask(await refusingPort())).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: expect.stringMatching(/^No master answers at \S+; start one with/) as string,
  });
}, 30_000);

test('of several masters one that lives is enough, as a list or as a text with commas', async () => {
  const [master, mute] = [await startMasterPeer(), await startMutePeer()];
  const dead = `127.0.0.1:${await refusingPort()}`;
  const addresses = [dead, `127.0.0.1:${mute.port}`, master.address];
  for (const masters of [addresses, addresses.join(',')]) {
    const admin = connectAdmin(masters, { deadlineMs: 4000 });
    onTestFinished(() => admin.close());
    await admin.drainNode('a');
    await admin.listNodes();
  }
  expect(master.calls).toEqual(['drainNode', 'listNodes', 'drainNode', 'listNodes']);
  expect(() => connectAdmin('a:1,b')).toThrow(/'b' is not HOST:PORT/);
  expect(() => connectAdmin([])).toThrow(/'' is not HOST:PORT/);
});

test('questions are asked again if their master dies, changes are not', async () => {
  const [first, second] = [await startMasterPeer('never'), await startMasterPeer('never')];
  const admin = connectAdmin([first.address, second.address], { deadlineMs: 10_000 });
  onTestFinished(() => admin.close());
  const asked = admin.listVersions('ks');
  await until('the question', () => first.calls.length + second.calls.length === 1);
  const [used, other] = first.calls.length === 1 ? [first, second] : [second, first];
  other.reply = 'empty';
  await used.close();
  await asked;
  other.reply = 'never';
  const changed = admin.dropKeyspace('ks');
  const failed = expect(changed).rejects.toThrow(/was lost before it answered/);
  await until('the change', () => other.calls.length === 2);
  await other.close();
  await failed;
  expect(other.calls).toEqual(['listVersions', 'dropKeyspace']);
});
