// A datanode, then the master, is killed while deltas are merged; a datanode loses its disk;
// everything is killed. The content of the versions stays the same, and readers do not notice.

import { cpSync, rmSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { AppendedKeyspace } from '../../support/inputs/appended.ts';
import { TestCluster } from '../../support/process/cluster.ts';
import { stopWithoutFailures } from '../../support/readers/reader.ts';
import type { Reader } from '../../support/readers/reader.ts';
import { segmentNames } from '../../support/segments/segment-files.ts';
import { connectCluster, respSource } from '../../support/readers/sources.ts';
import { stele, until } from '../../support/process/stele-process.ts';

const NODES = ['node-0', 'node-1', 'node-2'] as const;
const KEYSPACE = 'prices';
const SHARDS = 8;
/** At this rate a shard takes about half a second. */
const SLOW_MERGES = ['--merge-bytes-per-second', '64KiB'];
let cluster: TestCluster;
let prices: AppendedKeyspace;
let reader: Reader | undefined;
let digest = '';

beforeAll(async () => {
  cluster = await TestCluster.start({
    shards: SHARDS,
    masterFlags: ['--retire-delay', '200ms', ...SLOW_MERGES],
  });
  prices = new AppendedKeyspace(cluster, KEYSPACE);
  await prices.begin();
  await cluster.status('green');
  const nodes = NODES.map((id) => cluster.node(id));
  reader = prices.reader(respSource('GET from datanodes', connectCluster(nodes, KEYSPACE)), 7, 1);
}, 60_000);

afterAll(async () => {
  await reader?.stop();
  await cluster?.close();
  prices?.close();
}, 30_000);

async function metric(id: string, name: string): Promise<number> {
  const { host, http } = cluster.node(id);
  const text = await (await fetch(`http://${host}:${http}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\d+)`, 'm').exec(text)?.[1] ?? -1);
}

/**
 * Appends until there are five deltas, and waits until `id` has merged some shards, but not all.
 */
async function mergingOn(id: string, firstVersion: number): Promise<void> {
  for (let version = firstVersion; version < firstVersion + 5; version++) {
    ({ digest } = await prices.append(version));
  }
  const before = await metric(id, 'stele_merges_total');
  await until('the merge to be half done', async () => {
    const done = (await metric(id, 'stele_merges_total')) - before;
    return done > 0 && (await metric(id, 'stele_merges_waiting')) > 0;
  });
  expect((await prices.deltas()).get(firstVersion + 4)).toBe(5);
}

async function expectMerged(version: number): Promise<void> {
  await until('the merge to end', async () => (await prices.deltas()).get(version) === 0);
  await cluster.status('green');
  expect(await cluster.digest(KEYSPACE)).toBe(digest);
  await prices.expectRows();
}

const filesOf = (id: string): string[] => segmentNames(join(cluster.folder, id));

const backup = (): string => join(cluster.folder, 'backup');

const isBackup = (path: string): boolean =>
  statSync(path).isDirectory()
    ? basename(path) === 'master'
    : basename(path).startsWith('catalog-backup');

async function verifyFiles(): Promise<void> {
  const verified = await stele(['verify', '--data-dir', cluster.folder]);
  expect(verified.stderr).toBe('');
  expect(verified.code).toBe(0);
}

const VERSION_AFTER_RESTORE = 1012;

describe('while deltas are merged', () => {
  test('a datanode is killed, and merges the rest when it is back', async () => {
    await mergingOn('node-1', 2);
    await cluster.kill('node-1');
    await reader?.progress(100);
    await cluster.startNode('node-1');
    await cluster.nodesServing(3);
    await expectMerged(6);
    expect(await metric('node-1', 'stele_merges_total')).toBeGreaterThan(0);
    await verifyFiles();
  });

  test('the master is killed, and the next one continues', async () => {
    await mergingOn('node-0', 7);
    await cluster.kill('master');
    cpSync(join(cluster.folder, 'master'), backup(), { recursive: true, filter: isBackup });
    await reader?.progress(100);
    await cluster.startMaster();
    await cluster.nodesServing(3);
    await expectMerged(11);
    await verifyFiles();
  });

  test('a catalog is restored from an older copy: segments merged since are found again', async () => {
    // Of each of 8 shards, two copies: the merged segment, and the segments of the previous
    // version.
    await until('what was merged to go', () => NODES.flatMap(filesOf).length === SHARDS * 2 * 6);
    await cluster.kill('master');
    rmSync(join(cluster.folder, 'master'), { recursive: true });
    cpSync(backup(), join(cluster.folder, 'master'), { recursive: true });
    await cluster.startMaster();
    await cluster.nodesServing(3);
    await expectMerged(11);
    // They had to be found, shard by shard.
    expect(cluster.log('master')).toMatch(/deltas were merged/);
  });
});

describe('a version with deltas', () => {
  test('is copied completely to a datanode that has lost its disk', async () => {
    // Version numbers have a gap after a restore of the catalog.
    ({ digest } = await prices.append(VERSION_AFTER_RESTORE, 11));
    // Of each of 8 shards, two copies: the merged segment, which both versions have, and a delta.
    await until('what is not needed to go', () => NODES.flatMap(filesOf).length === SHARDS * 2 * 2);
    const before = filesOf('node-2');
    await cluster.kill('node-2');
    rmSync(join(cluster.folder, 'node-2'), { recursive: true });
    await cluster.startNode('node-2');
    await cluster.nodesServing(3);
    await until('its files to be back', () => filesOf('node-2').length === before.length);
    await cluster.status('green');
    expect(filesOf('node-2')).toEqual(before);
    expect(await cluster.digest(KEYSPACE)).toBe(digest);
    await prices.expectRows();
    await verifyFiles();
  });

  test('is the same after everything was killed and started again, and so is the previous one', async () => {
    const running = reader;
    reader = undefined;
    if (running !== undefined) await stopWithoutFailures([running]);
    await Promise.all(['master', ...NODES].map((id) => cluster.kill(id)));
    await cluster.startMaster();
    await Promise.all(NODES.map((id) => cluster.startNode(id)));
    await cluster.nodesServing(3);
    await cluster.status('green');
    expect(await cluster.digest(KEYSPACE)).toBe(digest);
    expect((await prices.deltas()).get(VERSION_AFTER_RESTORE)).toBe(1);
    await prices.expectRows();
    expect((await stele(['rollback', KEYSPACE, '--master', cluster.masterGrpc])).code).toBe(0);
    await prices.expectRows(prices.models.get(11));
    await verifyFiles();
  });
});
