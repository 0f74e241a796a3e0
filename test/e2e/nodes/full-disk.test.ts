// Full disks of the loader, of a datanode and of the master: an error with the folder and the
// bytes, nothing half done, reads continue, and the load resumes when there is space.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { silentLogger } from '../../../base/log.ts';
import { openEmbeddedMetadata } from '../../../master/metadata/embedded.ts';
import { TestCluster, summaryOf } from '../../support/process/cluster.ts';
import type { ClusterOptions } from '../../support/process/cluster.ts';
import { VersionedRows } from '../../support/inputs/rows.ts';
import { smallDisk } from '../../support/process/small-disk.ts';
import { expectAllRows } from '../../support/readers/sources.ts';
import { flags, stele, sentencesOf } from '../../support/process/stele-process.ts';

const rows = new VersionedRows(120_000);
const few = new VersionedRows(1_000);
const disk = smallDisk(64);
const folder = mkdtempSync(join(tmpdir(), 'stele-full-'));
const file = (version: number): string => join(folder, `v${version}.data`);
const small = (version: number): string => join(folder, `small-v${version}.data`);

beforeAll(async () => {
  for (const version of [1, 2]) {
    await rows.write(file(version), version);
    await few.write(small(version), version);
  }
}, 60_000);

afterAll(() => {
  disk?.remove();
  rmSync(folder, { recursive: true, force: true });
});

describe.skipIf(disk === undefined)('a full disk', () => {
  // Without such a disk this is evaluated, but none of it runs.
  const path = disk?.path ?? '';
  const filler = join(path, 'filler');
  afterEach(() => rmSync(filler, { force: true }));
  const resize = (mib: number): void => disk?.resize(mib);

  test('of the loader: the load reports what it needs, and resumes when there is space', async () => {
    resize(4);
    const cluster = await startCluster({ datanodes: 1 });
    const load = (): ReturnType<typeof stele> =>
      stele([
        ...['load', 'rows', file(1), '--chunk-size', '64KiB', '-o', 'json'],
        ...flags({ master: cluster.masterGrpc, 'work-dir': join(path, 'work') }),
      ]);
    const stopped = await load();
    expect(sentencesOf(stopped.stderr).replace(/^(?:\{|reading).*\n/gm, '')).toMatch(
      /^stele: The disk of the work folder \S+\/work\/\S+ has no room left: [\d.]+ \w+ are free \(beside [\d.]+ KiB that are left to others\), about [\d.]+ MiB are needed; free some, [^\n]+ run the same command again\.\n$/,
    );
    expect(stopped.code).toBe(1);
    expect((await fetch(cluster.url('/v1/keyspaces/rows/versions'))).status).toBe(404);

    resize(64);
    const done = await load();
    expect(sentencesOf(done.stderr)).toMatch(
      /^stele: resuming: [1-9]\d* of \d+ chunks, 0 of 32 shards\.$/m,
    );
    const summary = summaryOf(done.stdout);
    expect(summary).toMatchObject({ loaded: rows.count, rejected: 0 });
    expect(summary.chunksResumed).toBeGreaterThan(0);
    await expectAllRows(cluster.url(''), 'rows', rows, 1);
    // Nothing is left of the work except the folder of all loads.
    expect(readdirSync(join(path, 'work'))).toEqual([]);
  }, 60_000);

  test('of the loader while it unpacks: the unpacked file is not written to the end', async () => {
    resize(4);
    const cluster = await startCluster({ datanodes: 1 });
    const packed = join(folder, 'v1.data.gz');
    writeFileSync(packed, gzipSync(readFileSync(file(1))));
    const run = { master: cluster.masterGrpc, 'work-dir': join(path, 'unpack') };
    const stopped = await stele(['load', 'packed', packed, ...flags(run)]);
    expect(sentencesOf(stopped.stderr)).toMatch(
      /^stele: The disk of the work folder \S+ has no room left: /m,
    );
    expect(stopped.code).toBe(1);
    expect(readdirSync(join(path, 'unpack'))).toEqual([]);
  }, 60_000);

  test('of the master: it starts, answers reads, changes nothing, and leads when there is space', async () => {
    resize(8);
    const dataDir = join(path, 'master');
    const cluster = await startCluster({
      datanodes: 1,
      masterFlags: flags({ 'data-dir': dataDir }),
    });
    await cluster.load('rows', [small(1)]);
    const epoch = async (): Promise<number> =>
      ((await cluster.json('/v1/cluster/health')) as { epoch: number }).epoch;
    const before = await epoch();
    await cluster.kill('master', 'SIGTERM');
    await useUp(dataDir, filler);

    await cluster.startMaster();
    await cluster.status('yellow');
    const { reasons } = (await cluster.json('/v1/cluster/health')) as { reasons: string[] };
    expect(reasons).toEqual([expect.stringContaining('it only answers reads')]);
    await expectAllRows(cluster.url(''), 'rows', few, 1);
    expect(await epoch()).toBe(before);
    expect(cluster.log('master')).toMatch(
      /"code":"DISK_FULL","msg":"The disk of the catalog \S+ is full: [^"]+ only answers reads\."/,
    );
    const stopped = await stele(cluster.loadArguments('rows', [small(2)]));
    expect(sentencesOf(stopped.stderr)).toMatch(/^stele: The disk of the catalog \S+ is full: /m);

    rmSync(filler);
    const done = await stele(cluster.loadArguments('rows', [small(2)]));
    expect(summaryOf(done.stdout)).toMatchObject({ loaded: few.count, version: 2 });
    await cluster.status('green');
    await expectAllRows(cluster.url(''), 'rows', few, 2);
    expect(await epoch()).toBe(before + 1);
  }, 120_000);

  test('of a datanode: reads continue, and the load resumes when there is space', async () => {
    resize(24);
    const cluster = await startCluster({ datanodes: 0 });
    await cluster.startNode('node-0', [
      ...flags({ 'data-dir': join(path, 'node-0'), 'disk-reserve': '2MiB' }),
    ]);
    await cluster.nodesServing(1);
    await cluster.load('rows', [file(1)]);
    resize(11);
    const again = (): ReturnType<typeof stele> =>
      stele(cluster.loadArguments('rows', [file(2)], ['--replica-wait', '1s']));
    const stopped = await again();
    expect(sentencesOf(stopped.stderr)).toMatch(
      /^stele: Shard \d+ has 0 of 1 replicas, and no other datanode took it; make room there, or add a datanode, and run the same command again to resume, .* The disk of \S+\/node-0 has [\d.]+ MiB free, [\d.]+ MiB are needed \(with the reserve of 2\.0 MiB\); free some space\.$/m,
    );
    expect(stopped.code).toBe(4);
    await expectAllRows(cluster.url(''), 'rows', rows, 1);
    expect((await cluster.health()).status).toBe('green');

    resize(64);
    const done = await again();
    expect(summaryOf(done.stdout)).toMatchObject({ loaded: rows.count, rejected: 0 });
    expect(summaryOf(done.stdout).chunksResumed).toBeGreaterThan(0);
    await expectAllRows(cluster.url(''), 'rows', rows, 2);
  }, 60_000);

  test('of a datanode while the master starts again: it never serves data that has been replaced', async () => {
    resize(24);
    const cluster = await startCluster({ datanodes: 2 });
    await cluster.startNode('full', [
      ...flags({ 'data-dir': join(path, 'full'), 'disk-reserve': '1MiB' }),
    ]);
    await cluster.nodesServing(3);
    await cluster.load('rows', [small(1)]);
    await cluster.status('green');
    fillUp(filler);
    await cluster.kill('master', 'SIGTERM');
    await cluster.startMaster();
    await cluster.nodesServing(3);
    const done = await stele(cluster.loadArguments('rows', [small(2)]));
    expect(summaryOf(done.stdout)).toMatchObject({ loaded: few.count, version: 2 });

    const redis = new Redis(cluster.node('full').resp, { username: 'rows', password: 'x' });
    try {
      for (let row = 0; row < few.count; row++) {
        const key = few.key(row);
        const answer = await redis.get(key).catch((thrown: Error) => thrown.message);
        if (answer?.startsWith('MOVED ') !== true) expect(answer).toBe(few.value(key, 2));
      }
    } finally {
      redis.disconnect();
    }
    const metrics = await (
      await fetch(`http://127.0.0.1:${cluster.node('full').http}/metrics`)
    ).text();
    expect(metrics).toContain('\nstele_view_stale 0\n');
    expect(cluster.log('full')).toMatch(
      /node\.json cannot be written .* orders of epoch 2 are refused/,
    );
  }, 60_000);
});

/**
 * Fills the disk, and the free pages of the catalog in `dataDir`, until not even a small change is
 * accepted. An open reader of the store keeps changes from freeing pages.
 */
async function useUp(dataDir: string, filler: string): Promise<void> {
  const store = await openEmbeddedMetadata(dataDir, silentLogger);
  const reader = spawn(process.execPath, ['--input-type=module', '-e', READER], {
    env: { ...process.env, STORE: join(dataDir, 'metadata') },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void reader.kill('SIGKILL'));
  await once(reader.stdout, 'data');
  fillUp(filler);
  let count = 0;
  for (const byteCount of [64 * 1024, 3000, 100]) {
    const value = JSON.stringify('x'.repeat(byteCount));
    const write = () => store.transaction([{ kind: 'put', key: `zz-${count++}`, value }]);
    while (await write().catch(() => undefined));
  }
  await store.close();
}

function fillUp(filler: string): void {
  try {
    writeFileSync(filler, Buffer.alloc(64 * 1024 * 1024));
  } catch {
    // The disk is full now.
  }
}

const READER = `
  import { open } from 'lmdb';
  const store = open({ path: process.env.STORE, encoding: 'string' });
  const transaction = store.useReadTransaction();
  store.get('epoch', { transaction });
  setInterval(() => store.get('epoch', { transaction }), 1000);
  console.log('reading');
`;

async function startCluster(options: ClusterOptions): Promise<TestCluster> {
  const cluster = await TestCluster.start({ replication: 1, ...options });
  onTestFinished(() => cluster.close());
  return cluster;
}
