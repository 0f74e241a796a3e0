// A datanode that sends or receives copies is killed with -9 in the middle of a repair (row 3).

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { FaultCluster, killNow, KEYSPACE } from '../../support/faults/fault-cluster.ts';
import { Trials } from '../../support/faults/fault-table.ts';
import { SEED, SHORT } from '../../support/faults/faults.ts';
import { seededRandom } from '../../support/inputs/rows.ts';
import { segmentFiles } from '../../support/segments/segment-files.ts';
import { stele, until } from '../../support/process/stele-process.ts';

const TRIALS = SHORT ? 1 : 10;
const random = seededRandom(SEED);
let faults: FaultCluster;

beforeAll(async () => {
  console.log(`  seed ${SEED}`);
  // Three copies on four datanodes: after the first loss and the second, each shard has one left.
  faults = await FaultCluster.start({
    datanodes: 4,
    replication: 3,
    rows: 60_000,
    masterFlags: ['--repair-delay', '1s', '--repair-bytes-per-second', '1MiB'],
  });
}, 120_000);

afterAll(() => faults?.close(), 60_000);

/** Whether each shard has so many copies on serving datanodes. */
async function hasCopies(count: number): Promise<boolean> {
  return (await faults.cluster.health()).replication.least === count;
}

test(`${TRIALS} times a datanode is killed in the middle of a repair: no read fails, and the repair completes without it`, async () => {
  const { cluster, ids } = faults;
  const reader = await faults.read();
  const trials = new Trials();
  for (let trial = 0; trial < TRIALS; trial++) {
    await faults.whole();
    const [lost = '', second = ''] = [...ids].sort(() => random() - 0.5);
    const before = segmentFiles(faults.dataDir(second)).length;
    const window = reader.begin();
    await killNow(cluster, lost);
    // Every remaining node is both a target and a source now.
    await until('copies to arrive', () => segmentFiles(faults.dataDir(second)).length > before);
    expect((await cluster.health()).status).toBe('yellow');
    await killNow(cluster, second);
    const startedMs = performance.now();
    await faults.noticed(second);
    // Of four datanodes two are left, which is YELLOW until the others are removed.
    await until('a copy of everything on both', () => hasCopies(2), 60_000);
    expect((await cluster.health()).status).toBe('yellow');
    trials.add(window.report(), performance.now() - startedMs);
    await cluster.startNode(lost);
    await cluster.startNode(second);
    await faults.whole();
    expect(await cluster.digest(KEYSPACE)).toBe(faults.summary.digest);
  }
  await reader.stop();
  for (const id of ids) {
    expect(readdirSync(join(faults.dataDir(id), 'incoming'))).toEqual([]);
    expect((await stele(['verify', '--data-dir', faults.dataDir(id)])).code).toBe(0);
  }
  trials.handOver({
    row: '3',
    fault: 'kill -9 of a second datanode in the middle of the repair of the first, 3 copies',
    recovered: 'from the second death to two copies of everything',
    seen: 'processes gone, copies were arriving; all files verify in the end',
  });
  expect(trials.failures).toEqual([]);
});
