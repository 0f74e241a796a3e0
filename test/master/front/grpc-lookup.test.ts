import { ChannelCredentials } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LookupCore } from '../../../master/front/lookup-core.ts';
import { lookupService } from '../../../master/front/grpc-lookup.ts';
import { FrontMetrics } from '../../../master/front/metrics.ts';
import { steleErrorFromGrpc } from '../../../proto/grpc-errors.ts';
import { GrpcServer } from '../../../proto/grpc-server.ts';
import { PackedWriter, readResults } from '../../../proto/lookup-codec.ts';
import {
  LookupServiceClient,
  LookupServiceService,
  LookupStatus,
} from '../../../proto/gen/stele/v1/lookup.ts';
import type {
  LookupRequest,
  LookupResponse,
  LookupStreamResponse,
} from '../../../proto/gen/stele/v1/lookup.ts';
import { FakeCluster, UID } from './fake-cluster.ts';

const { OK, NOT_FOUND, UNAVAILABLE } = LookupStatus;

let cluster: FakeCluster;
let core: LookupCore;
let server: GrpcServer;
let client: LookupServiceClient;

beforeEach(async () => {
  cluster = new FakeCluster();
  core = new LookupCore({
    views: cluster,
    links: cluster.links,
    cacheMaxBytes: 0,
    deadlineMs: 200,
  });
  server = new GrpcServer();
  server.addService(
    LookupServiceService,
    lookupService(core, new FrontMetrics(core, cluster, () => ({ http: 0, resp: 0 }))),
  );
  const port = await server.listen('127.0.0.1', 0, '--grpc-port');
  client = new LookupServiceClient(`127.0.0.1:${port}`, ChannelCredentials.createInsecure(), {
    'grpc.max_receive_message_length': 80 * 1024 * 1024,
  });
});

afterEach(async () => {
  client.close();
  await server.close(500);
  core.close();
});

function unary(request: Partial<LookupRequest>): Promise<LookupResponse> {
  return new Promise((resolve, reject) => {
    client.lookup({ keyspace: 'default', keys: [], version: 0, ...request }, (error, response) => {
      if (error === null) resolve(response);
      else reject(steleErrorFromGrpc(error, 'master'));
    });
  });
}

const MESSAGE_KEYS = 4096;

/** All answers of one stream, by key; it is asked for 4,096 keys a message. */
function streamed(
  keys: readonly Buffer[],
  target = { keyspaceUid: UID, version: 1 },
  expectNode = 'master',
): Promise<(string | number)[]> {
  const answers: (string | number)[] = [];
  const stream = client.lookupStream({ deadline: Date.now() + 5000 });
  for (let id = 0; id * MESSAGE_KEYS < keys.length; id++) {
    const writer = new PackedWriter();
    const some = keys.slice(id * MESSAGE_KEYS, (id + 1) * MESSAGE_KEYS);
    for (const key of some) writer.addKey(0, key);
    const { count } = writer;
    const message = { targets: [target], expectNode, expectIncarnation: '' };
    stream.write({ ...message, id: id + 1, count, keys: writer.take() });
  }
  stream.end();
  return new Promise((resolve, reject) => {
    stream.on('error', (thrown) => reject(steleErrorFromGrpc(thrown, 'master')));
    stream.on('end', () => resolve(answers));
    stream.on('data', ({ count, first, id, results }: LookupStreamResponse) => {
      readResults(results, 0, results.length, count, (index, status, start, end) => {
        const value = status === OK ? results.toString('latin1', start, end) : status;
        answers[(id - 1) * MESSAGE_KEYS + first + index] = value;
      });
    });
  });
}

describe('the unary Lookup', () => {
  it('answers every key in order, of one version', async () => {
    cluster.put('a', '1');
    cluster.put('empty', '');
    const response = await unary({ keys: ['none', 'a', 'empty'].map((key) => Buffer.from(key)) });
    expect(response.version).toBe(1);
    expect(response.results.map(({ status }) => status)).toEqual([NOT_FOUND, OK, OK]);
    expect(response.results.map(({ value }) => value.toString())).toEqual(['', '1', '']);
  });

  it('fails with the code of what is wrong with the whole', async () => {
    await expect(unary({ keyspace: 'none' })).rejects.toMatchObject({ code: 'KEYSPACE_NOT_FOUND' });
    await expect(unary({ version: 4 })).rejects.toMatchObject({ code: 'VERSION_NOT_FOUND' });
    const keys = Array.from({ length: 10_001 }, () => Buffer.from('k'));
    await expect(unary({ keys })).rejects.toMatchObject({ code: 'BATCH_TOO_LARGE' });
  });
});

describe('the LookupStream', () => {
  it('answers thousands of keys, over several messages, each by its number', async () => {
    const keys = Array.from({ length: 9000 }, (_, number) => Buffer.from(`k${number}`));
    for (const key of keys) if (key.at(-1) !== 0x37) cluster.put(key, `v${key.toString()}`);
    const answers = await streamed(keys);
    keys.forEach((key, index) => {
      expect(answers[index]).toBe(key.at(-1) === 0x37 ? NOT_FOUND : `v${key.toString()}`);
    });
  });

  it('cuts long replies into pieces that the client puts together', async () => {
    const keys = Array.from({ length: 12 }, (_, number) => Buffer.from(`big${number}`));
    keys.forEach((key, number) => cluster.put(key, Buffer.alloc(700_000, 65 + number)));
    const answers = await streamed(keys);
    answers.forEach((answer, number) => {
      expect(answer).toBe(String.fromCharCode(65 + number).repeat(700_000));
    });
  });

  it('answers thousands of large values, some at a time', async () => {
    const keys = Array.from({ length: 3000 }, (_, number) => Buffer.from(`m${number}`));
    keys.forEach((key, number) => cluster.put(key, Buffer.alloc(50_000, 65 + (number % 26))));
    const answers = await streamed(keys);
    answers.forEach((answer, number) => {
      expect(answer).toBe(String.fromCharCode(65 + (number % 26)).repeat(50_000));
    });
  });

  it('ends while answers are outstanding, when the client cancels', async () => {
    for (const node of cluster.nodes.values()) node.silent = true;
    const stream = client.lookupStream();
    stream.on('error', () => undefined);
    const writer = new PackedWriter();
    writer.addKey(0, Buffer.from('a'));
    const target = { keyspaceUid: UID, version: 1 };
    const message = { targets: [target], expectNode: '', expectIncarnation: '' };
    stream.write({ ...message, id: 1, count: 1, keys: writer.take() });
    await expect.poll(() => [...cluster.nodes.values()].some((node) => node.calls > 0)).toBe(true);
    stream.cancel();
    for (const node of cluster.nodes.values()) node.silent = false;
    cluster.put('a', '1');
    expect(await streamed([Buffer.from('a')])).toEqual(['1']);
  });

  it('takes version 0 as the current one, and knows nothing of other uids and versions', async () => {
    cluster.put('a', '1');
    const key = [Buffer.from('a')];
    expect(await streamed(key, { keyspaceUid: UID, version: 0 })).toEqual(['1']);
    expect(await streamed(key, { keyspaceUid: UID, version: 9 })).toEqual([UNAVAILABLE]);
    expect(await streamed(key, { keyspaceUid: 'other', version: 1 })).toEqual([UNAVAILABLE]);
  });

  it('answers what it can while a shard is dead', async () => {
    cluster.put('a', '1');
    cluster.put('dead', '2');
    cluster.change((view) => {
      view.routes[cluster.shardOf('dead')]!.nodes = [];
    });
    expect(await streamed([Buffer.from('a'), Buffer.from('dead')])).toEqual(['1', UNAVAILABLE]);
  });

  it('refuses to answer as a datanode', async () => {
    const asking = streamed([Buffer.from('a')], undefined, 'datanode-0');
    await expect(asking).rejects.toMatchObject({ code: 'WRONG_NODE' });
  });
});

it('a message without keys is answered, and the stream goes on', async () => {
  const stream = client.lookupStream({ deadline: Date.now() + 5000 });
  const message = { targets: [], expectNode: 'master', expectIncarnation: '' };
  for (const id of [7, 8]) stream.write({ ...message, id, count: 0, keys: Buffer.alloc(0) });
  stream.end();
  const answers: LookupStreamResponse[] = [];
  for await (const answer of stream) answers.push(answer as LookupStreamResponse);
  expect(answers.map(({ count, id }) => [id, count])).toEqual([
    [7, 0],
    [8, 0],
  ]);
});
