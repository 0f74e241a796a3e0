// A cluster is backed up, deleted with its disks, and restored: into fewer datanodes, and into
// other shards.

import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  folderUrl,
  run,
  startFilled,
  succeed,
  versionsOf,
  wrongReads,
} from '../../support/process/archived-cluster.ts';
import type {
  BackupJson,
  RestoreJson,
  VersionJson,
} from '../../support/process/archived-cluster.ts';
import { TestCluster } from '../../support/process/cluster.ts';
import { flags } from '../../support/process/stele-process.ts';
import { removeAtEnd } from '../../support/process/watchdog.ts';
import { TestS3 } from '../../support/s3/s3-server.ts';

// Clusters are started, filled and read by many processes.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

type Store = readonly [string, Record<string, string>];

const folder = mkdtempSync(join(tmpdir(), 'stele-archive-'));
removeAtEnd(folder);
const s3 = await TestS3.start();
type NamedStore = readonly [string, () => Store];
const stores: readonly [NamedStore, NamedStore] = [
  ['a folder', () => [folderUrl(join(folder, 'archive')), {}]],
  ['S3', () => [s3.url, s3.environment]],
];
let versions: Record<'prices' | 'geo', VersionJson[]>;

/** What matters of a version. */
function essence(list: readonly VersionJson[]) {
  return list.map(({ current, digest, records, version }) => ({
    version,
    current,
    records,
    digest,
  }));
}

async function tiersOf(cluster: TestCluster): Promise<Record<string, string>> {
  const { keyspaces } = (await cluster.json('/v1/keyspaces')) as {
    keyspaces: { name: string; tier: string }[];
  };
  return Object.fromEntries(keyspaces.map(({ name, tier }) => [name, tier]));
}

beforeAll(async () => {
  const cluster = await startFilled();
  try {
    versions = {
      prices: await versionsOf(cluster, 'prices'),
      geo: await versionsOf(cluster, 'geo'),
    };
    for (const [, storeOf] of stores) {
      const [url, env] = storeOf();
      const dry = await succeed<BackupJson>(cluster, ['backup', url, '--dry-run'], env);
      expect(dry).toMatchObject({ snapshot: '', present: { objects: 0 } });
      expect(dry.requests).toBeGreaterThanOrEqual(dry.copied.objects);
      const first = await succeed<BackupJson>(cluster, ['backup', url], env);
      expect(first.copied).toEqual(dry.copied);
      expect(first.copied.objects).toBeGreaterThan(32);
      // Parked segments are fetched as well, and nothing is copied twice.
      await run(cluster, ['suspend', 'geo']);
      const again = await succeed<BackupJson>(cluster, ['backup', url], env);
      expect(again).toMatchObject({ copied: { objects: 0, bytes: 0 }, present: first.copied });
      await run(cluster, ['resume', 'geo']);
    }
    const beside = ['restore', stores[1][1]()[0], 'prices', '--as', 'beside'];
    expect(await succeed<RestoreJson>(cluster, beside, s3.environment)).toMatchObject({
      keyspaces: [{ target: 'beside', way: 'rows', versions: [{ was: 2, version: 1 }] }],
    });
    expect(await wrongReads(cluster, 'beside')).toEqual([]);
    const there = await succeed<RestoreJson>(cluster, ['restore', s3.url], s3.environment);
    expect(there.keyspaces.map(({ way }) => way)).toEqual(['there', 'there']);
  } finally {
    await cluster.close();
  }
});

afterAll(() => s3.stop());

describe.each(stores)('from %s', (_, storeOf) => {
  const [url, env] = storeOf();

  test('into two datanodes: the same digests, versions and numbers', async () => {
    const cluster = await TestCluster.start({ datanodes: 2, shards: 16 });
    try {
      const restored = await succeed<RestoreJson>(cluster, ['restore', url], env);
      expect(restored.keyspaces.map(({ way }) => way)).toEqual(['segments', 'segments']);
      expect(essence(await versionsOf(cluster, 'prices'))).toEqual(essence(versions.prices));
      expect(essence(await versionsOf(cluster, 'geo'))).toEqual(essence(versions.geo));
      expect(await tiersOf(cluster)).toEqual({ prices: 'memory', geo: 'disk' });
      const [, latest] = await versionsOf(cluster, 'prices');
      expect(latest?.source).toContain('delta.jsonl (restored from ');
      expect(await wrongReads(cluster, 'prices')).toEqual([]);
      await cluster.status('green');
      // Loads, merges and rollbacks go on from there.
      const file = join(cluster.folder, 'more.tsv');
      writeFileSync(file, 'key, "1"\tnew\n');
      const columns = flags({ mode: 'append', header: 'no' });
      expect(await cluster.load('prices', [file], columns)).toMatchObject({ version: 3 });
      const back = await run(cluster, ['rollback', 'prices']);
      expect(back.code).toBe(0);
      expect(await wrongReads(cluster, 'prices')).toEqual([]);
    } finally {
      await cluster.close();
    }
  });
});

// What stores have in common is tested for all of them in test/archive/contract.test.ts.
test('from S3 into another number of shards: the same digests of the current versions', async () => {
  const [url, env] = stores[1][1]();
  const cluster = await TestCluster.start({ datanodes: 2, shards: 64 });
  try {
    const restored = await succeed<RestoreJson>(cluster, ['restore', url], env);
    expect(restored.keyspaces.map(({ way }) => way)).toEqual(['rows', 'rows']);
    for (const name of ['prices', 'geo'] as const) {
      const current = versions[name].find((one) => one.current);
      expect(await cluster.digest(name)).toBe(current?.digest);
    }
    expect(await tiersOf(cluster)).toEqual({ prices: 'memory', geo: 'disk' });
    expect(await wrongReads(cluster, 'prices')).toEqual([]);
    const again = await succeed<RestoreJson>(cluster, ['restore', url], env);
    expect(again.keyspaces.map(({ way }) => way)).toEqual(['there', 'there']);
  } finally {
    await cluster.close();
  }
});

test('one version of one keyspace, from a folder', async () => {
  const [url, env] = stores[0][1]();
  const cluster = await TestCluster.start({ datanodes: 1, replication: 1, shards: 16 });
  try {
    const words = ['restore', url, 'prices', '--version', '1', '--as', 'old'];
    const dry = await succeed<RestoreJson>(cluster, [...words, '--dry-run'], env);
    expect(dry.keyspaces).toMatchObject([{ target: 'old', way: 'segments' }]);
    expect(await cluster.json('/v1/keyspaces')).toMatchObject({ keyspaces: [] });
    await succeed<RestoreJson>(cluster, words, env);
    expect(essence(await versionsOf(cluster, 'old'))).toEqual(
      essence(versions.prices.slice(0, 1)).map((one) => ({ ...one, current: true })),
    );
  } finally {
    await cluster.close();
  }
});
