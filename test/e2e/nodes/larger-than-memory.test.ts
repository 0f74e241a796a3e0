// One shard of 20 MB on datanodes that may hold 8 MiB: it is loaded, copied, appended to, merged,
// scrubbed, and none of that needs it in memory.

import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestCluster } from '../../support/process/cluster.ts';
import { SteleProcess, flags, until } from '../../support/process/stele-process.ts';
import { connectRedis } from '../../support/readers/sources.ts';
import { segmentNames } from '../../support/segments/segment-files.ts';

const KEYSPACE = 'large';
const ROWS = 20_000;
const DELTAS = 5;
const value = (row: number, generation: number): string =>
  `${generation}-${row}-`.padEnd(1000, 'v');
let cluster: TestCluster;

function rowsFile(name: string, from: number, count: number, generation: number): string {
  const path = join(cluster.folder, `${name}.data`);
  const lines = Array.from({ length: count }, (_, at) => {
    return `key-${from + at} ${value(from + at, generation)}\n`;
  });
  writeFileSync(path, lines.join(''));
  return path;
}

beforeAll(async () => {
  cluster = await TestCluster.start({
    datanodes: 1,
    shards: 1,
    masterFlags: ['--repair-delay', '1s'],
    datanodeFlags: flags({ 'memory-max': '8MiB', 'scrub-interval': '1s' }),
  });
}, 60_000);

afterAll(() => cluster?.close(), 30_000);

const incoming = (id: string): string[] =>
  readdirSync(join(cluster.folder, id, 'incoming')).filter((name) => name !== 'write-probe');

/** Delta n replaces ten rows from (n - 1) * 1000 on; the row before each is one of the base. */
async function expectRows(deltas: number): Promise<void> {
  const redis = connectRedis(cluster.master, KEYSPACE);
  const rows = Array.from({ length: ROWS / 1000 }, (_, at) => [at * 1000, at * 1000 + 10]).flat();
  const found = await redis.mget(rows.map((row) => `key-${row}`));
  redis.disconnect();
  const generation = (row: number): number =>
    row % 1000 === 0 && row / 1000 < deltas ? row / 1000 + 1 : 0;
  expect(found).toEqual(rows.map((row) => value(row, generation(row))));
}

test('a datanode that is killed while the segment arrives serves nothing of it; the load goes on', async () => {
  const path = rowsFile('base', 0, ROWS, 0);
  const slow = flags({ tier: 'disk', 'max-bytes-per-second': '4MiB' });
  const load = new SteleProcess(cluster.loadArguments(KEYSPACE, [path], slow));
  await until('the segment to arrive', () => incoming('node-0').length > 0, 30_000);
  await cluster.kill('node-0');
  expect(segmentNames(join(cluster.folder, 'node-0'))).toEqual([]);
  await cluster.startNode('node-0');
  const { code, stderr } = await load.finished();
  expect([code, stderr]).toEqual([0, expect.any(String) as string]);
  expect(segmentNames(join(cluster.folder, 'node-0'))).toHaveLength(1);
  expect(incoming('node-0')).toEqual([]);
  expect(await cluster.metric('node-0', 'stele_disk_tier_bytes')).toBeGreaterThan(ROWS * 1000);
  await expectRows(0);
}, 90_000);

test('another datanode copies it', async () => {
  await cluster.startNode('node-1');
  await cluster.nodesServing(2);
  await cluster.status('green');
  const names = segmentNames(join(cluster.folder, 'node-1'));
  expect(names).toEqual(segmentNames(join(cluster.folder, 'node-0')));
}, 60_000);

test('deltas are appended and merged into it, on both', async () => {
  let digest = '';
  for (let delta = 1; delta <= DELTAS; delta++) {
    const path = rowsFile(`delta-${delta}`, (delta - 1) * 1000, 10, delta);
    ({ digest } = await cluster.load(KEYSPACE, [path], ['--mode', 'append']));
  }
  const merged = async (id: string): Promise<boolean> =>
    (await cluster.metric(id, 'stele_merges_total')) > 0;
  for (const id of ['node-0', 'node-1']) await until('the merge', () => merged(id), 30_000);
  await cluster.status('green');
  expect(await cluster.digest(KEYSPACE)).toBe(digest);
  await expectRows(DELTAS);
}, 90_000);

test('both scrub it', async () => {
  for (const id of ['node-0', 'node-1']) {
    const scrubbed = () => cluster.metric(id, 'stele_scrubbed_bytes_total');
    await until('a pass', async () => (await scrubbed()) > 2 * ROWS * 1000, 30_000);
    expect(await cluster.metric(id, 'stele_scrub_found_total')).toBe(0);
  }
}, 60_000);
