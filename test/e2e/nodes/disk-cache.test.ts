// Records of the disk tier that datanodes answer from their caches: as the metrics count them, and
// right after everything that changes what a key is.

import { statSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { VersionedRows } from '../../support/inputs/rows.ts';
import { TestCluster } from '../../support/process/cluster.ts';
import { steleShared } from '../../support/process/shared-process.ts';
import { until } from '../../support/process/stele-process.ts';
import { connectRedis, expectAllRows } from '../../support/readers/sources.ts';
import { flipBit, identityOf, segmentFiles } from '../../support/segments/segment-files.ts';
import type { FileOnDisk } from '../../support/segments/segment-files.ts';

const NODES = ['node-0', 'node-1', 'node-2'] as const;
const KEYSPACE = 'cached';
const rows = new VersionedRows(2000);
let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.borrow();
  for (const version of [1, 2, 3]) await rows.write(cluster.rowsFile(version), version);
  await cluster.load(KEYSPACE, [cluster.rowsFile(1)], ['--tier', 'disk']);
  await stele('tier', KEYSPACE, 'disk', '--wait');
  // Every read goes to a datanode.
  await stele('cache', KEYSPACE, 'off');
}, 60_000);

afterAll(async () => {
  await cluster?.drop(KEYSPACE);
  await cluster?.close();
}, 30_000);

async function stele(...words: string[]): Promise<string> {
  const { code, stderr, stdout } = await steleShared([...words, '--master', cluster.masterGrpc]);
  expect([code, stderr]).toEqual([0, '']);
  return stdout;
}

/** Of all datanodes together. */
async function count(which: 'hits' | 'misses'): Promise<number> {
  const series = `stele_disk_cache_${which}_total{keyspace="${KEYSPACE}"}`;
  const counts = await Promise.all(NODES.map((id) => cluster.metric(id, series)));
  return counts.reduce((sum, one) => sum + one, 0);
}

async function expectRows(version: number, rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    await expectAllRows(cluster.url(''), KEYSPACE, rows, version);
  }
}

test('cached records are counted as hits, of every keyspace, and shown', async () => {
  await expectRows(1, 4);
  // Each record is read at most once by each of its two datanodes.
  expect(await count('hits')).toBeGreaterThanOrEqual(2 * rows.count);
  expect(await count('misses')).toBeGreaterThanOrEqual(rows.count);
  for (const id of NODES) {
    const bytes = await cluster.metric(id, 'stele_disk_cache_bytes');
    expect(bytes).toBeGreaterThan(0);
    expect(bytes).toBeLessThanOrEqual(await cluster.metric(id, 'stele_disk_cache_limit_bytes'));
  }
  const described = await stele('describe', 'keyspace', KEYSPACE);
  expect(described).toMatch(/records on disk, [5-9][0-9]\.[0-9]% were in the caches of datanodes/);
  const redis = connectRedis(cluster.node('node-0'), KEYSPACE);
  expect(await redis.info('stats')).toMatch(/^stele_disk_cache_hits:[1-9]/m);
  redis.disconnect();
}, 60_000);

test('cached records are those of the current version after a load and after a rollback', async () => {
  await cluster.load(KEYSPACE, [cluster.rowsFile(2)], []);
  await expectRows(2, 3);
  await stele('tier', KEYSPACE, 'disk', '--wait');
  await expectRows(2, 3);
  const before = await count('hits');
  await stele('rollback', KEYSPACE);
  await expectRows(1, 3);
  expect(await count('hits')).toBeGreaterThan(before);
}, 60_000);

test('cached records were verified, so they are served while their files rot', async () => {
  const before = await count('hits');
  rot(await filesHere());
  await expectRows(1, 2);
  expect(await count('hits')).toBeGreaterThan(before + rows.count);
});

test('cached records are those of the copy that replaces a rotten file', async () => {
  await cluster.load(KEYSPACE, [cluster.rowsFile(3)], []);
  await stele('tier', KEYSPACE, 'disk', '--wait');
  const rotten = rot(await currentFilesHere());
  const redis = connectRedis(cluster.node('node-0'), KEYSPACE);
  await until('the rotten files to be replaced', async () => {
    await expectRows(3, 1);
    await expectOwnRows(redis, 3);
    const now = new Map((await filesHere()).map(({ identity, name }) => [name, identity]));
    return rotten.every(({ identity, name }) => now.has(name) && now.get(name) !== identity);
  });
  redis.disconnect();
  await cluster.status('green');
  await expectRows(3, 3);
}, 90_000);

/** Asks one datanode for every key; it may send the client elsewhere, and has no other value. */
async function expectOwnRows(redis: Redis, version: number): Promise<void> {
  const keys = Array.from({ length: rows.count }, (_, at) => rows.key(at));
  const replies = await Promise.allSettled(keys.map((key) => redis.get(key)));
  for (const [at, reply] of replies.entries()) {
    if (reply.status === 'rejected') expect(String(reply.reason)).toMatch(/MOVED|CLUSTERDOWN/);
    else expect(reply.value).toBe(rows.value(keys[at]!, version));
  }
}

/** The files of the keyspace on one datanode. */
async function filesHere(): Promise<readonly FileOnDisk[]> {
  const { uid } = (await cluster.json(`/v1/keyspaces/${KEYSPACE}`)) as { uid: string };
  return segmentFiles(join(cluster.folder, 'node-0')).filter(({ name }) => name.startsWith(uid));
}

/** Those of the current version: only they are read, so only they are found to be rotten. */
async function currentFilesHere(): Promise<readonly FileOnDisk[]> {
  const { shards } = (await cluster.json('/v1/shards')) as { shards: unknown[] };
  const current = new Set<string>();
  for (let shard = 0; shard < shards.length; shard++) {
    const path = `/v1/explain/${KEYSPACE}?shard=${shard}`;
    const { segments } = (await cluster.json(path)) as { segments: string[] };
    for (const id of segments) current.add(`${id}.seg`);
  }
  return (await filesHere()).filter(({ path }) => current.has(basename(path)));
}

/**
 * Flips bits in the files; returns what each was right afterwards: the first may be replaced before
 * the last is rotten.
 */
function rot(files: readonly FileOnDisk[]): readonly FileOnDisk[] {
  expect(files.length).toBeGreaterThan(0);
  return files.map((file) => {
    const { size } = statSync(file.path);
    for (let part = 3; part < 10; part++) flipBit(file.path, Math.floor((size * part) / 10));
    return { ...file, identity: identityOf(file.path) };
  });
}
