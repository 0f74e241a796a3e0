// Disks that are full, of the loader and of a datanode: a sentence with the folder and the bytes, no
// half of anything, reads go on, and the load resumes when there is room.

import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { TestCluster, summaryOf } from '../support/cluster.ts';
import { VersionedRows } from '../support/rows.ts';
import { smallDisk } from '../support/small-disk.ts';
import { expectAllRows } from '../support/sources.ts';
import { flags, stele, sentencesOf } from '../support/stele-process.ts';

const rows = new VersionedRows(120_000);
const disk = smallDisk(64);
const folder = mkdtempSync(join(tmpdir(), 'stele-full-'));
const file = (version: number): string => join(folder, `v${version}.data`);

beforeAll(async () => {
  for (const version of [1, 2]) await rows.write(file(version), version);
}, 60_000);

afterAll(() => {
  disk?.remove();
  rmSync(folder, { recursive: true, force: true });
});

describe.skipIf(disk === undefined)('a full disk', () => {
  // Where there is none this is read, and nothing of it is run.
  const path = disk?.path ?? '';
  const resize = (mib: number): void => disk?.resize(mib);

  test('of the loader: the load says what it needs, and resumes when there is room', async () => {
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
    expect(done.stderr).toMatch(/^stele: resuming: [1-9]\d* of \d+ chunks, 0 of 32 shards\.$/m);
    const summary = summaryOf(done.stdout);
    expect(summary).toMatchObject({ loaded: rows.count, rejected: 0 });
    expect(summary.chunksResumed).toBeGreaterThan(0);
    await expectAllRows(cluster.url(''), 'rows', rows, 1);
    // Nothing is left of the work but the folder of all loads.
    expect(readdirSync(join(path, 'work'))).toEqual([]);
  }, 60_000);

  test('of the loader while it unpacks: what a small file becomes is not written to the end', async () => {
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

  test('of a datanode: reads go on, and the load resumes when there is room', async () => {
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
});

async function startCluster({ datanodes }: { datanodes: number }): Promise<TestCluster> {
  const cluster = await TestCluster.start({ datanodes, replication: 1 });
  onTestFinished(() => cluster.close());
  return cluster;
}
