// A master that is stopped (SIGSTOP) for longer than any datanode may be silent, and for longer
// than the repair delay: afterwards it does not blame the datanodes for its own pause (row 5b).

import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { DIRECT, FaultCluster, freeze, KEYSPACE } from '../../support/faults/fault-cluster.ts';
import { Trials } from '../../support/faults/fault-table.ts';
import { SEED, SHORT } from '../../support/faults/faults.ts';
import { seededRandom } from '../../support/inputs/rows.ts';
import { segmentFiles } from '../../support/segments/segment-files.ts';
import { connectRedis, expectAllRows } from '../../support/readers/sources.ts';
import { until } from '../../support/process/stele-process.ts';

const FREEZES = SHORT ? 2 : 6;
const FREEZE_MS = 8_000;
const REPAIR_DELAY_MS = 3_000;
/** Reads that the master has accepted, or finds in its buffers, when it continues. */
const READS_HELD = 500;
/** The heartbeat interval, and longer, so that a heartbeat may or may not be in progress. */
const MOMENT_MS_MAX = 1_000;
/** From SIGCONT until a silent datanode would be declared down, and until it would be repaired. */
const WATCH_MS = REPAIR_DELAY_MS + 4_000;
const random = seededRandom(SEED);
let faults: FaultCluster;

beforeAll(async () => {
  console.log(`  seed ${SEED}`);
  faults = await FaultCluster.start({ masterFlags: ['--repair-delay', `${REPAIR_DELAY_MS}ms`] });
}, 120_000);

afterAll(() => faults?.close(), 60_000);

/** State that must be the same afterwards. */
async function lasting(): Promise<unknown> {
  return {
    files: faults.ids.map((id) => segmentFiles(faults.dataDir(id))),
    placement: await faults.cluster.placement(),
  };
}

/** The master considers a datanode silent. */
const DOUBTS = /"state":"(?:SUSPECT|DOWN)"/;
/** The master has moved something, or is about to. */
const MOVES = /"state":"DOWN"|are being copied|were dropped/;

/** Lines of the master's log since `from`. */
function logged(from: number, pattern: RegExp): string[] {
  const lines = faults.cluster.log('master').slice(from).split('\n');
  return lines.filter((line) => pattern.test(line));
}

test(`the master is stopped ${FREEZES} times for ${FREEZE_MS} ms: no datanode is down afterwards, and nothing moves`, async () => {
  const { cluster, rows } = faults;
  await faults.whole();
  const before = await lasting();
  const reader = await faults.read([DIRECT]);
  const client = connectRedis(cluster.master, KEYSPACE);
  onTestFinished(() => client.disconnect());
  const trials = new Trials();
  for (let trial = 0; trial < FREEZES; trial++) {
    const from = cluster.log('master').length;
    await new Promise((resolve) => setTimeout(resolve, random() * MOMENT_MS_MAX));
    const window = reader.begin();
    const held = Array.from({ length: READS_HELD }, async (_unused, at) => {
      const key = rows.key((trial * READS_HELD + at) % rows.count);
      return rows.versionOf(key, await client.getBuffer(key));
    });
    await freeze(cluster, 'master');
    await until('the end of the fault', () => window.elapsedMs >= FREEZE_MS, 2 * FREEZE_MS);
    const startedMs = performance.now();
    cluster.resume('master');
    expect(new Set(await Promise.all(held))).toEqual(new Set([1]));
    const backMs = performance.now() - startedMs;
    await expectAllRows(cluster.url(''), KEYSPACE, rows, 1);
    expect(logged(from, DOUBTS)).toEqual([]);
    await until('a repair', () => performance.now() - startedMs > WATCH_MS, 2 * WATCH_MS);
    expect(logged(from, MOVES)).toEqual([]);
    await faults.whole();
    await reader.drained();
    trials.add(window.report(), backMs);
    expect(await lasting()).toEqual(before);
  }
  await reader.stop();
  trials.handOver({
    row: '5b',
    fault: `SIGSTOP of the master for ${FREEZE_MS / 1000} s; a cluster client on the datanodes`,
    recovered: `from SIGCONT until ${READS_HELD} reads that it had taken are answered`,
    seen: 'process state T; no datanode is down on waking, the same files and placement',
  });
  expect(trials.failures).toEqual([]);
});
