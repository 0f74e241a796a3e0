import { expect, onTestFinished, test } from 'vitest';
import { ClusterServiceClient } from '../../proto/gen/stele/v1/cluster.ts';
import { MasterChannel } from '../../transport/master-channel.ts';
import { masterTargets } from '../../transport/master-targets.ts';
import { startMasterPeer } from '../support/peers/masters.ts';

const NAMES: Readonly<Record<string, string[]>> = {
  'masters.test': ['127.0.0.1', '127.0.0.2'],
  'one.test': ['127.0.0.3'],
  'six.test': ['::1', '127.0.0.1'],
};

const lookUp = (host: string): Promise<string[]> => {
  if (host === 'slow.test') return new Promise(() => undefined);
  const found = NAMES[host];
  return found === undefined ? Promise.reject(new Error('ENOTFOUND')) : Promise.resolve(found);
};

const targetsOf = (...addresses: string[]) => masterTargets(addresses, Math.random, lookUp);
const dialled = async (...addresses: string[]): Promise<string[]> =>
  (await targetsOf(...addresses)).map(({ target }) => target).toSorted();

test('a name with several addresses is several masters, another name is one', async () => {
  expect(await dialled('masters.test:1', 'one.test:2')).toEqual([
    '127.0.0.1:1',
    '127.0.0.2:1',
    'one.test:2',
  ]);
  expect(await dialled('six.test:1')).toEqual(['127.0.0.1:1', '[::1]:1']);
  expect(await dialled('[::1]:1', '127.0.0.1:1', 'no.test:1', 'slow.test:1')).toHaveLength(4);
});

test('a master is one, however often it is named', async () => {
  expect(await dialled('masters.test:1', '127.0.0.2:1', '127.0.0.1:1')).toHaveLength(2);
  expect((await targetsOf('one.test:1')).every(({ isOnly }) => isOnly)).toBe(true);
  expect((await targetsOf('masters.test:1')).some(({ isOnly }) => isOnly)).toBe(false);
});

test('the order is random', async () => {
  const firsts = new Set<string | undefined>();
  for (let turn = 0; turn < 100 && firsts.size < 2; turn++) {
    firsts.add((await targetsOf('a.test:1', 'b.test:1'))[0]?.target);
  }
  expect(firsts.size).toBe(2);
});

test('one name is enough for several masters', async () => {
  const first = await startMasterPeer();
  const port = Number(first.address.split(':')[1]);
  const second = await startMasterPeer('empty', { host: '127.0.0.2', port });
  const channel = new MasterChannel(ClusterServiceClient, `masters.test:${port}`, { lookUp });
  onTestFinished(() => channel.close());
  const ask = (): Promise<unknown> =>
    channel.call(
      (client) => client.listNodes.bind(client),
      {},
      { deadlineMs: 4000, isRepeatable: true },
    );
  await ask();
  const [used, other] = first.calls.length > 0 ? [first, second] : [second, first];
  await used.close();
  await ask();
  expect([used.calls.length, other.calls.length]).toEqual([1, 1]);
  await other.close();
  await expect(ask()).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: expect.stringMatching(
      `^Nothing answers at masters.test:${port} [(]connect ECONNREFUSED`,
    ) as string,
  });
});
