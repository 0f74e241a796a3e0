// A datanode that is stopped (SIGSTOP): TCP connects, nothing answers (row 5).

import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  DIRECT,
  FaultCluster,
  freeze,
  HTTP,
  MASTER_RESP,
} from '../../support/faults/fault-cluster.ts';
import { seconds, Trials } from '../../support/faults/fault-table.ts';
import { SEED, SHORT } from '../../support/faults/faults.ts';
import { seededRandom } from '../../support/inputs/rows.ts';
import { until } from '../../support/process/stele-process.ts';

/** How long a node is stopped, one trial each. */
const FREEZES_MS = SHORT ? [3000, 3000] : [5000, 5000, 5000, 5000, 5000, 30_000, 120_000];
/**
 * As in killed-nodes.test.ts: with few reads, one moment without CPU time is more than 1% of them.
 */
const P99_MS_MAX = SHORT ? 750 : 250;
/** From SIGCONT until it answers reads again. */
const BACK_MS_MAX = 5000;
const random = seededRandom(SEED);
let faults: FaultCluster;

beforeAll(async () => {
  console.log(`  seed ${SEED}`);
  // The delay is longer than all faults here, so nothing must be copied.
  faults = await FaultCluster.start({ masterFlags: ['--repair-delay', '10m'] });
}, 120_000);

afterAll(() => faults?.close(), 60_000);

test(`a datanode is stopped for ${FREEZES_MS.join(', ')} ms: no read fails, and it comes back`, async () => {
  const { cluster, ids } = faults;
  const reader = await faults.read();
  // The master hedges; a Redis client waits for its own timeout.
  const hedged = new Trials();
  const direct = new Trials();
  let noticedMs = 0;
  let backMs = 0;
  for (const freezeMs of FREEZES_MS) {
    const id = ids[Math.floor(random() * ids.length)] ?? 'node-0';
    await faults.whole();
    await reader.progress(1000);
    const window = reader.begin();
    await freeze(cluster, id);
    noticedMs = Math.max(noticedMs, await faults.noticed(id));
    await cluster.status('yellow');
    await until('the end of the fault', () => window.elapsedMs >= freezeMs, 2 * freezeMs);
    const startedMs = performance.now();
    await reader.drained();
    const reports = [window.report(MASTER_RESP, HTTP), window.report(DIRECT)];
    cluster.resume(id);
    await faults.whole();
    const recoveryMs = performance.now() - startedMs;
    const before = await cluster.lookups(id);
    await until('it to answer reads', async () => (await cluster.lookups(id)) > before);
    backMs = Math.max(backMs, performance.now() - startedMs);
    for (const [at, trials] of [hedged, direct].entries()) {
      const report = reports[at];
      if (report !== undefined) trials.add(report, recoveryMs);
    }
  }
  await reader.stop();
  const fault = `SIGSTOP of a datanode for ${[...new Set(FREEZES_MS)].map(seconds).join(', ')} s`;
  const seen = `process state T; the master knows after ${seconds(noticedMs)} s at most`;
  const recovered = 'from SIGCONT to GREEN';
  hedged.handOver({ row: '5', fault: `${fault}; through the master`, recovered, seen });
  direct.handOver({
    row: '5a',
    fault: 'the same; a cluster client that asks the other copy after 150 ms',
    recovered,
    seen,
  });
  expect([...hedged.failures, ...direct.failures]).toEqual([]);
  expect(hedged.p99Ms).toBeLessThanOrEqual(P99_MS_MAX);
  expect(noticedMs).toBeLessThan(3000);
  expect(backMs).toBeLessThan(BACK_MS_MAX);
});
