// A datanode that answers late (row 6): it announces the address of a proxy that delays bytes.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { startDelayProxy } from '../../support/faults/delay-proxy.ts';
import type { DelayProxy } from '../../support/faults/delay-proxy.ts';
import { FaultCluster, HTTP, MASTER_RESP } from '../../support/faults/fault-cluster.ts';
import { Trials } from '../../support/faults/fault-table.ts';
import { SEED, SHORT } from '../../support/faults/faults.ts';

/** A loopback address that nothing else uses. */
const PROXY_HOST = '127.0.0.2';
const SLOW = 'node-2';
const DELAYS_MS = SHORT ? [250] : [20, 250, 250, 250];
const READS = SHORT ? 2500 : 20_000;
let faults: FaultCluster;
/** Delays for lookups and for orders. */
const proxies: DelayProxy[] = [];

beforeAll(async () => {
  console.log(`  seed ${SEED}`);
  faults = await FaultCluster.start();
  const { grpc, http } = faults.cluster.node(SLOW);
  for (const port of [http, grpc]) proxies.push(await startDelayProxy(PROXY_HOST, port));
  await faults.cluster.kill(SLOW);
  await faults.cluster.startNode(SLOW, ['--announce-host', PROXY_HOST]);
  await faults.whole();
}, 120_000);

afterAll(async () => {
  await faults?.close();
  for (const proxy of proxies) proxy.close();
}, 60_000);

test(`a datanode ${DELAYS_MS.join(', ')} ms away in each direction: most reads do not notice`, async () => {
  const reader = await faults.read([MASTER_RESP, HTTP]);
  const trials = new Trials();
  let p90Ms = 0;
  for (const delayMs of DELAYS_MS) {
    const window = reader.begin();
    for (const proxy of proxies) Object.assign(proxy, { delayMs, delayedBytes: 0 });
    await reader.progress(READS);
    for (const proxy of proxies) expect(proxy.delayedBytes).toBeGreaterThan(0);
    await reader.drained();
    const report = window.report();
    p90Ms = Math.max(p90Ms, report.p90Ms);
    trials.add(report);
    // A slow node is not dead: its heartbeats arrive in time. The first late one may have been cut
    // short.
    await expect.poll(() => faults.stateOf(SLOW), { timeout: 10_000 }).toBe('serving');
    for (const proxy of proxies) proxy.delayMs = 0;
    await reader.progress(READS);
  }
  await reader.stop();
  trials.handOver({
    row: '6',
    fault: `a datanode ${DELAYS_MS.join(', ')} ms away, each way; through the master`,
    seen: `bytes held back; 90% of reads within ${Math.ceil(p90Ms)} ms`,
  });
  expect(trials.failures).toEqual([]);
  expect(p90Ms).toBeLessThanOrEqual(SHORT ? 150 : 50);
});
