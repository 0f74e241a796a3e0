// The same keys and values of every kind through every protocol: each returns every byte.

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { SteleClient } from '../../../client/stele-client.ts';
import { TestCluster } from '../../support/process/cluster.ts';
import { EDGES, writeEdges } from '../../support/inputs/edge-rows.ts';
import { DOORS, expectRows } from '../../support/readers/doors.ts';
import { connectCluster, connectRedis, getValue } from '../../support/readers/sources.ts';
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

function inBase64(key: string): string {
  return Buffer.from(key).toString('base64');
}

test.each(DOORS)('%s', (_name, open) => expectRows(EDGES, open(cluster, KEYSPACE)));

test('RESP on the master, all keys at once', async () => {
  const client = connectRedis(cluster.master, KEYSPACE);
  onTestFinished(() => client.disconnect());
  const together = await client.mgetBuffer(NAMES);
  await expectRows(EDGES, async (key) => together[NAMES.indexOf(key)]);
});

test('the library, all keys at once and in a scan', async () => {
  const client = new SteleClient({ seeds: [cluster.masterGrpc], deadlineMs: 30_000 });
  onTestFinished(() => client.close());
  const { values } = await client.getMany(KEYSPACE, NAMES);
  await expectRows(EDGES, async (key) => values[NAMES.indexOf(key)]);
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
  await expectRows(EDGES, async (key) => {
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
    const series = `stele_lookup_seconds${suffix === '' ? '_count' : '_bucket'}{protocol="${protocol}"${suffix}}`;
    const counts = await Promise.all(nodes.map((id) => cluster.metric(id, series)));
    return counts.reduce((sum, count) => sum + count, 0);
  };
  const [resp, lookups] = [await reads('resp'), await reads('lookups')];
  const client = connectCluster(
    nodes.map((id) => cluster.node(id)),
    KEYSPACE,
  );
  onTestFinished(() => client.disconnect());
  await expectRows(EDGES, (key) => client.getBuffer(key));
  expect(await reads('resp')).toBeGreaterThanOrEqual(resp + EDGES.size);
  await getValue(cluster.url(''), KEYSPACE, 'not there');
  expect(await reads('lookups')).toBeGreaterThan(lookups);
  expect(await reads('resp', ',le="+Inf"')).toBe(await reads('resp'));
  expect(await reads('grpc')).toBe(0);
});
