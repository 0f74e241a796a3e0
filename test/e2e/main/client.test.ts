// The library client against real processes: it scans, and reads while versions are swapped and a
// datanode is killed. What else may happen to it is in test/e2e/nodes/client-faults.test.ts.

import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { SteleClient } from '../../../client/stele-client.ts';
import { TestCluster } from '../../support/process/cluster.ts';
import { VersionedRows } from '../../support/inputs/rows.ts';
import { flags } from '../../support/process/stele-process.ts';
import { startLibraryReader } from '../../support/readers/library-reader.ts';
import { stopWithoutFailures } from '../../support/readers/reader.ts';

const KEYSPACE = 'numbers';
const READS_PER_PHASE = 300;
const rows = new VersionedRows(10_000);
let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.holding(rows, [KEYSPACE], {
    masterFlags: flags({ 'repair-delay': '60s' }),
  });
}, 60_000);

afterAll(() => cluster?.close(), 30_000);

const loadVersion = (version: number): Promise<void> => cluster.loadRows(KEYSPACE, rows, version);

function connect(): SteleClient {
  const client = new SteleClient({ seeds: [cluster.masterGrpc] });
  onTestFinished(() => client.close());
  return client;
}

test('a scan returns every key once, from all datanodes', async () => {
  const client = connect();
  const keys = new Set<string>();
  let count = 0;
  for await (const key of client.scan(KEYSPACE)) {
    keys.add(String(key));
    count++;
  }
  expect([count, keys.size]).toEqual([rows.count, rows.count]);
  expect(keys.has(rows.key(rows.count - 1))).toBe(true);
  const some: string[] = [];
  for await (const key of client.scan(KEYSPACE, { prefix: 'key-999' })) some.push(String(key));
  expect(some).toHaveLength(11);
  expect(await client.keyspaces()).toMatchObject([
    { name: KEYSPACE, version: 1, records: rows.count },
  ]);
});

test('versions are swapped under getMany of 100: no batch is mixed, and watch yields each version', async () => {
  const client = connect();
  const reader = startLibraryReader(client, KEYSPACE, rows);
  const reported: number[] = [];
  const watching = (async () => {
    for await (const { version } of client.watch(KEYSPACE)) {
      reported.push(version);
      if (version === 3) return;
    }
  })();
  await reader.progress(READS_PER_PHASE);
  for (const version of [2, 3]) {
    await loadVersion(version);
    await reader.progress(READS_PER_PHASE);
  }
  await watching;
  await stopWithoutFailures([reader]);
  expect(reader.versions).toEqual(new Set([1, 2, 3]));
  expect(reported).toEqual([1, 2, 3]);
});

test('a scan whose version is deleted ends with an error that says so', async () => {
  const scan = connect().scan(KEYSPACE, { count: 10 });
  await scan.next();
  await loadVersion(4);
  await loadVersion(5);
  const rest = (async () => {
    for await (const _ of scan);
  })();
  await expect(rest).rejects.toMatchObject({ code: 'VERSION_NOT_FOUND' });
});

test('a datanode is killed under getMany: no read fails', async () => {
  const reader = startLibraryReader(connect(), KEYSPACE, rows);
  await reader.progress(READS_PER_PHASE);
  await cluster.kill('node-1');
  await reader.progress(READS_PER_PHASE);
  await cluster.status('yellow');
  await reader.progress(READS_PER_PHASE);
  await cluster.startNode('node-1');
  await cluster.status('green');
  await reader.progress(READS_PER_PHASE);
  await stopWithoutFailures([reader]);
});
