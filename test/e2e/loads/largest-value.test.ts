// A value of the largest size, loaded and read through every protocol.

import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { VALUE_BYTES_MAX } from '../../../base/limits.ts';
import { TestCluster } from '../../support/process/cluster.ts';
import { LARGEST, writeEdges } from '../../support/inputs/edge-rows.ts';
import { DOORS, expectRows } from '../../support/readers/doors.ts';
import { connectRedis } from '../../support/readers/sources.ts';

const KEYSPACE = 'largest';
let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.borrow();
  const file = join(cluster.folder, 'largest.jsonl');
  await writeEdges(file, LARGEST);
  await cluster.load(KEYSPACE, [file]);
  await cluster.status('green');
}, 90_000);

afterAll(() => cluster?.close());

test.each(DOORS)('%s', (_name, open) => expectRows(LARGEST, open(cluster, KEYSPACE)));

test('RESP on the master, among several keys and in parts', async () => {
  const client = connectRedis(cluster.master, KEYSPACE);
  onTestFinished(() => client.disconnect());
  const values = await client.mgetBuffer('none', 'largest');
  expect(values[0]).toBeNull();
  await expectRows(LARGEST, async () => values[1]);
  expect(await client.strlen('largest')).toBe(VALUE_BYTES_MAX);
  expect(await client.getrangeBuffer('largest', -6, -1)).toEqual(
    LARGEST.get('largest')?.subarray(-6),
  );
});
