// An etcd that is compacted every second, defragmented, and slow (rows 27 to 27b): changes take
// longer, and nothing else is noticed.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startDelayProxy } from '../../support/faults/delay-proxy.ts';
import type { DelayProxy } from '../../support/faults/delay-proxy.ts';
import { handOver } from '../../support/faults/fault-table.ts';
import { SHORT } from '../../support/faults/faults.ts';
import { MastersFaults, medianMs } from '../../support/faults/masters-faults.ts';
import { VersionedRows } from '../../support/inputs/rows.ts';
import { hasEtcd } from '../../support/process/etcd-server.ts';
import type { EtcdServer } from '../../support/process/etcd-server.ts';

const FAULT_MS = SHORT ? 6_000 : 60_000;
const PROXY_HOST = '127.0.0.2';
/** Each way, so that a write takes 500 ms. */
const DELAY_MS = 250;
const few = new VersionedRows(500);
let faults: MastersFaults;
let proxy: DelayProxy;
let loads = 0;

const portOf = (endpoint = ''): number => Number(endpoint.split(':')[1]);

/** Changes and loads while `fault` goes on; the leader stays, or is asked to change. */
async function noticedNothing(
  row: string,
  name: string,
  fault: () => Promise<string>,
  isLeaderKilled = false,
): Promise<void> {
  const { cluster } = faults;
  const reader = await faults.read();
  const window = reader.begin();
  const before = await cluster.leader();
  const startedMs = performance.now();
  const times: number[] = [];
  const fewer = loads;
  do {
    const seen = fault();
    const sinceMs = performance.now();
    expect(await faults.change((admin) => admin.setKeep('numbers', 2 + (loads % 9)))).toBe('taken');
    times.push(performance.now() - sinceMs);
    expect(await cluster.load(`few-${++loads}`, few, 1)).toMatchObject({ code: 0 });
    console.log(`  ${await seen}`);
  } while (performance.now() - startedMs < FAULT_MS);
  if (isLeaderKilled) {
    await faults.end(before, 'SIGKILL');
    await faults.changed(performance.now(), 30);
    await faults.startAgain(before);
  } else expect(await cluster.leader()).toBe(before);
  await reader.stop();
  console.log(`  reads: noticed by ${window.report().disturbed}`);
  expect(reader.failures).toEqual([]);
  const { failed, p99Ms, reads } = window.report();
  handOver({
    row,
    fault: name,
    trials: 1,
    ...{ reads, failed, p99Ms: Math.round(p99Ms) },
    seen: `${loads - fewer} loads, 0 failed; a change takes ${medianMs(times)} ms in the middle`,
  });
}

async function compact(): Promise<string> {
  const { etcd } = faults.cluster;
  const text = await etcd.ctl('get', 'none', '-w', 'json');
  const { header } = JSON.parse(text) as { header: { revision: number } };
  await etcd.ctl('compaction', `${header.revision}`).catch((error: unknown) => {
    if (!String(error).includes('has been compacted')) throw error;
  });
  return `compacted at ${header.revision}`;
}

describe.skipIf(!hasEtcd())('the etcd of three masters', () => {
  beforeAll(async () => {
    const etcdAt = ({ endpoints }: EtcdServer): string[] => [
      `${PROXY_HOST}:${portOf(endpoints[0])}`,
    ];
    const opened = async (etcd: EtcdServer): Promise<void> => {
      proxy = await startDelayProxy(PROXY_HOST, portOf(etcd.endpoints[0]));
    };
    faults = await MastersFaults.start({ datanodes: 3, etcdAt, beforeMasters: opened });
  }, 120_000);
  afterAll(async () => {
    await faults?.close();
    proxy?.close();
  }, 60_000);

  test('is compacted again and again, also when the leader is killed', async () => {
    await noticedNothing(
      '27',
      'etcd is compacted at its present revision, again and again; then kill -9 of the leader',
      async () => {
        let answer = '';
        for (let turn = 0; turn < 3; turn++) {
          answer = await compact();
          await new Promise((resolve) => setTimeout(resolve, 300));
        }
        return answer;
      },
      true,
    );
  });

  test('is defragmented', async () => {
    await noticedNothing('27a', 'etcd is defragmented, again and again', () =>
      faults.cluster.etcd.ctl('defrag'),
    );
  });

  test('is slow', async () => {
    proxy.delayMs = DELAY_MS;
    await noticedNothing('27b', `etcd is ${DELAY_MS} ms away, each way`, () =>
      Promise.resolve(`${proxy.delayedBytes} bytes delayed`),
    );
    proxy.delayMs = 0;
    expect(proxy.delayedBytes).toBeGreaterThan(0);
  });
});
