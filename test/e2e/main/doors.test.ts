// The same keys and values, at the limits of their sizes, through every protocol: each returns every byte.

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { ChannelCredentials } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { GRPC_MESSAGE_BYTES_MAX } from '../../../base/limits.ts';
import { SteleClient } from '../../../client/stele-client.ts';
import { callUnary } from '../../../transport/grpc-channel.ts';
import { LookupServiceClient } from '../../../proto/gen/stele/v1/lookup.ts';
import { TestCluster } from '../../support/process/cluster.ts';
import { EDGES, writeEdges } from '../../support/inputs/edge-rows.ts';
import {
  connectCluster,
  connectRedis,
  getValue,
  postLookup,
} from '../../support/readers/sources.ts';
import { PROJECT } from '../../support/process/stele-process.ts';

const KEYSPACE = 'doors';
const NAMES = [...EDGES.keys()];
let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.borrow();
  const file = join(cluster.folder, 'edges.jsonl');
  await writeEdges(file);
  await cluster.load(KEYSPACE, [file]);
  await cluster.status('green');
}, 90_000);

afterAll(() => cluster?.close());

type Read = (key: string) => Promise<Uint8Array | null | undefined>;

/** One at a time, with a manual comparison, because a failed assertion would print the large value. */
async function expectEdges(read: Read): Promise<void> {
  for (const [key, value] of EDGES) {
    const got = await read(key);
    const same = got !== null && got !== undefined && value.equals(got);
    expect([key.slice(0, 20), got?.length, same]).toEqual([key.slice(0, 20), value.length, true]);
  }
}

function inBase64(key: string): string {
  return Buffer.from(key).toString('base64');
}

test('RESP on the master', async () => {
  const client = connectRedis(cluster.master, KEYSPACE);
  onTestFinished(() => client.disconnect());
  await expectEdges((key) => client.getBuffer(key));
  const together = await client.mgetBuffer(NAMES);
  await expectEdges(async (key) => together[NAMES.indexOf(key)]);
});

test('RESP on the datanodes', async () => {
  const nodes = ['node-0', 'node-1', 'node-2'].map((id) => cluster.node(id));
  const client = connectCluster(nodes, KEYSPACE);
  onTestFinished(() => client.disconnect());
  await expectEdges((key) => client.getBuffer(key));
});

test('HTTP, one value', () =>
  expectEdges((key) => getValue(cluster.url(''), KEYSPACE, key, 30_000)));

test('HTTP, one value as JSON', () =>
  expectEdges(async (key) => {
    const url = cluster.url(`/v1/keyspaces/${KEYSPACE}/keys/${encodeURIComponent(key)}`);
    const reply = await fetch(url, { headers: { accept: 'application/json' } });
    const { encoding, value } = (await reply.json()) as { encoding: 'utf8'; value: string };
    return Buffer.from(value, encoding);
  }));

test('HTTP, many values', () =>
  expectEdges(async (key) => {
    const { values } = await postLookup(cluster.url(''), KEYSPACE, [key, 'none'], 30_000);
    expect(values[1]).toBeNull();
    return values[0];
  }));

test('gRPC', async () => {
  const credentials = ChannelCredentials.createInsecure();
  // Stele's own keepalive of a second would end the connection while a busy machine handles 64 MiB.
  const options = { 'grpc.max_receive_message_length': GRPC_MESSAGE_BYTES_MAX };
  const client = new LookupServiceClient(cluster.masterGrpc, credentials, options);
  onTestFinished(() => client.close());
  await expectEdges(async (key) => {
    const keys = [Buffer.from(key)];
    const request = { keyspace: KEYSPACE, keys, version: 0 };
    const patient = { deadlineMs: 30_000 };
    const answer = await callUnary(client.lookup.bind(client), request, 'the master', patient);
    return answer.results[0]?.value;
  });
});

test('the library', async () => {
  const client = new SteleClient({ seeds: [cluster.masterGrpc], deadlineMs: 30_000 });
  onTestFinished(() => client.close());
  await expectEdges((key) => client.get(KEYSPACE, key));
  const { values } = await client.getMany(KEYSPACE, NAMES);
  await expectEdges(async (key) => values[NAMES.indexOf(key)]);
  const found: string[] = [];
  for await (const key of client.scan(KEYSPACE)) found.push(String(key));
  expect(found.map(inBase64).sort()).toEqual(NAMES.map(inBase64).sort());
});

test('the REPL, with keys written as it takes them', async () => {
  const main = join(PROJECT, 'dist', 'cli', 'main.js');
  const port = String(cluster.master.resp);
  const repl = spawn(process.execPath, [main, 'cli', '-p', port, '-k', KEYSPACE]);
  const asWritten = (key: string): string =>
    Buffer.from(key).toString('hex').replaceAll(/../g, '\\x$&');
  repl.stdin.end(NAMES.map((key) => `GET "${asWritten(key)}"\n`).join(''));
  const output = Buffer.concat(await repl.stdout.toArray());
  let at = 0;
  await expectEdges(async (key) => {
    const start = at;
    at += (EDGES.get(key)?.length ?? 0) + 1;
    expect(output[at - 1]).toBe(0x0a);
    return output.subarray(start, at - 1);
  });
  expect(output.length).toBe(at);
});

test('datanodes report the latency of the reads of each protocol', async () => {
  const nodes = ['node-0', 'node-1', 'node-2'];
  const reads = async (protocol: string, suffix = ''): Promise<number> => {
    const series = `stele_read_seconds${suffix === '' ? '_count' : '_bucket'}{protocol="${protocol}"${suffix}}`;
    const counts = await Promise.all(nodes.map((id) => cluster.metric(id, series)));
    return counts.reduce((sum, count) => sum + count, 0);
  };
  const [resp, lookups] = [await reads('resp'), await reads('lookups')];
  const client = connectCluster(
    nodes.map((id) => cluster.node(id)),
    KEYSPACE,
  );
  onTestFinished(() => client.disconnect());
  await expectEdges((key) => client.getBuffer(key));
  expect(await reads('resp')).toBeGreaterThanOrEqual(resp + EDGES.size);
  await getValue(cluster.url(''), KEYSPACE, 'not there');
  expect(await reads('lookups')).toBeGreaterThan(lookups);
  expect(await reads('resp', ',le="+Inf"')).toBe(await reads('resp'));
  expect(await reads('grpc')).toBe(0);
});
