import { expect, onTestFinished, test } from 'vitest';
import { connectAdmin } from '../../client/admin.ts';
import { refusingPort, startGrpcPeer, startMutePeer } from '../support/peers.ts';
import { until } from '../support/stele-process.ts';

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

test('says of a master that stands still that it does, and of others what they are', async () => {
  const [mute, datanode] = [await startMutePeer(), await startGrpcPeer({ answers: true })];
  const ask = (port: number): Promise<unknown> => {
    const admin = connectAdmin(`127.0.0.1:${port}`, { deadlineMs: 20_000 });
    onTestFinished(() => admin.close());
    return admin.listNodes();
  };
  await expect(ask(mute.port)).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: expect.stringMatching(
      /^The master at \S+ did not answer in time: it accepts connections and says nothing; see whether/,
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
