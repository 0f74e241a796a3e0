import { status } from '@grpc/grpc-js';
import { expect, onTestFinished, test } from 'vitest';
import { SteleError } from '../../../base/errors.ts';
import { grpcLoadMaster } from '../../../loader/push/master-client.ts';
import type { LoadMaster } from '../../../loader/push/master-client.ts';
import { BeginLoadRequest, CommitLoadRequest } from '../../../proto/gen/stele/v1/load.ts';
import { toGrpcError } from '../../../transport/grpc-errors.ts';
import { hurry } from '../../support/hurry.ts';
import { refusingPort, startGrpcPeer, startMutePeer } from '../../support/peers/peers.ts';
import { until } from '../../support/process/stele-process.ts';
import { FakeMaster } from '../fake-cluster.ts';

const refused = { code: status.UNAVAILABLE, details: 'Stream refused by server' };
const request = BeginLoadRequest.decode(new Uint8Array());

async function connect(): Promise<{ master: FakeMaster; client: LoadMaster }> {
  const master = new FakeMaster([]);
  await master.start();
  const client = grpcLoadMaster(master.address);
  onTestFinished(() => {
    client.close();
    master.stop();
  });
  await until('the master is reached', () => client.wasReached());
  return { master, client };
}

test('a load begins although the connection that it begins on is being closed', async () => {
  const { client, master } = await connect();
  master.beginFailures.push(refused, refused);
  const answer = await client.beginLoad(request, new AbortController().signal);
  expect(answer.loadId).toBe('load-1');
});

test('a master that goes on refusing is not asked for ever', async () => {
  const { client, master } = await connect();
  hurry();
  master.beginFailures.push(...Array.from({ length: 9 }, () => refused));
  const answer = client.beginLoad(request, new AbortController().signal);
  await expect(answer).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  expect(master.beginFailures).toHaveLength(5);
});

test('a load that begins while no master leads waits for one', async () => {
  const { client, master } = await connect();
  hurry();
  const noLeader = toGrpcError(new SteleError('UNAVAILABLE', 'No master leads at the moment.'));
  master.beginFailures.push(...Array.from({ length: 9 }, () => noLeader));
  const answer = await client.beginLoad(request, new AbortController().signal);
  expect(answer.loadId).toBe('load-1');
});

test('a datanode that a load is told to take for its master is said to be none', async () => {
  const { port } = await startGrpcPeer({ answers: true });
  const client = grpcLoadMaster(`127.0.0.1:${port}`);
  onTestFinished(() => client.close());
  const answer = client.beginLoad(request, new AbortController().signal);
  await expect(answer).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringContaining('is not a master (a datanode, perhaps)') as string,
  });
});

test('a load says of a master that stands still that it does not answer in time', async () => {
  const { port } = await startMutePeer();
  hurry();
  const client = grpcLoadMaster(`127.0.0.1:${port}`);
  onTestFinished(() => client.close());
  const answer = client.beginLoad(request, new AbortController().signal);
  await expect(answer).rejects.toThrow(
    /did not answer in time: it accepts connections but does not respond/,
  );
}, 20_000);

test('a load goes on with another master when its own dies; a commit in flight is not repeated', async () => {
  const masters = [new FakeMaster([]), new FakeMaster([])];
  for (const master of masters) await master.start();
  const dead = `127.0.0.1:${await refusingPort()}`;
  const client = grpcLoadMaster([dead, ...masters.map(({ address }) => address)].join(','));
  onTestFinished(() => {
    client.close();
    for (const master of masters) master.stop();
  });
  await until('a master is reached', () => client.wasReached());
  const { signal } = new AbortController();
  const { loadId } = await client.beginLoad(request, signal);
  const used = masters.find(({ begun }) => begun.length > 0);
  const other = masters.find(({ begun }) => begun.length === 0);
  // Dies in the commit, before its answer.
  for (const master of masters) {
    master.beforeCommit = () => {
      master.stop();
    };
  }
  await expect(
    client.commitLoad({ ...CommitLoadRequest.decode(new Uint8Array()), loadId }),
  ).rejects.toMatchObject({
    code: 'OUTCOME_UNKNOWN',
    message: expect.stringMatching(/was lost before it answered/) as string,
  });
  expect(other?.begun).toEqual([]);
  await client.beginLoad(request, signal);
  expect([used?.begun.length, other?.begun.length]).toEqual([1, 1]);
});
