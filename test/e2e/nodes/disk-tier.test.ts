// Records are read from disk: while the tier changes, while files rot, and while datanodes die.

import { readFileSync, readdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { VersionedRows } from '../../support/inputs/rows.ts';
import { TestCluster } from '../../support/process/cluster.ts';
import { steleShared } from '../../support/process/shared-process.ts';
import { until } from '../../support/process/stele-process.ts';
import { Reader, stopWithoutFailures } from '../../support/readers/reader.ts';
import {
  connectCluster,
  connectRedis,
  expectAllRows,
  httpSource,
  postLookupSource,
  respSource,
} from '../../support/readers/sources.ts';
import { flipBit, segmentFiles } from '../../support/segments/segment-files.ts';

const NODES = ['node-0', 'node-1', 'node-2'] as const;
const KEYSPACE = 'numbers';
const MIB = 1024 ** 2;
const rows = new VersionedRows(4000);
let cluster: TestCluster;
let digest: string;

beforeAll(async () => {
  cluster = await TestCluster.holding(rows, [KEYSPACE], { shards: 8 });
  digest = await cluster.digest(KEYSPACE);
  await tier('disk');
}, 60_000);

afterAll(() => cluster?.close(), 30_000);

async function tier(wanted: 'memory' | 'disk'): Promise<void> {
  const words = ['tier', KEYSPACE, wanted, '--wait', '--master', cluster.masterGrpc];
  const { code, stderr } = await steleShared(words);
  expect([code, stderr]).toEqual([0, '']);
}

/** Readers over every way that reads a datanode. */
function readers(): Reader[] {
  const nodes = NODES.map((id) => cluster.node(id));
  const sources = [
    respSource('GET from the datanodes', connectCluster(nodes, KEYSPACE)),
    respSource('GET from the master', connectRedis(cluster.master, KEYSPACE)),
    httpSource(cluster.url(''), KEYSPACE),
    postLookupSource(cluster.url(''), KEYSPACE),
  ];
  return sources.map((source, seed) => new Reader([source], { rows, version: 1, seed }));
}

const metric = (id: string, series: string): Promise<number> => cluster.metric(id, series);

test('reads go on while the tier changes ten times', async () => {
  const running = readers();
  for (let change = 0; change < 5; change++) {
    await tier('memory');
    await tier('disk');
    await running[0]?.progress(20);
  }
  await stopWithoutFailures(running);
  expect(await cluster.digest(KEYSPACE)).toBe(digest);
  await expectAllRows(cluster.url(''), KEYSPACE, rows, 1);
  for (const id of NODES) expect(await metric(id, 'stele_disk_reads_total')).toBeGreaterThan(0);
}, 90_000);

test('rotten records are never served, and are replaced by those of another datanode', async () => {
  const running = readers();
  const files = segmentFiles(join(cluster.folder, 'node-0'));
  const good = files.map(({ path }) => readFileSync(path));
  for (const [index, { path }] of files.entries()) {
    if (index % 3 === 0) {
      truncateSync(path, Math.floor(good[index]!.length / 3));
      continue;
    }
    for (let part = 3; part < 10; part++)
      flipBit(path, Math.floor((good[index]!.length * part) / 10));
  }
  const quarantine = join(cluster.folder, 'node-0', 'quarantine');
  await until(
    'the damage to be found',
    () => readdirSync(quarantine).length === files.length,
    30_000,
  );
  await until(
    'the files to be there again',
    () => segmentFiles(join(cluster.folder, 'node-0')).length === files.length,
    30_000,
  );
  const again = segmentFiles(join(cluster.folder, 'node-0'));
  expect(again.map(({ path }) => path).sort()).toEqual(files.map(({ path }) => path).sort());
  await cluster.status('green');
  await stopWithoutFailures(running);
  expect(await metric('node-0', 'stele_quarantined_total')).toBe(files.length);
  expect(await cluster.digest(KEYSPACE)).toBe(digest);
}, 90_000);

test('a datanode that is killed serves from disk again, without reading its records first', async () => {
  const running = readers();
  await cluster.kill('node-1');
  await cluster.startNode('node-1');
  await cluster.nodesServing(NODES.length);
  await cluster.status('green');
  expect(await metric('node-1', 'stele_disk_tier_bytes')).toBeGreaterThan(0);
  await stopWithoutFailures(running);
  await expectAllRows(cluster.url(''), KEYSPACE, rows, 1);
}, 90_000);

test('a datanode that is killed serves a keyspace in memory from disk, until it has read it again', async () => {
  // More than a start reads before it serves.
  const path = join(cluster.folder, 'large.data');
  const value = 'x'.repeat(200_000);
  writeFileSync(path, Array.from({ length: 600 }, (_, row) => `large-${row} ${value}\n`).join(''));
  await cluster.load('large', [path]);
  await cluster.status('green');
  const running = readers();
  await cluster.kill('node-1');
  await cluster.startNode('node-1');
  await until(
    'the end of the warming',
    () => cluster.log('node-1').includes('warming has ended'),
    60_000,
  );
  expect(cluster.log('node-1')).toContain('warming: segments are served from disk while');
  await cluster.status('green');
  await stopWithoutFailures(running);
  const ofLarge = '{keyspace="large"}';
  const fileBytes = await metric('node-1', `stele_keyspace_file_bytes${ofLarge}`);
  expect(fileBytes).toBeGreaterThan(64 * MIB);
  expect(await metric('node-1', `stele_keyspace_memory_bytes${ofLarge}`)).toBe(fileBytes);
  expect(await metric('node-1', 'stele_warming_bytes')).toBe(0);
  // The master hears of it with the next heartbeat.
  await until('the master to know', async () => {
    const { stdout } = await steleShared(['nodes', '-o', 'json', '--master', cluster.masterGrpc]);
    const nodes = JSON.parse(stdout) as { readonly warming: object | null }[];
    return nodes.length === NODES.length && nodes.every(({ warming }) => warming === null);
  });
}, 120_000);

test('the memory that is accounted for is about what a datanode takes', async () => {
  for (const id of NODES) {
    const unaccounted = await metric(id, 'stele_memory_unaccounted_bytes');
    const resident = await metric(id, 'process_resident_memory_bytes');
    expect(Math.abs(unaccounted), `${id} of ${resident} resident`).toBeLessThan(160 * MIB);
  }
});
