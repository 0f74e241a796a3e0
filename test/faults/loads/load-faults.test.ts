// Loads under faults: the loader, a datanode or the master is repeatedly killed with -9 at a random
// moment of a load. The killed process is started again, and the load is run again if it ended. The
// result always has the digest of an undisturbed load; before that, nothing is visible.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestCluster, summaryOf } from '../../support/process/cluster.ts';
import type { LoadSummary } from '../../support/process/cluster.ts';
import { handOver } from '../../support/faults/fault-table.ts';
import { SEED, SHORT } from '../../support/faults/faults.ts';
import { generateSample, seededRandom } from '../../support/inputs/rows.ts';
import { SteleProcess } from '../../support/process/stele-process.ts';

const ROWS = 100_000;
const TRIALS = SHORT ? 6 : 60;
/** Runs of one load: the first, and again after each fault. */
const RUNS_MAX = 5;
const VICTIMS = ['loader', 'node-0', 'node-1', 'node-2', 'master'] as const;
const FLAGS = ['--chunk-size', '256KiB', '--replica-wait', '10s'];

const folder = mkdtempSync(join(tmpdir(), 'stele-load-faults-'));
const file = join(folder, 'rows.data');
const random = seededRandom(SEED);
let cluster: TestCluster;
let undisturbed: LoadSummary;
let undisturbedMs: number;

beforeAll(async () => {
  generateSample(file, ROWS, SEED);
  cluster = await TestCluster.start({ masterFlags: ['--repair-delay', '60s'] });
  // The first load is slow, because nothing is compiled yet; the second shows how long one takes.
  await cluster.load('warm', [file], FLAGS);
  const whole = await cluster.timedLoad('undisturbed', [file], FLAGS);
  undisturbed = whole.summary;
  undisturbedMs = whole.tookMs;
  expect(undisturbed).toMatchObject({ rows: ROWS, loaded: ROWS, chunksResumed: 0 });
}, 120_000);

afterAll(async () => {
  await cluster?.close();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

interface Trial {
  /** Whether the process died while the load was running. */
  readonly isHit: boolean;
  readonly runs: number;
  readonly summary: LoadSummary;
}

async function runTrial(keyspace: string, victim: (typeof VICTIMS)[number]): Promise<Trial> {
  const load = new SteleProcess(cluster.loadArguments(keyspace, [file], FLAGS));
  let isOver = false;
  const finished = load.finished().finally(() => (isOver = true));
  await new Promise((resolve) => setTimeout(resolve, random() * undisturbedMs * 1.05));
  const isHit = !isOver;
  if (victim === 'loader') await load.kill();
  else {
    await cluster.kill(victim);
    if (victim === 'master') await cluster.startMaster();
    else await cluster.startNode(victim);
  }
  let done = await finished;
  let runs = 1;
  for (; done.code !== 0 && runs < RUNS_MAX; runs++) {
    expect(done.stderr).not.toMatch(/^ {4}at /m);
    await cluster.nodesServing(3);
    done = await new SteleProcess(cluster.loadArguments(keyspace, [file], FLAGS)).finished();
  }
  if (done.code !== 0) throw new Error(`${keyspace}, ${victim}: ${done.stderr}`);
  return { isHit, runs, summary: summaryOf(done.stdout) };
}

test(`${TRIALS} loads with a process killed in them all end in the undisturbed digest`, async () => {
  console.log(`  seed ${SEED}, a load takes ${Math.round(undisturbedMs)} ms`);
  const hits = new Map<string, number>();
  const repeated = new Map<string, number>();
  for (let trial = 0; trial < TRIALS; trial++) {
    const victim = VICTIMS[trial % VICTIMS.length] ?? 'loader';
    const keyspace = `trial-${trial}`;
    const { isHit, runs, summary } = await runTrial(keyspace, victim);
    if (isHit) hits.set(victim, (hits.get(victim) ?? 0) + 1);
    if (runs > 1) repeated.set(victim, (repeated.get(victim) ?? 0) + 1);
    // A loader that was killed just after its commit has nothing to do when it is run again.
    if (!summary.alreadyCurrent) {
      expect(summary.digest, `${keyspace}, ${victim}`).toBe(undisturbed.digest);
    }
    await cluster.nodesServing(3);
    expect(await cluster.digest(keyspace), `${keyspace}, ${victim}`).toBe(undisturbed.digest);
    await cluster.drop(keyspace);
  }
  await cluster.status('green');
  console.log(`  hit in a load: ${table(hits)}; run again: ${table(repeated)}`);
  const hitCount = [...hits.values()].reduce((sum, count) => sum + count, 0);
  handOver({
    row: '2',
    fault: 'kill -9 of the loader, a datanode or the master in a load',
    trials: TRIALS,
    seen: `hit in the load: ${table(hits)}; the digest of an undisturbed load each time`,
  });
  // The faults did happen: most of the moments are within the load.
  expect(hitCount).toBeGreaterThan(TRIALS / 2);
});

function table(counts: ReadonlyMap<string, number>): string {
  return [...counts].map(([victim, count]) => `${victim} ${count}`).join(', ') || 'none';
}
