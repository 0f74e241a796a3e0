// Five datanodes and three copies of everything, in one course: when the cluster is ready, the
// answers for shards without a replica, a datanode that returns with an empty disk, everything
// started in any order, and one datanode lost for good, of which only its own copies are made
// again.

import { rmSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { shardOfSlot } from '../../../ring/shard.ts';
import { slotOfKey } from '../../../ring/slot.ts';
import { FaultCluster, killNow, KEYSPACE } from '../../support/faults/fault-cluster.ts';
import { handOver, seconds, Trials } from '../../support/faults/fault-table.ts';
import { SEED, SHORT } from '../../support/faults/faults.ts';
import { seededRandom } from '../../support/inputs/rows.ts';
import { rewritten, segmentFiles, segmentNames } from '../../support/segments/segment-files.ts';
import { expectAllRows } from '../../support/readers/sources.ts';
import { until } from '../../support/process/stele-process.ts';

const SHARDS = 32;
const ROWS = SHORT ? 20_000 : 1_000_000;
const READS = SHORT ? 2000 : 10_000;
const BOOTS = SHORT ? 2 : 20;
const REPAIR_DELAY_MS = 10_000;
const WITHDRAWN_MS_MAX = 8000;
/** Limit for the median answer for a shard without a replica. */
const REFUSED_MS_MAX = 50;
const random = seededRandom(SEED);
let faults: FaultCluster;

beforeAll(async () => {
  console.log(`  seed ${SEED}`);
  faults = await FaultCluster.start({
    datanodes: 5,
    replication: 3,
    shards: SHARDS,
    rows: ROWS,
    masterFlags: ['--repair-delay', `${REPAIR_DELAY_MS}ms`],
  });
}, 300_000);

afterAll(() => faults?.close(), 60_000);

/** Three datanodes that are the only holders of some shards, and these shards. */
async function trio(): Promise<{ readonly ids: string[]; readonly shards: Set<number> }> {
  const { shards } = (await faults.cluster.placement()) as {
    shards: { shard: number; holders: string[] }[];
  };
  const [first] = shards.filter(({ holders }) => holders.length === 3);
  const ids = first?.holders ?? [];
  const theirs = shards.filter(({ holders }) => holders.every((id) => ids.includes(id)));
  return { ids, shards: new Set(theirs.map(({ shard }) => shard)) };
}

function shardOf(key: string): number {
  const bytes = Buffer.from(key);
  return shardOfSlot(slotOfKey(bytes, 0, bytes.length), SHARDS);
}

async function readyz(): Promise<number> {
  const response = await fetch(faults.cluster.url('/readyz'), { headers: { connection: 'close' } });
  await response.text();
  return response.status;
}

/** The status of each key, in one request. */
async function lookup(keys: readonly string[]): Promise<readonly string[]> {
  const response = await fetch(faults.cluster.url(`/v1/keyspaces/${KEYSPACE}/lookup`), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ keys }),
  });
  const { results } = (await response.json()) as { results: { status: string }[] };
  return results.map(({ status }) => status);
}

/** A GET: its HTTP status and code, and its duration. */
async function refusal(key: string): Promise<{ readonly status: string; readonly ms: number }> {
  const startedMs = performance.now();
  const response = await fetch(faults.cluster.url(`/v1/keyspaces/${KEYSPACE}/keys/${key}`));
  const { code } = (await response.json()) as { code: string };
  return { status: `${response.status} ${code}`, ms: performance.now() - startedMs };
}

test('readiness ends with the last replica of a shard; only its keys are refused, and at once', async () => {
  const { cluster, rows } = faults;
  const { ids, shards } = await trio();
  const keys = Array.from({ length: 3000 }, (_unused, index) => rows.key(index));
  const dead = keys.filter((key) => shards.has(shardOf(key)));
  const live = keys.filter((key) => !shards.has(shardOf(key)));
  const absent = Array.from({ length: 500 }, (_unused, index) => `absent-${index}`);
  const [gone = ''] = absent.filter((key) => !shards.has(shardOf(key)));
  expect(await readyz()).toBe(200);
  const startedMs = performance.now();
  for (const id of ids) await killNow(cluster, id);
  await until('readiness to be withdrawn', async () => (await readyz()) === 503, WITHDRAWN_MS_MAX);
  const withdrawnMs = performance.now() - startedMs;
  expect((await fetch(cluster.url('/livez'))).status).toBe(200);
  await cluster.status('red');
  expect(await lookup([live[0] ?? '', gone, dead[0] ?? '', live[1] ?? ''])).toEqual([
    'OK',
    'NOT_FOUND',
    'UNAVAILABLE',
    'OK',
  ]);
  const refusals = [];
  for (const key of dead.slice(0, 100)) refusals.push(await refusal(key));
  const times = refusals.map(({ ms }) => ms).sort((left, right) => left - right);
  const middleMs = times[times.length >> 1] ?? Number.NaN;
  const wrong = refusals.filter(({ status }) => status !== '503 UNAVAILABLE');
  await Promise.all(ids.map((id) => cluster.startNode(id)));
  await until('readiness to be given', async () => (await readyz()) === 200);
  await faults.whole();
  handOver({
    row: '4b',
    fault: 'kill -9 of all three datanodes with some shard, of five',
    trials: 1,
    reads: refusals.length,
    failed: wrong.length,
    recoverySeconds: seconds(withdrawnMs),
    recovered: 'from the first death until /readyz says no',
    seen: `${shards.size} of ${SHARDS} shards uncovered; their keys are refused in ${middleMs.toFixed(0)} ms in the middle, beside values and "not found" in one batch`,
  });
  expect(wrong).toEqual([]);
  expect(refusals.length).toBe(100);
  expect(middleMs).toBeLessThan(REFUSED_MS_MAX);
});

test('a cluster that starts is not ready, and never answers "not found", while a shard has no replica', async () => {
  const { cluster, ids, rows } = faults;
  const { ids: late, shards } = await trio();
  for (const id of ['master', ...ids]) await killNow(cluster, id);
  await cluster.startMaster();
  const early = ids.filter((id) => !late.includes(id));
  await Promise.all(early.map((id) => cluster.startNode(id)));
  await cluster.nodesServing(early.length);
  expect(await readyz()).toBe(503);
  const keys = Array.from({ length: 200 }, (_unused, index) => rows.key(index));
  const without = keys.filter((key) => shards.has(shardOf(key)));
  const answers = await Promise.all(without.map(refusal));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set(['503 UNINITIALIZED']));
  // The other shards are answered as soon as they are known.
  await until('the others to be read', async () => {
    const statuses = await lookup(keys);
    expect(statuses).not.toContain('NOT_FOUND');
    return statuses.every((status, at) => status === 'OK' || without.includes(keys[at] ?? ''));
  });
  await Promise.all(late.map((id) => cluster.startNode(id)));
  await until('readiness', async () => (await readyz()) === 200);
  await faults.whole();
});

test(`a datanode comes back empty on the same ports: ${READS} reads find everything`, async () => {
  const { cluster } = faults;
  await faults.whole();
  const id = faults.ids[Math.floor(random() * faults.ids.length)] ?? 'node-0';
  const names = segmentNames(faults.dataDir(id));
  const reader = await faults.read();
  const window = reader.begin();
  const startedMs = performance.now();
  await killNow(cluster, id);
  rmSync(faults.dataDir(id), { recursive: true });
  await cluster.startNode(id);
  await reader.progress(READS);
  await faults.whole();
  await until(
    'its files to be back',
    () => segmentNames(faults.dataDir(id)).length === names.length,
  );
  await reader.drained();
  const trials = new Trials();
  trials.add(window.report(), performance.now() - startedMs);
  await reader.stop();
  trials.handOver({
    row: '7a',
    fault:
      'kill -9 of one of five datanodes, which comes back with an empty disk on the same ports',
    recovered: 'from its death until all its copies are there',
    seen: `process and files gone; ${names.length} segments copied anew`,
  });
  expect(trials.failures).toEqual([]);
  expect(segmentNames(faults.dataDir(id))).toEqual(names);
});

test(`${BOOTS} times everything is started in any order and at any moment: all GREEN, the same digest`, async () => {
  const { cluster, ids, rows, summary } = faults;
  let slowestMs = 0;
  for (let boot = 0; boot < BOOTS; boot++) {
    const files = ids.map((id) => segmentFiles(faults.dataDir(id)));
    for (const id of ['master', ...ids]) await killNow(cluster, id);
    const startedMs = performance.now();
    const start = async (id: string): Promise<void> => {
      await pause(random() * 1500);
      await (id === 'master' ? cluster.startMaster() : cluster.startNode(id));
    };
    await Promise.all(['master', ...ids].map(start));
    await faults.whole();
    slowestMs = Math.max(slowestMs, performance.now() - startedMs);
    expect(await cluster.digest(KEYSPACE)).toBe(summary.digest);
    expect(ids.map((id) => segmentFiles(faults.dataDir(id)))).toEqual(files);
  }
  await expectAllRows(cluster.url(''), KEYSPACE, rows, 1);
  handOver({
    row: '20a',
    fault: 'kill -9 of a master and five datanodes, each started at a random moment',
    trials: BOOTS,
    recoverySeconds: seconds(slowestMs),
    recovered: 'from the first start to GREEN',
    seen: 'processes gone; the same files and digest',
  });
});

test('one of five is lost for good: its copies are made again, and no others', async () => {
  const { cluster, ids, rows, summary } = faults;
  await faults.whole();
  const lost = ids[Math.floor(random() * ids.length)] ?? 'node-0';
  const left = ids.filter((id) => id !== lost);
  const lostNames = segmentNames(faults.dataDir(lost));
  const before = new Map(left.map((id) => [id, segmentFiles(faults.dataDir(id))]));
  const startedMs = performance.now();
  await killNow(cluster, lost);
  await cluster.status('yellow');
  await cluster.status('green', 60_000);
  const healedMs = performance.now() - startedMs;
  const copied = left.flatMap((id) => {
    const known = new Set(before.get(id)?.map(({ name }) => name));
    return segmentNames(faults.dataDir(id)).filter((name) => !known.has(name));
  });
  // Apart from these only what evens out the load is moved, and that is little.
  expect(copied.length).toBeLessThanOrEqual(Math.ceil(1.25 * lostNames.length));
  for (const name of lostNames) expect(copied).toContain(name);
  for (const [id, files] of before) {
    expect(rewritten(files, segmentFiles(faults.dataDir(id)))).toEqual([]);
  }
  const { digest, records } = (await cluster.json(`/v1/keyspaces/${KEYSPACE}`)) as {
    digest: string;
    records: number;
  };
  expect({ digest, records }).toEqual({ digest: summary.digest, records: rows.count });
  await expectAllRows(cluster.url(''), KEYSPACE, rows, 1);
  handOver({
    row: '1c',
    fault: `kill -9 of one of five datanodes for good, ${rows.count} records with three copies`,
    trials: 1,
    recoverySeconds: seconds(healedMs),
    recovered: `from its death to GREEN, a repair delay of ${REPAIR_DELAY_MS / 1000} s included`,
    seen: `its ${lostNames.length} segments copied, ${copied.length - lostNames.length} others moved; count and digest equal`,
  });
});
