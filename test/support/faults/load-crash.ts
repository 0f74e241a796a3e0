// Loads that are killed at random moments and run again.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { summaryOf, TestCluster } from '../process/cluster.ts';
import type { LoadSummary } from '../process/cluster.ts';
import { generateSample, seededRandom } from '../inputs/rows.ts';
import { SteleProcess, until, sentencesOf } from '../process/stele-process.ts';
import type { Finished } from '../process/stele-process.ts';
import { stepsSoFar } from './load-steps.ts';
import type { Steps } from './load-steps.ts';

export interface LoadCrashOptions {
  readonly rows: number;
  readonly kills: number;
  readonly chunkSize: string;
  readonly seed: number;
}

const LOST = 'node-1';
const TRIES_PER_KILL = 10;

export function loadCrash(options: LoadCrashOptions): void {
  const { rows, kills, chunkSize, seed } = options;
  const folder = mkdtempSync(join(tmpdir(), 'stele-crash-'));
  const file = join(folder, 'rows.data');
  const random = seededRandom(seed);
  let cluster: TestCluster;
  let undisturbed: LoadSummary;
  /** Checkpoint lines of an undisturbed load. */
  let whole: Steps;

  beforeAll(async () => {
    console.log(`  seed ${seed}, ${rows} rows, ${kills} kills`);
    generateSample(file, rows, seed);
    cluster = await TestCluster.start({ masterFlags: ['--repair-delay', '60s'] });
    const chunkBytes = Number.parseInt(chunkSize, 10) * 1024;
    whole = { chunks: Math.floor(readFileSync(file).length / chunkBytes), shards: 32 };
    undisturbed = await cluster.load('undisturbed', [file], ['--chunk-size', chunkSize]);
    expect(undisturbed).toMatchObject({ rows, loaded: rows, chunksResumed: 0, shardsResumed: 0 });
  }, 120_000);

  afterAll(async () => {
    await cluster?.close();
    rmSync(folder, { recursive: true, force: true });
  }, 60_000);

  function start(keyspace: string, flags: readonly string[] = []): SteleProcess {
    return new SteleProcess(
      cluster.loadArguments(keyspace, [file], ['--chunk-size', chunkSize, ...flags]),
    );
  }

  async function currentVersion(keyspace: string): Promise<number> {
    const answer = (await cluster.json(`/v1/keyspaces/${keyspace}`)) as {
      current_version?: number;
    };
    return answer.current_version ?? 0;
  }

  /** Resolves when the load has written `count` checkpoint lines, or has ended. */
  async function reached(load: SteleProcess, wanted: Partial<Steps>): Promise<boolean> {
    let ended = false;
    void load.finished().then(() => (ended = true));
    const isThere = (): boolean => {
      const steps = stepsSoFar(join(cluster.folder, 'work'));
      return steps.chunks >= (wanted.chunks ?? 0) && steps.shards >= (wanted.shards ?? 0);
    };
    await until('the load to come that far', () => ended || isThere(), 60_000, 1);
    return !ended;
  }

  /**
   * Runs the load and kills it at a random step after those that it has reached before; starts from
   * nothing if it ended before it could be killed.
   */
  async function killOnce(keyspace: string, before: Steps): Promise<Steps> {
    let done = before.chunks + before.shards;
    for (let attempt = 0; attempt < TRIES_PER_KILL; attempt++) {
      const left = whole.chunks + whole.shards - done;
      const steps = done + Math.max(1, Math.floor((0.05 + 0.8 * random()) * left));
      const chunks = Math.min(steps, whole.chunks);
      const load = start(keyspace);
      await reached(load, { chunks, shards: steps - chunks });
      const { signal } = await load.kill();
      const at = stepsSoFar(join(cluster.folder, 'work'));
      console.log(
        `  killed at ${JSON.stringify(at)}, asked for step ${steps}: ${signal ?? 'over'}`,
      );
      if (signal === 'SIGKILL') return at;
      expect(await currentVersion(keyspace)).toBeGreaterThan(0);
      await cluster.drop(keyspace);
      done = 0;
    }
    throw new Error('every load was over before it could be killed');
  }

  describe(`a load of ${rows} rows`, () => {
    test(`is killed ${kills} times, and resumes to the digest of an undisturbed one`, async () => {
      let at: Steps = { chunks: 0, shards: 0 };
      for (let kill = 0; kill < kills; kill++) {
        at = await killOnce('killed', at);
        expect(await currentVersion('killed')).toBe(0);
      }
      const summary = finish(await start('killed').finished());
      console.log(`  resumed ${summary.chunksResumed} chunks, ${summary.shardsResumed} shards`);
      expect(summary.chunksResumed).toBeGreaterThanOrEqual(at.chunks);
      expect(summary.shardsResumed).toBeGreaterThanOrEqual(at.shards);
      expect(at.chunks + at.shards).toBeGreaterThan(0);
      expect(summary).toMatchObject({ rows, loaded: rows, duplicates: 0, rejected: 0 });
      expect(summary.digest).toBe(undisturbed.digest);
      expect(await cluster.digest('killed')).toBe(undisturbed.digest);
    });

    test('continues when the master is killed and started again', async () => {
      const load = start('restarted');
      expect(await reached(load, { chunks: whole.chunks >> 1 })).toBe(true);
      await cluster.kill('master');
      await cluster.startMaster();
      const summary = finish(await load.finished());
      expect(summary.digest).toBe(undisturbed.digest);
      expect(await cluster.digest('restarted')).toBe(undisturbed.digest);
    });

    test('succeeds with --min-replicas 1 when a datanode is killed during it', async () => {
      const load = start('survivor', ['--min-replicas', '1']);
      expect(await reached(load, { chunks: whole.chunks >> 1 })).toBe(true);
      await cluster.kill(LOST);
      const summary = finish(await load.finished());
      expect(summary.digest).toBe(undisturbed.digest);
      await cluster.status('yellow');
      await cluster.startNode(LOST);
      await cluster.status('green');
    });

    test('stops with a clear error when replicas are missing, and resumes when they are back', async () => {
      const load = start('stopped', ['--replica-wait', '1s']);
      expect(await reached(load, { chunks: whole.chunks >> 1 })).toBe(true);
      await cluster.kill(LOST);
      const stopped = await load.finished();
      expect(stopped.code).toBe(4);
      expect(sentencesOf(stopped.stderr)).toMatch(/^stele: .*(replica|owner|datanode).*[.]$/m);
      expect(stopped.stderr).not.toMatch(/^ {4}at /m);
      expect(await currentVersion('stopped')).toBe(0);
      await cluster.startNode(LOST);
      await cluster.nodesServing(3);
      const summary = finish(await start('stopped').finished());
      expect(summary.chunksResumed).toBeGreaterThan(0);
      expect(summary.digest).toBe(undisturbed.digest);
      await cluster.status('green');
    });
  });
}

function finish(done: Finished): LoadSummary {
  if (done.code !== 0) throw new Error(`the load ended with ${done.code}: ${done.stderr}`);
  return summaryOf(done.stdout);
}
