// Deltas on a version, under readers, while datanodes die and come back: every batch sees one
// version, and in the end the keyspace equals a replace with the same rows.

import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { AppendedKeyspace } from '../../support/inputs/appended.ts';
import { TestCluster } from '../../support/process/cluster.ts';
import type { LoadSummary } from '../../support/process/cluster.ts';
import { stopWithoutFailures } from '../../support/readers/reader.ts';
import type { Reader } from '../../support/readers/reader.ts';
import { segmentNames } from '../../support/segments/segment-files.ts';
import { steleShared } from '../../support/process/shared-process.ts';
import { connectRedis, postLookupSource, respSource } from '../../support/readers/sources.ts';
import { until } from '../../support/process/stele-process.ts';

const NODES = ['node-0', 'node-1', 'node-2'] as const;
const KEYSPACE = 'prices';
const BATCHES = 10;
const SHARDS = 8;
let cluster: TestCluster;
let prices: AppendedKeyspace;
let readers: Reader[] = [];

beforeAll(async () => {
  const masterFlags = ['--repair-delay', '500ms', '--retire-delay', '200ms'];
  cluster = await TestCluster.start({ shards: SHARDS, masterFlags });
  prices = new AppendedKeyspace(cluster, KEYSPACE);
  await prices.begin();
  await cluster.status('green');
  readers = [
    respSource('MGET through the master', connectRedis(cluster.master, KEYSPACE)),
    postLookupSource(cluster.url(''), KEYSPACE),
  ].map((source, index) => prices.reader(source, 90 + index, 50));
}, 60_000);

afterAll(async () => {
  await Promise.all(readers.map((reader) => reader.stop()));
  await cluster?.close();
  prices?.close();
}, 30_000);

const progress = (): Promise<unknown> =>
  Promise.all(readers.map((reader) => reader.progress(BATCHES)));

async function append(version: number): Promise<LoadSummary> {
  const summary = await prices.append(version);
  await progress();
  return summary;
}

async function restart(id: string): Promise<void> {
  await cluster.kill(id);
  await cluster.startNode(id);
  await cluster.nodesServing(3);
}

/** The keys that a datanode counts for its primary shards. */
async function count(id: string): Promise<number> {
  const redis = connectRedis(cluster.node(id), KEYSPACE);
  const keys = await redis.dbsize();
  redis.disconnect();
  return keys;
}

/** All keys of a datanode's current version, by SCAN. */
async function scan(id: string): Promise<string[]> {
  const redis = connectRedis(cluster.node(id), KEYSPACE);
  const keys: string[] = [];
  for (let cursor = ''; cursor !== '0';) {
    const [next, some] = await redis.scan(cursor || '0', 'COUNT', 500);
    keys.push(...some);
    cursor = next;
  }
  redis.disconnect();
  return keys;
}

/** What the datanodes count and list, and what the master counts, equals the model. */
async function expectCounts(): Promise<void> {
  const redis = connectRedis(cluster.master, KEYSPACE);
  expect(await redis.dbsize()).toBe(prices.model.size);
  redis.disconnect();
  // A node that is just back, or was slow to answer, may still use the previous view.
  let keys: string[] = [];
  await until('the datanodes to have one view', async () => {
    const counts = await Promise.all(NODES.map(count));
    if (counts.reduce((sum, each) => sum + each, 0) !== prices.model.size) return false;
    keys = (await Promise.all(NODES.map(scan))).flat();
    return keys.length === prices.model.size;
  });
  expect(new Set(keys).size).toBe(keys.length);
  expect(keys.sort()).toEqual([...prices.model.keys()].sort());
}

describe('appends under readers', () => {
  test('a first one, to nothing, is a version; three more are deltas on it', async () => {
    expect(await prices.deltas()).toEqual(new Map([[1, 0]]));
    await append(2);
    await append(3);
    await restart('node-1');
    await append(4);
    expect((await prices.deltas()).get(4)).toBe(3);
    await prices.expectRows();
  });

  test('nothing of the base is copied: its files are those of the version before', async () => {
    // Of each of 8 shards, two copies: the base and three deltas.
    const names = NODES.flatMap((id) => segmentNames(join(cluster.folder, id)));
    expect(names.length).toBe(SHARDS * 2 * 4);
    expect(new Set(names).size).toBe(SHARDS * 4);
  });

  test('an append with a missing datanode waits for its shards to be copied', async () => {
    await cluster.kill('node-2');
    await append(5);
    await prices.expectRows();
    await cluster.startNode('node-2');
    await cluster.nodesServing(3);
    await cluster.status('green');
  });

  test('a key is counted and listed once, whatever the number of deltas', async () => {
    await expectCounts();
    const redis = connectRedis(cluster.master, KEYSPACE);
    expect(await redis.strlen('new-3-1')).toBe('since 3'.length);
    expect(await redis.exists('cold-7', 'new-5-1', 'absent')).toBe(2);
    redis.disconnect();
  });

  test('more than four deltas are merged, and the version keeps its content', async () => {
    const { digest } = await append(6);
    const before = await cluster.json(`/v1/keyspaces/${KEYSPACE}`);
    await until('the deltas to be merged', async () => (await prices.deltas()).get(6) === 0);
    expect(await cluster.digest(KEYSPACE)).toBe(digest);
    expect(before).toMatchObject({ current_version: 6, digest, records: prices.model.size });
    await prices.expectRows();
    await expectCounts();
    await progress();
  });

  test('their files are deleted, except those that the previous version still needs', async () => {
    // Of each of 8 shards, two copies: the merged segment, the base, and four deltas.
    const files = (): number =>
      NODES.reduce((sum, id) => sum + segmentNames(join(cluster.folder, id)).length, 0);
    await until('the last deltas to leave the disks', () => files() === SHARDS * 2 * 6);
    const verified = await steleShared(['verify', '--data-dir', cluster.folder]);
    expect(verified.stderr).toBe('');
    expect(verified.code).toBe(0);
  });

  test('a restarted datanode serves merged segments and deltas', async () => {
    await restart('node-0');
    await append(7);
    expect((await prices.deltas()).get(7)).toBe(1);
    await restart('node-2');
    await cluster.status('green');
    await prices.expectRows();
  });

  test('a rollback goes back over deltas, at once', async () => {
    const go = ['rollback', KEYSPACE, '--master', cluster.masterGrpc];
    expect((await steleShared(go)).code).toBe(0);
    await prices.expectRows(prices.models.get(6));
    expect((await steleShared([...go, '--to', '7'])).code).toBe(0);
    await prices.expectRows();
  });

  test('`stele diff` shows what an append has changed', async () => {
    const args = ['diff', KEYSPACE, '6', '7', '--samples', '3', '-o', 'json'];
    const done = await steleShared([...args, '--master', cluster.masterGrpc]);
    expect(done.stderr).toBe('');
    const answer = JSON.parse(done.stdout) as { samples: { kind: string; key: string }[] };
    const counts = { added: prices.added, removed: 0, changed: prices.hot.count };
    expect(answer).toMatchObject({ from: 6, to: 7, ...counts });
    const kinds = answer.samples.map(({ kind }) => kind);
    expect(kinds).toEqual([...Array(3).fill('added'), ...Array(3).fill('changed')]);
    for (const { key, kind } of answer.samples) {
      expect(key).toMatch(kind === 'added' ? /^new-7-/ : /^key-/);
    }
  });

  test('a replace by the same rows has the same digest', async () => {
    expect(await cluster.digest(KEYSPACE)).toBe(await prices.digestOfReplace());
  });

  test('no read failed and no batch mixed versions during the whole test', async () => {
    const running = readers;
    readers = [];
    await stopWithoutFailures(running);
  });
});
