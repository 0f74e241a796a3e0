// Worker threads need the build's output: these tests run dist/.

import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { resolveSettings } from '../../../base/config.ts';
import { silentLogger } from '../../../base/log.ts';
import type * as LoadModule from '../../../loader/load.ts';
import type { ParseTask } from '../../../loader/threads/parse-task.ts';
import { loadSettings } from '../../../loader/settings.ts';
import { inlinePool, threadPool } from '../../../loader/threads/work-pool.ts';
import { builtModule } from '../../support/process/stele-process.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { startFakeCluster } from '../fake-cluster.ts';

const BUILT_LOAD = builtModule('loader/load.ts');

/** A worker that runs `body` with the number of its start. */
function workerFile(body: string): string {
  const folder = tempDir();
  const path = join(folder, 'worker.mjs');
  writeFileSync(
    path,
    `import { appendFileSync, existsSync, readFileSync } from 'node:fs';
     const log = ${JSON.stringify(join(folder, 'calls'))};
     export function parse(task) {
       appendFileSync(log, 'x');
       const calls = readFileSync(log).length;
       ${body}
     }`,
  );
  return path;
}

const NO_TASK = {} as ParseTask;

it('a worker that dies or throws has its work tried again', async () => {
  for (const death of ['process.exit(1)', 'throw new Error("out of luck")']) {
    const file = workerFile(
      `if (calls < 3) { ${death}; } return { outcome: { rowCount: calls } };`,
    );
    const pool = threadPool(file, 2, silentLogger);
    try {
      expect((await pool.parse(NO_TASK)).rowCount).toBe(3);
    } finally {
      await pool.close();
    }
  }
});

it('a worker that always dies ends in an error, not in silence', async () => {
  const pool = threadPool(workerFile('process.exit(1);'), 1, silentLogger);
  try {
    await expect(pool.parse(NO_TASK)).rejects.toMatchObject({
      code: 'INTERNAL',
      message: expect.stringContaining('failed 3 times'),
    });
  } finally {
    await pool.close();
  }
});

it('an error that the task reports keeps its code, and is not tried again', async () => {
  const body = `return { failure: { code: 'DISK_FULL', message: 'full ' + calls } };`;
  const pool = threadPool(workerFile(body), 1, silentLogger);
  try {
    await expect(pool.parse(NO_TASK)).rejects.toMatchObject({
      code: 'DISK_FULL',
      message: 'full 1',
    });
  } finally {
    await pool.close();
  }
});

it('a load has the same digest with threads as without, and with any number of them', async () => {
  const { runLoad } = (await import(BUILT_LOAD)) as typeof LoadModule;
  const master = await startFakeCluster();
  const folder = tempDir();
  const path = join(folder, 'in.csv');
  const rows = Array.from({ length: 50_000 }, (_, row) => {
    const key = createHash('md5').update(String(row)).digest('hex');
    return `${key},${row % 7 === 0 ? `"say ""${row}"""` : `plain ${row} ${'x'.repeat(60)}`}\n`;
  });
  writeFileSync(path, `id,value\n${rows.join('')}`);
  const digests = new Set<string>();
  for (const flags of [{ workers: 1 }, { workers: 3, chunkSize: '200KiB' }]) {
    const given = { master: master.address, workDir: join(folder, 'work'), ...flags };
    const { values } = resolveSettings(loadSettings, { flags: given, environment: {}, file: {} });
    const summary = await runLoad({ ...values, keyspace: 'ks', paths: [path] });
    expect(summary).toMatchObject({ rows: 50_000, loaded: 50_000, rejected: 0 });
    digests.add(summary.digest);
  }
  expect(digests.size).toBe(1);
  expect(master.pairs().size).toBe(50_000);
  await inlinePool().close();
});

it('with half of the threads spared, fewer tasks run at once, until all may again', async () => {
  // Each task waits until `wanted` are running, itself included, and answers how many it saw.
  const file = workerFile(`
    const running = log + '.running';
    appendFileSync(running, '+');
    const untilMs = Date.now() + task.waitMs;
    let most = 0;
    while (!existsSync(log + task.round) && Date.now() < untilMs) {
      const text = readFileSync(running, 'latin1');
      most = Math.max(most, text.split('+').length - text.split('-').length);
      if (most === task.wanted) appendFileSync(log + task.round, '');
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
    appendFileSync(running, '-');
    return { outcome: { rowCount: most } };`);
  const pool = threadPool(file, 4, silentLogger);
  let round = 0;
  const most = async (wanted: number, waitMs: number): Promise<number> => {
    const task = { wanted, waitMs, round: ++round } as unknown as ParseTask;
    const outcomes = await Promise.all(Array.from({ length: 8 }, () => pool.parse(task)));
    return Math.max(...outcomes.map(({ rowCount }) => rowCount));
  };
  try {
    expect(await most(4, 10_000)).toBe(4);
    pool.throttle(true);
    expect(await most(3, 50)).toBe(2);
    const held = most(4, 10_000);
    pool.throttle(false);
    expect(await held).toBe(4);
  } finally {
    await pool.close();
  }
});
