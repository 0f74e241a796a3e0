// The test of one lost datanode.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestCluster } from '../process/cluster.ts';
import type { LoadSummary } from '../process/cluster.ts';
import { Reader, stopWithoutFailures } from '../readers/reader.ts';
import { VersionedRows } from '../inputs/rows.ts';
import { rewritten, segmentFiles, segmentNames } from '../segments/segment-files.ts';
import {
  connectCluster,
  connectRedis,
  expectAllRows,
  httpSource,
  respSource,
} from '../readers/sources.ts';
import { flags, stele, until } from '../process/stele-process.ts';

export interface NodeLossOptions {
  readonly rows: number;
  readonly readsPerPhase: number;
  /** See Reader. */
  readonly restMs?: number;
  readonly seed: number;
}

const LOST = 'node-1';
const LEFT = ['node-0', 'node-2'] as const;
const KEYSPACE = 'numbers';

/** Declares the tests; they are steps of one course and run in order. */
export function nodeLoss({ rows: count, readsPerPhase, restMs, seed }: NodeLossOptions): void {
  const rows = new VersionedRows(count);
  const folder = mkdtempSync(join(tmpdir(), 'stele-loss-'));
  let cluster: TestCluster;
  let summary: LoadSummary;
  let readers: Reader[] = [];
  let atLoss: ReturnType<typeof segmentFiles> = [];

  const dataDir = (id: string): string => join(cluster.folder, id);
  const progress = (): Promise<unknown> =>
    Promise.all(readers.map((reader) => reader.progress(readsPerPhase)));

  beforeAll(async () => {
    console.log(`  seed ${seed}, ${count} rows`);
    // Without a cache, every read through the master needs a datanode.
    cluster = await TestCluster.start({
      masterFlags: flags({ 'repair-delay': '2s', 'cache-max': 0 }),
    });
    const file = join(folder, 'rows.data');
    await rows.write(file, 1);
    summary = await cluster.load(KEYSPACE, [file]);
    await cluster.status('green');
  }, 120_000);

  afterAll(async () => {
    await Promise.all(readers.map((reader) => reader.stop()));
    await cluster?.close();
    rmSync(folder, { recursive: true, force: true });
  }, 60_000);

  describe(`one of three datanodes is killed under readers of ${count} keys`, () => {
    test('no read fails, by cluster client, master RESP or HTTP, and the status is YELLOW', async () => {
      readers = startReaders(cluster, rows, seed, restMs);
      await progress();
      atLoss = segmentFiles(dataDir(LOST));
      expect(atLoss.length).toBeGreaterThan(0);
      const killedMs = performance.now();
      await cluster.kill(LOST);
      await cluster.status('yellow');
      console.log(`  YELLOW after ${Math.round(performance.now() - killedMs)} ms`);
      await progress();
    });

    test('after the repair delay it is GREEN, with every segment on both remaining nodes', async () => {
      await cluster.status('green', 60_000);
      await progress();
      expect(segmentNames(dataDir(LEFT[0]))).toEqual(segmentNames(dataDir(LEFT[1])));
      expect(new Set(segmentNames(dataDir(LEFT[0])))).toEqual(await allSegments());
    });

    test('the digest is that of the load, and every remaining file verifies', async () => {
      expect(await cluster.digest(KEYSPACE)).toBe(summary.digest);
      for (const id of LEFT) {
        const verified = await stele(['verify', '--data-dir', dataDir(id)]);
        expect(verified.stderr).toBe('');
        expect(verified.code).toBe(0);
      }
      await expectAllRows(cluster.url(''), KEYSPACE, rows, 1);
    });

    test('the node comes back: its files are used and not copied again', async () => {
      await cluster.startNode(LOST);
      await cluster.nodesServing(3);
      await cluster.status('green');
      await until('the node to answer reads', async () => (await cluster.lookups(LOST)) > 0);
      await progress();
      const now = segmentFiles(dataDir(LOST));
      expect(now.map((file) => file.name)).toEqual(atLoss.map((file) => file.name));
      expect(rewritten(atLoss, now)).toEqual([]);
      expect(await cluster.digest(KEYSPACE)).toBe(summary.digest);
    });

    test('no read failed during the whole test', async () => {
      const running = readers;
      readers = [];
      await stopWithoutFailures(running);
    });
  });

  /** The segments in the catalog, by file name. */
  async function allSegments(): Promise<Set<string>> {
    const ids = new Set(atLoss.map((file) => file.name));
    for (const id of LEFT) for (const name of segmentNames(dataDir(id))) ids.add(name);
    return ids;
  }
}

function startReaders(
  cluster: TestCluster,
  rows: VersionedRows,
  seed: number,
  restMs = 3,
): Reader[] {
  const nodes = ['node-0', 'node-1', 'node-2'].map((id) => cluster.node(id));
  const sources = [
    respSource('cluster client', connectCluster(nodes, KEYSPACE)),
    respSource('master RESP', connectRedis(cluster.master, KEYSPACE)),
    httpSource(cluster.url(''), KEYSPACE),
  ];
  return sources.map(
    (source, index) =>
      new Reader([source], {
        rows,
        version: 1,
        seed: seed + index,
        restMs,
      }),
  );
}
