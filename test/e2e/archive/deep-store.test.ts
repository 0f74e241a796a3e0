// A cluster with a deep store in S3: everything committed gets there, whatever the store and the
// masters do, and what all datanodes have lost comes back from it.

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { Archive } from '../../../archive/archive.ts';
import { SEGMENTS } from '../../../archive/layout.ts';
import { openStore } from '../../../archive/open-store.ts';
import { SteleClient } from '../../../client/stele-client.ts';
import { seededRandom, VersionedRows } from '../../support/inputs/rows.ts';
import { TestCluster } from '../../support/process/cluster.ts';
import { steleShared } from '../../support/process/shared-process.ts';
import { flags, until } from '../../support/process/stele-process.ts';
import { TestS3 } from '../../support/s3/s3-server.ts';

const NODES = ['node-0', 'node-1', 'node-2'];
const rows = new VersionedRows(5_000);
let s3: TestS3;
let cluster: TestCluster;

beforeAll(async () => {
  s3 = await TestS3.start();
  for (const [name, value] of Object.entries(s3.environment)) vi.stubEnv(name, value);
  cluster = await TestCluster.start({
    masterFlags: flags({
      'deep-store': s3.url,
      'archive-grace': '1s',
      'repair-delay': '200ms',
      'archive-bytes-per-second': 0,
    }),
  });
}, 60_000);

afterAll(async () => {
  await cluster?.close();
  vi.unstubAllEnvs();
  await s3?.stop();
}, 30_000);

afterEach(() => {
  s3.fault = () => undefined;
});

interface Report {
  readonly versions: number;
  readonly waiting: readonly { readonly reason: string }[];
  readonly snapshot: string;
  readonly trouble: string;
}

async function report(): Promise<Report> {
  const flag = flags({ master: cluster.masterGrpc, output: 'json' });
  const { stdout } = await steleShared(['archive', 'status', ...flag]);
  return JSON.parse(stdout) as Report;
}

async function allArchived(): Promise<Report> {
  let last: Report | undefined;
  await until(
    'everything to be archived',
    async () => {
      last = await report();
      return last.waiting.length === 0 && last.snapshot !== '' && last.trouble === '';
    },
    40_000,
  );
  return last as Report;
}

/** What the newest snapshot lists: names with the versions that are there, the current one last. */
async function snapshot(): Promise<Record<string, { current: number; versions: number[] }>> {
  const archive = new Archive(await openStore(s3.url, {}, { environment: s3.environment }));
  try {
    const [newest] = await archive.snapshots();
    const { keyspaces } = await archive.snapshot(newest?.name ?? '');
    return Object.fromEntries(
      keyspaces.map(({ currentVersion: current, name, versions }) => [
        name,
        { current, versions: versions.map(({ number }) => number) },
      ]),
    );
  } finally {
    archive.store.close();
  }
}

async function readsAll(keyspace: string, version: number): Promise<void> {
  const client = new SteleClient({ seeds: [cluster.masterGrpc] });
  try {
    const keys = Array.from({ length: rows.count }, (_unused, index) => rows.key(index));
    const { values } = await client.getMany(keyspace, keys);
    const found = values.map((value, index) => value && rows.versionOf(rows.key(index), value));
    expect(new Set(found)).toEqual(new Set([version]));
  } finally {
    await client.close();
  }
}

/** Resolves when everything is back. */
async function loseAllDisks(): Promise<void> {
  await Promise.all(NODES.map((id) => cluster.kill(id)));
  for (const id of NODES) rmSync(join(cluster.folder, id), { recursive: true });
  await cluster.status('red');
  await Promise.all(NODES.map((id) => cluster.startNode(id)));
  await cluster.status('green', 60_000);
}

test('what was committed is there, though every fourth request fails', async () => {
  const random = seededRandom(7);
  const faults = ['error', 'slow-down', 'reset', 'torn', 'lost'] as const;
  s3.fault = () => (random() < 0.25 ? faults[Math.floor(random() * faults.length)] : undefined);
  await cluster.loadRows('numbers', rows, 1);
  await cluster.loadRows('numbers', rows, 2);
  await allArchived();
  expect(await snapshot()).toEqual({ numbers: { current: 2, versions: [1, 2] } });
  // The leader says where the store is.
  const words = ['archive', 'verify', ...flags({ master: cluster.masterGrpc, output: 'json' })];
  const verified = await steleShared(words, s3.environment);
  expect(JSON.parse(verified.stdout)).toMatchObject({ url: s3.url, versions: 2, damaged: [] });
  expect(verified.code).toBe(0);
});

test('shards that no datanode has any more come back by themselves, with the same digest', async () => {
  const digest = await cluster.digest('numbers');
  await loseAllDisks();
  expect(await cluster.digest('numbers')).toBe(digest);
  await readsAll('numbers', 2);
}, 90_000);

test('a master that is killed while it archives goes on after its restart', async () => {
  s3.fault = ({ what }) => (what === 'PutObject' ? 'stall' : undefined);
  await cluster.loadRows('more', rows, 1);
  await cluster.kill('master');
  s3.fault = () => undefined;
  await cluster.startMaster();
  await cluster.nodesServing(3);
  await allArchived();
  expect(await snapshot()).toMatchObject({ more: { current: 1, versions: [1] } });
});

test('a store that refuses says why, and is written to once it works again', async () => {
  s3.denied.add('PutObject');
  await cluster.loadRows('more', rows, 2);
  await until('the trouble', async () => (await report()).trouble !== '', 40_000);
  expect((await report()).trouble).toMatch(/the credentials/i);
  s3.denied.clear();
  await allArchived();
  expect(await snapshot()).toMatchObject({ more: { current: 2 } });
}, 90_000);

test('what was dropped is removed after the grace time, and nothing else', async () => {
  await cluster.drop('more');
  await until('the drop to be carried out', async () => (await report()).versions === 2);
  await allArchived();
  await until('a snapshot without it', async () => !('more' in (await snapshot())));
  const uids = (): Set<string> =>
    new Set(
      [...s3.objects.keys()].flatMap((name) => {
        const at = name.indexOf(SEGMENTS);
        return at < 0 ? [] : [name.slice(at + SEGMENTS.length).split('/')[0] ?? ''];
      }),
    );
  expect(uids().size).toBe(2);
  await until('it to be old', async () => {
    const done = await steleShared(['archive', 'gc', ...flags({ master: cluster.masterGrpc })]);
    expect(done.code).toBe(0);
    return uids().size === 1;
  });
  await loseAllDisks();
  await readsAll('numbers', 2);
}, 120_000);
