// Appends under faults: one after the other onto one keyspace. During or soon after each, the
// loader, a datanode or the master is killed with -9, also while deltas are merged. The killed
// process is started again, and the append is run again if it ended. The keyspace always has the
// digest and the rows of the last append; readers of the datanodes see no wrong value.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestCluster } from '../../support/process/cluster.ts';
import { Reader, stopWithoutFailures } from '../../support/readers/reader.ts';
import { handOver } from '../../support/faults/fault-table.ts';
import { SEED, SHORT } from '../../support/faults/faults.ts';
import { seededRandom, VersionedRows } from '../../support/inputs/rows.ts';
import { connectCluster, postLookup, respSource } from '../../support/readers/sources.ts';
import { SteleProcess, stele, until } from '../../support/process/stele-process.ts';
import { digestOf } from '../../segment/chains.ts';

const TRIALS = SHORT ? 10 : 60;
/** Runs of one append: the first, and again after each fault. */
const RUNS_MAX = 5;
const VICTIMS = ['loader', 'node-0', 'node-1', 'node-2', 'master'] as const;
const NODES = ['node-0', 'node-1', 'node-2'] as const;
const KEYSPACE = 'prices';
const COLD = 3000;
/** How many random cold keys an append rewrites. */
const TOUCHED = 200;

const folder = mkdtempSync(join(tmpdir(), 'stele-append-faults-'));
const hot = new VersionedRows(300);
const random = seededRandom(SEED);
const model = new Map<string, string>();
let cluster: TestCluster;
let reader: Reader | undefined;
let appendMs = 1000;

beforeAll(async () => {
  const masterFlags = ['--repair-delay', '60s', '--retire-delay', '200ms'];
  cluster = await TestCluster.start({
    shards: 16,
    masterFlags: [...masterFlags, '--merge-bytes-per-second', '256KiB'],
  });
  for (let index = 0; index < COLD; index++) model.set(`cold-${index}`, `value of ${index}`);
  await cluster.load(KEYSPACE, [write(0, [...model, ...hotRows(1)])], ['--mode', 'append']);
  const whole = await cluster.timedLoad(KEYSPACE, [write(0, hotRows(1))], ['--mode', 'append']);
  appendMs = whole.tookMs;
  const nodes = NODES.map((id) => cluster.node(id));
  reader = new Reader([respSource('GET from datanodes', connectCluster(nodes, KEYSPACE))], {
    rows: hot,
    seed: SEED,
  });
}, 120_000);

afterAll(async () => {
  await reader?.stop();
  await cluster?.close();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

type Row = readonly [string, string];

/** Also added to the model. */
function hotRows(version: number): Row[] {
  const rows = Array.from({ length: hot.count }, (_unused, index): Row => {
    const key = hot.key(index);
    return [key, hot.value(key, version)];
  });
  for (const [key, value] of rows) model.set(key, value);
  return rows;
}

function coldRows(trial: number): Row[] {
  const rows = new Map<string, string>();
  for (let index = 0; index < TOUCHED; index++) {
    const key = `cold-${Math.floor(random() * 1.1 * COLD)}`;
    // Some with the value that they already have.
    rows.set(key, random() < 0.3 ? (model.get(key) ?? '') : `${key} since ${trial}`);
  }
  for (const [key, value] of rows) model.set(key, value);
  return [...rows];
}

function write(trial: number, rows: readonly Row[]): string {
  const path = join(folder, `${trial}.data`);
  writeFileSync(path, rows.map(([key, value]) => `${key} ${value}\n`).join(''));
  return path;
}

/** Whether the process died while the append was running. */
async function appendUnderFault(path: string, victim: (typeof VICTIMS)[number]): Promise<boolean> {
  const run = (): SteleProcess =>
    new SteleProcess(
      cluster.loadArguments(KEYSPACE, [path], ['--mode', 'append', '--replica-wait', '10s']),
    );
  const load = run();
  let isOver = false;
  const finished = load.finished().finally(() => (isOver = true));
  // Half of the faults hit the append, the others the time when its deltas may be merged.
  await new Promise((resolve) => setTimeout(resolve, random() * appendMs * 2));
  const isHit = !isOver;
  if (victim === 'loader') await load.kill();
  else {
    await cluster.kill(victim);
    if (victim === 'master') await cluster.startMaster();
    else await cluster.startNode(victim);
  }
  let done = await finished;
  for (let runs = 1; done.code !== 0 && runs < RUNS_MAX; runs++) {
    expect(done.stderr).not.toMatch(/^ {4}at /m);
    await cluster.nodesServing(3);
    done = await run().finished();
  }
  if (done.code !== 0) throw new Error(`${path}, ${victim}: ${done.stderr}`);
  return isHit;
}

async function expectModel(what: string): Promise<void> {
  expect(await cluster.digest(KEYSPACE), what).toBe(digestOf(model));
  const keys = [...model.keys(), 'absent'];
  const { values } = await postLookup(cluster.url(''), KEYSPACE, keys);
  expect(values.pop(), what).toBeNull();
  expect(values.map(String), what).toEqual([...model.values()]);
}

async function deltas(): Promise<number> {
  const { versions } = (await cluster.json(`/v1/keyspaces/${KEYSPACE}/versions`)) as {
    versions: { current: boolean; deltas: number }[];
  };
  return versions.find(({ current }) => current)?.deltas ?? -1;
}

test(`${TRIALS} appends with a process killed in or after them all end in the right digest`, async () => {
  console.log(`  seed ${SEED}, an append takes ${Math.round(appendMs)} ms`);
  let hits = 0;
  let mergesSeen = 0;
  let before = 1;
  for (let trial = 1; trial <= TRIALS; trial++) {
    const victim = VICTIMS[Math.floor(random() * VICTIMS.length)] ?? 'loader';
    const path = write(trial, [...hotRows(trial + 1), ...coldRows(trial)]);
    if (await appendUnderFault(path, victim)) hits++;
    await cluster.nodesServing(3);
    await expectModel(`trial ${trial}, ${victim}`);
    const now = await deltas();
    if (now <= before) mergesSeen++;
    before = now;
  }
  await until('the deltas to be merged', async () => (await deltas()) <= 4);
  await cluster.status('green');
  console.log(`  ${hits} hit in an append; ${mergesSeen} times deltas had become fewer`);
  expect(hits).toBeGreaterThan(TRIALS / 5);
  expect(mergesSeen).toBeGreaterThan(0);
  await expectModel('in the end');
  const running = reader;
  reader = undefined;
  if (running !== undefined) await stopWithoutFailures([running]);
  handOver({
    row: '2a',
    fault: 'kill -9 of the loader, a datanode or the master in or after an append',
    trials: TRIALS,
    reads: running?.reads ?? 0,
    failed: running?.failures.length ?? 0,
    seen: `${hits} hit in an append; the right digest and every value each time`,
  });
  const verified = await stele(['verify', '--data-dir', cluster.folder]);
  expect(verified.code, verified.stdout + verified.stderr).toBe(0);
});
