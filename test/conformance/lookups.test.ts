// Tests a process against docs/lookup-protocol.md: a cluster of this build, or the one that
// STELE_CONFORMANCE names.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { TestCluster } from '../support/process/cluster.ts';
import { connectAdmin } from '../../client/admin.ts';
import { LookupPeer, encodeRequest } from './lookup-peer.ts';
import type { Target } from './lookup-peer.ts';

const [OK, NOT_FOUND, UNAVAILABLE] = [1, 2, 3];
const NOBODY: Target = { uid: 'ffffffffffffffff', version: 1 };

let cluster: TestCluster | undefined;
let host: string;
let port: number;
let target: Target;
let key: Buffer;
let value: string;

beforeAll(async () => {
  const named = process.env['STELE_CONFORMANCE'];
  if (named === undefined) return startOwn();
  [host, port] = [named.slice(0, named.lastIndexOf(':')), Number(named.split(':').at(-1))];
  const about = /^(\w+)\/(\d+)\/([^=]+)=(.*)$/s.exec(process.env['STELE_CONFORMANCE_KEY'] ?? '');
  if (about === null) throw new Error('STELE_CONFORMANCE_KEY is UID/VERSION/KEY=VALUE.');
  target = { uid: about[1]!, version: Number(about[2]) };
  [key, value] = [Buffer.from(about[3]!), about[4]!];
}, 60_000);

/** One datanode, so that it holds every shard. */
async function startOwn(): Promise<void> {
  cluster = await TestCluster.borrow(1);
  const rows = join(cluster.folder, 'rows.tsv');
  writeFileSync(rows, `sku-1\t10.50\nlarge\t${'x'.repeat(700_000)}\n`);
  await cluster.load('prices', ['--header', 'no', rows]);
  const admin = connectAdmin(`127.0.0.1:${cluster.master.grpc}`);
  const { uid } = (await admin.listKeyspaces()).keyspaces.find(({ name }) => name === 'prices')!;
  admin.close();
  [target, key, value] = [{ uid, version: 1 }, Buffer.from('sku-1'), '10.50'];
  [host, port] = ['127.0.0.1', cluster.node('node-0').http];
}

afterAll(() => cluster?.close());

async function open(headers = ''): Promise<LookupPeer> {
  const peer = new LookupPeer(host, port);
  onTestFinished(() => peer.close());
  expect(await peer.upgrade(headers)).toBe('HTTP/1.1 101 Switching Protocols');
  return peer;
}

test('keys are answered in their order, of several targets, with the three statuses', async () => {
  const peer = await open();
  // Of the same slot, so that a datanode with one of several shards can answer it.
  const missing = Buffer.concat([Buffer.from('\0{'), key, Buffer.from('}')]);
  const keys = [
    { target: 0, key },
    { target: 0, key: missing },
    { target: 1, key },
    { target: 2, key },
    { target: 0, key },
  ];
  const later = { uid: target.uid, version: 2 ** 47 };
  peer.send(encodeRequest(7, keys, [target, NOBODY, later]));
  const { first, id, results } = await peer.reply();
  expect([id, first]).toEqual([7, 0]);
  expect(results.map(({ status }) => status)).toEqual([
    OK,
    NOT_FOUND,
    UNAVAILABLE,
    UNAVAILABLE,
    OK,
  ]);
  expect(results.map((result) => result.value.toString())).toEqual([value, '', '', '', value]);
});

test('an unknown target is unavailable, never not found', async () => {
  const peer = await open();
  peer.send(encodeRequest(1, [{ target: 5, key }], [target]));
  expect((await peer.reply()).results).toEqual([{ status: UNAVAILABLE, value: Buffer.alloc(0) }]);
});

test('requests are answered in their order, without waiting for each other', async () => {
  const peer = await open();
  for (let id = 0; id < 50; id++) peer.send(encodeRequest(id, [{ target: 0, key }], [target]));
  for (let id = 0; id < 50; id++) expect((await peer.reply()).id).toBe(id);
});

test('a request may arrive byte by byte', async () => {
  const peer = await open();
  for (const byte of encodeRequest(3, [{ target: 0, key }], [target])) {
    peer.send(Buffer.of(byte));
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect((await peer.reply()).results[0]?.value.toString()).toBe(value);
});

test('a request may have 4,096 keys, and not one more', async () => {
  const peer = await open();
  const keys = Array.from({ length: 4096 }, () => ({ target: 0, key }));
  peer.send(encodeRequest(1, keys, [target]));
  let answered = 0;
  while (answered < keys.length) {
    const { first, results } = await peer.reply();
    expect(first).toBe(answered);
    answered += results.length;
  }
  peer.send(encodeRequest(2, [...keys, { target: 0, key }], [target]));
  expect((await peer.reply()).refusal?.code).toBe('BATCH_TOO_LARGE');
  await peer.ended();
});

test.runIf(process.env['STELE_CONFORMANCE'] === undefined)(
  'long answers come in several replies, in order',
  async () => {
    const peer = await open();
    const keys = Array.from({ length: 5 }, () => ({ target: 0, key: Buffer.from('large') }));
    peer.send(encodeRequest(1, keys, [target]));
    const firsts: number[] = [];
    for (let answered = 0; answered < keys.length;) {
      const { first, results } = await peer.reply();
      firsts.push(first);
      for (const result of results) expect(result.value).toHaveLength(700_000);
      answered += results.length;
    }
    expect(firsts).toEqual([0, 2, 4]);
  },
);

const WHOLE = encodeRequest(9, [{ target: 0, key: Buffer.from('k') }], [NOBODY]);

/** A frame whose u32 at `at` is `number`. */
function withNumber(at: number, number: number): Buffer {
  const bytes = Buffer.from(WHOLE);
  bytes.writeUInt32LE(number, at);
  return bytes;
}

test.each([
  ['a frame shorter than its head', Buffer.alloc(16)],
  ['a frame of 4 GiB', withNumber(0, 0xffff_ffff)],
  ['more keys than there are', withNumber(8, 2)],
  ['fewer keys than there are', withNumber(8, 0)],
  ['key bytes beyond the frame', withNumber(12, 1_000_000)],
  ['a key beyond the entries', withNumber(18, 1000)],
  [
    'a key that is too long',
    encodeRequest(9, [{ target: 0, key: Buffer.alloc(65_537) }], [NOBODY]),
  ],
  ['half a target', Buffer.concat([withNumber(0, WHOLE.length - 3), Buffer.of(1)])],
])('%s is refused, and the connection closed', async (_what, bytes) => {
  const peer = await open();
  peer.send(bytes);
  const { refusal } = await peer.reply();
  expect(refusal?.code).toBe('INVALID_ARGUMENT');
  expect(refusal?.detail).not.toBe('');
  await peer.ended();
});

test('a request for another datanode is refused', async () => {
  const peer = await open('stele-node: somebody-else\r\n');
  expect((await peer.reply()).refusal?.code).toBe('WRONG_NODE');
  await peer.ended();
});
