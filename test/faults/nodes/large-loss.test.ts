// One of five datanodes that hold 5 GB together is lost for good: how long until everything has its
// copies again. Not part of the short form (vitest.faults.config.ts).

import { createWriteStream, statSync } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestCluster } from '../../support/process/cluster.ts';
import { killNow } from '../../support/faults/fault-cluster.ts';
import { handOver, seconds } from '../../support/faults/fault-table.ts';
import { segmentFiles } from '../../support/segments/segment-files.ts';
import { flags } from '../../support/process/stele-process.ts';

const ROWS = 2_500_000;
const VALUE_BYTES = 980;
const DATANODES = 5;
const LOST = 'node-3';
const DELAY_MS = 5000;
const RECOVERY_MS_MAX = 30_000;

describe('a datanode with 1 GB', () => {
  let cluster: TestCluster;

  beforeAll(async () => {
    cluster = await TestCluster.start({
      datanodes: DATANODES,
      shards: 128,
      masterFlags: flags({ 'repair-delay': `${DELAY_MS}ms`, 'repair-bytes-per-second': 0 }),
    });
    const file = join(cluster.folder, 'rows.data');
    await writeRows(file);
    await cluster.load('large', [file]);
    await cluster.status('green');
  }, 600_000);

  afterAll(() => cluster?.close(), 60_000);

  test('is lost: all copies are there again within half a minute after the repair delay', async () => {
    const bytesOn = (id: string): number =>
      segmentFiles(join(cluster.folder, id)).reduce(
        (sum, { path }) => sum + statSync(path).size,
        0,
      );
    const ids = Array.from({ length: DATANODES }, (_, index) => `node-${index}`);
    const heldBytes = ids.reduce((sum, id) => sum + bytesOn(id), 0);
    const lostBytes = bytesOn(LOST);
    expect(heldBytes).toBeGreaterThan(4.9e9);
    await killNow(cluster, LOST);
    const lostMs = performance.now();
    await cluster.status('yellow');
    await cluster.status('green', 300_000);
    const repairMs = performance.now() - lostMs - DELAY_MS;
    const left = ids.filter((id) => id !== LOST);
    expect(left.reduce((sum, id) => sum + bytesOn(id), 0)).toBeGreaterThanOrEqual(heldBytes);
    const megabytes = Math.round(lostBytes / 1e6);
    handOver({
      row: '1b',
      fault: `kill -9 of one of five datanodes with ${(heldBytes / 1e9).toFixed(1)} GB in all, for good`,
      trials: 1,
      recoverySeconds: seconds(repairMs),
      recovered: 'from the repair delay to GREEN',
      seen: `process gone; ${megabytes} MB copied and verified, ${Math.round(megabytes / (repairMs / 1000))} MB/s`,
    });
    expect(repairMs).toBeLessThan(RECOVERY_MS_MAX);
  }, 400_000);
});

async function writeRows(path: string): Promise<void> {
  const file = createWriteStream(path);
  const value = Buffer.alloc(VALUE_BYTES, 'x').toString();
  let text: string[] = [];
  for (let row = 0; row < ROWS; row++) {
    text.push(`key-${row} ${row}|${value}\n`);
    if (text.length < 2000 && row < ROWS - 1) continue;
    if (!file.write(text.join(''))) await once(file, 'drain');
    text = [];
  }
  file.end();
  await once(file, 'close');
}
