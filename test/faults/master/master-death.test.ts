// The master is killed with -9 under readers and restarted (row 8); all processes are, in any order
// (row 20).

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DIRECT, FaultCluster, killNow, KEYSPACE } from '../../support/faults/fault-cluster.ts';
import { handOver, seconds, Trials } from '../../support/faults/fault-table.ts';
import { SEED, SHORT } from '../../support/faults/faults.ts';
import { seededRandom } from '../../support/inputs/rows.ts';
import { segmentFiles } from '../../support/segments/segment-files.ts';
import { expectAllRows, getValue } from '../../support/readers/sources.ts';
import { until } from '../../support/process/stele-process.ts';

const KEYSPACES = SHORT ? 5 : 100;
const MASTER_KILLS = SHORT ? 2 : 20;
const COLD_STARTS = SHORT ? 1 : 10;
const READS_WITHOUT_MASTER = SHORT ? 600 : 4000;
const random = seededRandom(SEED);
let faults: FaultCluster;

beforeAll(async () => {
  console.log(`  seed ${SEED}`);
  faults = await FaultCluster.start({ masterFlags: ['--repair-delay', '3s'] });
  const file = join(faults.cluster.folder, 'small.data');
  writeFileSync(file, 'key value\n');
  for (let at = 1; at < KEYSPACES; at++) await faults.cluster.load(`more-${at}`, [file]);
  await faults.whole();
}, 300_000);

afterAll(() => faults?.close(), 60_000);

/** State that must be the same after a restart. */
async function lasting(): Promise<unknown> {
  return {
    files: faults.ids.map((id) => segmentFiles(faults.dataDir(id))),
    digest: await faults.cluster.digest(KEYSPACE),
    placement: await faults.cluster.placement(),
  };
}

async function answers(): Promise<boolean> {
  const { cluster, rows } = faults;
  const key = rows.key(1);
  const value = await getValue(cluster.url(''), KEYSPACE, key).catch(() => undefined);
  // Until the master is ready the answer is an error, never "not found".
  expect(value).not.toBeNull();
  return rows.versionOf(key, value) === 1;
}

test(`${MASTER_KILLS} times the master is killed: readers of the datanodes do not notice, and it comes back`, async () => {
  const before = await lasting();
  const reader = await faults.read([DIRECT]);
  const trials = new Trials();
  for (let kill = 0; kill < MASTER_KILLS; kill++) {
    const window = reader.begin();
    await killNow(faults.cluster, 'master');
    await reader.progress(READS_WITHOUT_MASTER);
    const startedMs = performance.now();
    await faults.cluster.startMaster();
    await until('the master to answer', answers);
    const backMs = performance.now() - startedMs;
    await faults.whole();
    await reader.drained();
    trials.add(window.report(), backMs);
    expect(await lasting()).toEqual(before);
  }
  await reader.stop();
  trials.handOver({
    row: '8',
    fault: `kill -9 of the master, with ${KEYSPACES} keyspaces; a cluster client on the datanodes`,
    recovered: 'from its start to the first answer',
    seen: 'process gone; the same files, digest and placement',
  });
  expect(trials.failures).toEqual([]);
});

test(`${COLD_STARTS} times everything is killed and started in any order: nothing is copied`, async () => {
  const { cluster, ids, rows } = faults;
  const before = await lasting();
  let slowestMs = 0;
  for (let start = 0; start < COLD_STARTS; start++) {
    for (const id of ['master', ...ids]) await killNow(cluster, id);
    const startedMs = performance.now();
    const order = ['master', ...ids].map((id) => ({ id, at: random() }));
    order.sort((left, right) => left.at - right.at);
    await Promise.all(
      order.map(({ id }) => (id === 'master' ? cluster.startMaster() : cluster.startNode(id))),
    );
    await until('the master to answer', answers);
    slowestMs = Math.max(slowestMs, performance.now() - startedMs);
    await faults.whole();
    expect(await lasting()).toEqual(before);
  }
  await expectAllRows(cluster.url(''), KEYSPACE, rows, 1);
  handOver({
    row: '20',
    fault: 'kill -9 of every process, started again in any order',
    trials: COLD_STARTS,
    recoverySeconds: seconds(slowestMs),
    recovered: 'from the start to the first answer',
    seen: 'processes gone; the same files, digest and placement',
  });
});
