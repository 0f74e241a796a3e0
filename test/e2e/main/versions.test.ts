// Versions replace each other under readers: each read is all old or all new, and a rollback takes
// effect at once.

import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestCluster } from '../../support/process/cluster.ts';
import { Reader, stopWithoutFailures } from '../../support/readers/reader.ts';
import { VersionedRows } from '../../support/inputs/rows.ts';
import { segmentNames } from '../../support/segments/segment-files.ts';
import { steleShared } from '../../support/process/shared-process.ts';
import {
  connectRedis,
  postLookup,
  postLookupSource,
  respSource,
} from '../../support/readers/sources.ts';
import { flags, until } from '../../support/process/stele-process.ts';

const NODES = ['node-0', 'node-1', 'node-2'] as const;
const KEYSPACE = 'numbers';
const BATCHES_PER_PHASE = 30;
const rows = new VersionedRows(5000);
let cluster: TestCluster;
let readers: Reader[] = [];
/** Names of the segment files that each version added. */
const brought = new Map<number, Set<string>>();

beforeAll(async () => {
  cluster = await TestCluster.start({ masterFlags: flags({ 'retire-delay': '1s' }) });
  await load(1);
  await cluster.status('green');
  readers = [
    respSource('MGET through the master', connectRedis(cluster.master, KEYSPACE)),
    postLookupSource(cluster.url(''), KEYSPACE),
  ].map(
    (source, index) =>
      new Reader([source], {
        rows,
        keysPerRead: 100,
        seed: 50 + index,
      }),
  );
}, 60_000);

afterAll(async () => {
  await Promise.all(readers.map((reader) => reader.stop()));
  await cluster?.close();
}, 30_000);

async function load(version: number): Promise<void> {
  const before = new Set(filesOnDisk());
  await cluster.loadRows(KEYSPACE, rows, version);
  brought.set(version, new Set(filesOnDisk().filter((name) => !before.has(name))));
}

/** Over all datanodes, with the node's name first. */
function filesOnDisk(): string[] {
  return NODES.flatMap((id) =>
    segmentNames(join(cluster.folder, id)).map((name) => `${id}/${name}`),
  );
}

/** Versions with all of their files on disk, and versions with at least one. */
function onDisk(): { whole: number[]; any: number[] } {
  const present = new Set(filesOnDisk());
  const versions = [...brought].map(([version, names]) => ({
    version,
    found: [...names].filter((name) => present.has(name)).length,
    total: names.size,
  }));
  return {
    whole: versions.filter(({ found, total }) => found === total).map(({ version }) => version),
    any: versions.filter(({ found }) => found > 0).map(({ version }) => version),
  };
}

const progress = (): Promise<unknown> =>
  Promise.all(readers.map((reader) => reader.progress(BATCHES_PER_PHASE)));

async function servedVersion(): Promise<number> {
  const key = rows.key(7);
  const { version, values } = await postLookup(cluster.url(''), KEYSPACE, [key]);
  expect(rows.versionOf(key, values[0])).toBe(version);
  return version;
}

async function rollback(...words: string[]): Promise<void> {
  const done = await steleShared(['rollback', KEYSPACE, ...words, '--master', cluster.masterGrpc]);
  expect(done.stderr).toBe('');
  expect(done.code).toBe(0);
}

describe('under readers of batches', () => {
  test('a second load replaces version 1 by version 2', async () => {
    await progress();
    expect(await servedVersion()).toBe(1);
    await load(2);
    expect(await servedVersion()).toBe(2);
    await progress();
  });

  test('`stele rollback` makes version 1 current at once, and --to 2 the newer one', async () => {
    await rollback();
    expect(await servedVersion()).toBe(1);
    await progress();
    await rollback('--to', '2');
    expect(await servedVersion()).toBe(2);
    await progress();
  });

  test('both versions are completely on disk', () => {
    expect(onDisk().whole).toEqual([1, 2]);
  });

  test('a third and a fourth load drop versions that nobody can roll back to', async () => {
    await load(3);
    await until('version 1 to leave the disks', () => !onDisk().any.includes(1));
    expect(onDisk().whole).toEqual([2, 3]);
    await load(4);
    await until('version 2 to leave the disks', () => !onDisk().any.includes(2));
    expect(onDisk().whole).toEqual([3, 4]);
    await progress();
    await rollback();
    expect(await servedVersion()).toBe(3);
    await progress();
  });

  test('a version that is gone is refused with a sentence, and nothing changes', async () => {
    const done = await steleShared([
      ...['rollback', KEYSPACE, '--to', '1', '--master', cluster.masterGrpc],
    ]);
    expect(done.code).toBe(1);
    expect(done.stderr).toMatch(/^stele: .*no version 1.*$/m);
    expect(await servedVersion()).toBe(3);
  });

  test('no read failed and no batch mixed versions during the whole test', async () => {
    const running = readers;
    readers = [];
    await stopWithoutFailures(running);
  });
});
