// kill -9 of the master, then of all processes: nothing is forgotten and nothing is copied.

import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestCluster } from '../../support/process/cluster.ts';
import { Reader, stopWithoutFailures } from '../../support/readers/reader.ts';
import { VersionedRows } from '../../support/inputs/rows.ts';
import { segmentFiles } from '../../support/segments/segment-files.ts';
import type { FileOnDisk } from '../../support/segments/segment-files.ts';
import { connectCluster, expectAllRows, respSource } from '../../support/readers/sources.ts';

const NODES = ['node-0', 'node-1', 'node-2'] as const;
const READS_PER_PHASE = 300;
const rows = new VersionedRows(20_000);
let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.holding(rows, ['numbers'], {
    masterFlags: ['--repair-delay', '3s'],
  });
  await cluster.loadRows('numbers', rows, 2);
  await cluster.status('green');
}, 60_000);

afterAll(() => cluster?.close(), 30_000);

/** State that must be the same after a restart. */
async function catalog(): Promise<unknown> {
  return {
    keyspaces: await cluster.json('/v1/keyspaces'),
    versions: await cluster.json('/v1/keyspaces/numbers/versions'),
    shards: await cluster.placement(),
  };
}

function filesOfAll(): FileOnDisk[][] {
  return NODES.map((id) => segmentFiles(join(cluster.folder, id)));
}

const expectEveryValue = (): Promise<void> => expectAllRows(cluster.url(''), 'numbers', rows, 2);

describe('the master is killed and started again', () => {
  test('cluster clients keep reading, and catalog and placement are as before', async () => {
    const nodes = NODES.map((id) => cluster.node(id));
    const reader = new Reader([respSource('cluster client', connectCluster(nodes, 'numbers'))], {
      rows,
      version: 2,
      seed: 4,
    });
    try {
      const before = await catalog();
      const filesBefore = filesOfAll();
      await reader.progress(READS_PER_PHASE);
      await cluster.kill('master');
      await reader.progress(READS_PER_PHASE);
      await cluster.startMaster();
      await cluster.nodesServing(3);
      await cluster.status('green');
      await reader.progress(READS_PER_PHASE);
      expect(await catalog()).toEqual(before);
      expect(filesOfAll()).toEqual(filesBefore);
    } finally {
      await stopWithoutFailures([reader]);
    }
    await expectEveryValue();
  });
});

describe('every process is killed and started again', () => {
  test('the same digest is served, GREEN, and no file was copied', async () => {
    const before = await catalog();
    const digest = await cluster.digest('numbers');
    const filesBefore = filesOfAll();
    await Promise.all(['master', ...NODES].map((id) => cluster.kill(id)));
    // In another order than the first start: datanodes must wait for their master.
    await Promise.all([...NODES.map((id) => cluster.startNode(id)), cluster.startMaster()]);
    await cluster.nodesServing(3);
    await cluster.status('green');
    expect(await cluster.digest('numbers')).toBe(digest);
    expect(await catalog()).toEqual(before);
    expect(filesOfAll()).toEqual(filesBefore);
    await expectEveryValue();
  });
});
