// Deltas on a version, under readers, while datanodes die and come back: every batch sees one version,
// and in the end there is what a replace by the same rows would have given.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestCluster } from '../support/cluster.ts';
import type { LoadSummary } from '../support/cluster.ts';
import { ContinuousReader, stopWithoutFailures } from '../support/continuous-reader.ts';
import { VersionedRows } from '../support/rows.ts';
import { segmentNames } from '../support/segment-files.ts';
import { connectRedis, postLookup, postLookupSource, respSource } from '../support/sources.ts';
import { stele, until } from '../support/stele-process.ts';

const NODES = ['node-0', 'node-1', 'node-2'] as const;
const KEYSPACE = 'prices';
const BATCHES = 10;
/** Every version writes all of these anew: a batch of them tells which version it is of. */
const hot = new VersionedRows(300);
const COLD = 3000;
const ADDED = 40;
const UNCHANGED = 25;
const folder = mkdtempSync(join(tmpdir(), 'stele-append-'));
/** What the keyspace must hold, by version. */
const models = new Map<number, Map<string, string>>();
let cluster: TestCluster;
let readers: ContinuousReader[] = [];

beforeAll(async () => {
  const masterFlags = ['--repair-delay', '500ms', '--retire-delay', '200ms'];
  cluster = await TestCluster.start({ shards: 8, masterFlags });
  const rows = new Map<string, string>();
  for (let index = 0; index < COLD; index++) rows.set(`cold-${index}`, `value of ${index}`);
  await load(1, [...hotRows(1), ...rows], 'append');
  await cluster.status('green');
  readers = [
    respSource('MGET through the master', connectRedis(cluster.master, KEYSPACE)),
    postLookupSource(cluster.url(''), KEYSPACE),
  ].map(
    (source, index) =>
      new ContinuousReader(source, {
        keyCount: hot.count,
        keyAt: (at) => hot.key(at),
        keysPerRead: 50,
        lanes: 1,
        check: checkOneVersion,
        seed: 90 + index,
      }),
  );
}, 60_000);

afterAll(async () => {
  await Promise.all(readers.map((reader) => reader.stop()));
  await cluster?.close();
  rmSync(folder, { recursive: true, force: true });
}, 30_000);

type Row = readonly [string, string];

const hotRows = (version: number): Row[] =>
  Array.from({ length: hot.count }, (_unused, index) => [
    hot.key(index),
    hot.value(hot.key(index), version),
  ]);

async function load(
  version: number,
  rows: readonly Row[],
  mode: 'append' | 'replace',
  keyspace = KEYSPACE,
): Promise<LoadSummary> {
  const file = join(folder, `${keyspace}-${version}.data`);
  writeFileSync(file, rows.map(([key, value]) => `${key} ${value}\n`).join(''));
  const summary = await cluster.load(keyspace, [file], ['--mode', mode]);
  if (keyspace === KEYSPACE) {
    models.set(version, new Map([...(models.get(version - 1) ?? []), ...rows]));
    expect(summary).toMatchObject({ version, rows: rows.length, records: model().size });
  }
  return summary;
}

/** All hot rows of a version, some that are new, some that are as they were. */
async function append(version: number): Promise<LoadSummary> {
  const fresh = Array.from({ length: ADDED }, (_unused, index): Row => [
    `new-${version}-${index}`,
    `since ${version}`,
  ]);
  const same = Array.from({ length: UNCHANGED }, (_unused, index): Row => [
    `cold-${index * version}`,
    `value of ${index * version}`,
  ]);
  const summary = await load(version, [...hotRows(version), ...fresh, ...same], 'append');
  expect(summary.append).toEqual({
    baseVersion: version - 1,
    added: ADDED,
    replaced: hot.count,
    unchanged: UNCHANGED,
  });
  await Promise.all(readers.map((reader) => reader.progress(BATCHES)));
  return summary;
}

const model = (): Map<string, string> => models.get(Math.max(...models.keys()))!;

function checkOneVersion(
  keys: readonly string[],
  values: readonly (Buffer | string | null | undefined)[],
): string | undefined {
  const versions = new Set(keys.map((key, index) => hot.versionOf(key, values[index])));
  if (versions.has(0)) return 'a value is wrong or missing';
  return versions.size === 1 ? undefined : `versions ${[...versions].join(' and ')} in one batch`;
}

async function expectModel(expected: ReadonlyMap<string, string>): Promise<void> {
  const keys = [...expected.keys(), 'absent'];
  const { values } = await postLookup(cluster.url(''), KEYSPACE, keys);
  expect(values.pop()).toBeNull();
  expect(values.map(String)).toEqual([...expected.values()]);
}

async function deltas(): Promise<Map<number, number>> {
  const { versions } = (await cluster.json(`/v1/keyspaces/${KEYSPACE}/versions`)) as {
    versions: { version: number; deltas: number }[];
  };
  return new Map(versions.map((each) => [each.version, each.deltas]));
}

async function restart(id: string): Promise<void> {
  await cluster.kill(id);
  await cluster.startNode(id);
  await cluster.nodesServing(3);
}

describe('appends under readers', () => {
  test('a first one, to nothing, is a version; three more lie on it', async () => {
    expect(await deltas()).toEqual(new Map([[1, 0]]));
    await append(2);
    await append(3);
    await restart('node-1');
    await append(4);
    expect((await deltas()).get(4)).toBe(3);
    await expectModel(model());
  });

  test('one with a datanode away waits for its shards to be copied', async () => {
    await cluster.kill('node-2');
    await append(5);
    await expectModel(model());
    await cluster.startNode('node-2');
    await cluster.nodesServing(3);
    await cluster.status('green');
  });

  test('a key is counted once, whatever the number of deltas', async () => {
    const redis = connectRedis(cluster.master, KEYSPACE);
    const counts = await Promise.all(
      NODES.map(async (id) => {
        const node = connectRedis(cluster.node(id), KEYSPACE);
        const count = await node.dbsize();
        node.disconnect();
        return count;
      }),
    );
    expect(await redis.dbsize()).toBe(model().size);
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(model().size);
    expect(await redis.strlen('new-3-1')).toBe('since 3'.length);
    expect(await redis.exists('cold-7', 'new-5-1', 'absent')).toBe(2);
    redis.disconnect();
  });

  test('more than four deltas are merged, and the version stays what it is', async () => {
    const { digest } = await append(6);
    const before = await cluster.json(`/v1/keyspaces/${KEYSPACE}`);
    await until('the deltas to be merged', async () => (await deltas()).get(6) === 0);
    expect(await cluster.digest(KEYSPACE)).toBe(digest);
    expect(before).toMatchObject({ current_version: 6, digest, records: model().size });
    await expectModel(model());
    await Promise.all(readers.map((reader) => reader.progress(BATCHES)));
  });

  test('their files go, except those that the version before still needs', async () => {
    // Of each of 8 shards, twice: the merged one, the base, and four deltas.
    const files = (): number =>
      NODES.reduce((sum, id) => sum + segmentNames(join(cluster.folder, id)).length, 0);
    await until('the last deltas to leave the disks', () => files() === 8 * 2 * 6);
    const verified = await stele(['verify', '--data-dir', cluster.folder]);
    expect(verified.stderr).toBe('');
    expect(verified.code).toBe(0);
  });

  test('a restarted datanode serves merged segments and deltas', async () => {
    await restart('node-0');
    await append(7);
    expect((await deltas()).get(7)).toBe(1);
    await restart('node-2');
    await cluster.status('green');
    await expectModel(model());
  });

  test('a rollback goes back over deltas, at once', async () => {
    const go = ['rollback', KEYSPACE, '--master', cluster.masterGrpc];
    expect((await stele(go)).code).toBe(0);
    await expectModel(models.get(6)!);
    expect((await stele([...go, '--to', '7'])).code).toBe(0);
    await expectModel(model());
  });

  test('`stele diff` tells what an append has changed', async () => {
    const args = ['diff', KEYSPACE, '6', '7', '--samples', '3', '-o', 'json'];
    const done = await stele([...args, '--master', cluster.masterGrpc]);
    expect(done.stderr).toBe('');
    const answer = JSON.parse(done.stdout) as { samples: { kind: string; key: string }[] };
    expect(answer).toMatchObject({ from: 6, to: 7, added: ADDED, removed: 0, changed: hot.count });
    const kinds = answer.samples.map(({ kind }) => kind);
    expect(kinds).toEqual([...Array(3).fill('added'), ...Array(3).fill('changed')]);
    for (const { key, kind } of answer.samples) {
      expect(key).toMatch(kind === 'added' ? /^new-7-/ : /^key-/);
    }
  });

  test('a replace by the same rows has the same digest', async () => {
    const { digest } = await load(1, [...model()], 'replace', 'whole');
    expect(await cluster.digest(KEYSPACE)).toBe(digest);
  });

  test('no read failed and no batch mixed versions in all that time', async () => {
    const running = readers;
    readers = [];
    await stopWithoutFailures(running);
  });
});
