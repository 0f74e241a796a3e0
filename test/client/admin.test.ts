import { expect, test } from 'vitest';
import { connectAdmin } from '../../client/admin.ts';
import { startMutePeer } from '../support/peers.ts';
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
