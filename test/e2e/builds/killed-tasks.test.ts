// Tasks and merges that are killed at random moments, run twice at the same time, and interrupted:
// the build is that of one load.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { BuildStore } from '../../../archive/builds/build-store.ts';
import { readCompleteBuild } from '../../../archive/builds/complete-build.ts';
import { openStore } from '../../../archive/open-store.ts';
import { buildFolder, CHUNKED, killOnce } from '../../support/process/builds.ts';
import type { BuildFolder } from '../../support/process/builds.ts';
import type { SteleProcess } from '../../support/process/stele-process.ts';
import { until } from '../../support/process/stele-process.ts';
import { seededRandom } from '../../support/inputs/rows.ts';
import { SEED } from '../../support/faults/faults.ts';

vi.setConfig({ testTimeout: 240_000 });

const TASKS = 2;

/** Kills the process when `count` more objects are in a folder of the build, or lets it end. */
function killAt(
  running: SteleProcess,
  { stored }: BuildFolder,
  where: string,
  count: number,
): Promise<boolean> {
  const target = stored(where).length + count;
  return killOnce(running, () => stored(where).length >= target);
}

test('killed at random, run twice, and resumed: the digest of one load', async () => {
  console.log(`seed ${SEED}`);
  const random = seededRandom(SEED);
  const folder = buildFolder(40_000);
  const { build, input, start, stored } = folder;
  let kills = 0;
  for (let task = 1; task <= TASKS; task++) {
    const args = [input, '--task', `${task}/${TASKS}`, ...CHUNKED];
    for (let attempt = 0; attempt < 2; attempt++) {
      const count = 1 + Math.floor(random() * 5);
      if (await killAt(start(...args), folder, 'runs', count)) kills++;
    }
    // Twice at the same time, in two work folders.
    const twins = await Promise.all([
      build(...args, '-o', 'json'),
      build(...args, '--work-dir', 'twin', '-o', 'json'),
    ]);
    for (const { code, stderr, stdout } of twins) {
      expect({ code, stderr }).toMatchObject({ code: 0 });
      expect(JSON.parse(stdout.trim())).toMatchObject({ task, tasks: TASKS });
    }
    expect(stored(`tasks/${TASKS}`)).toHaveLength(task);
  }
  expect(kills).toBeGreaterThan(0);
  const incomplete = start('--merge');
  await killAt(incomplete, folder, 'segments/00112233445566aa', 1 + Math.floor(random() * 8));
  const merged = await build('--merge', '-o', 'json');
  expect(merged).toMatchObject({ code: 0 });
  const summary = JSON.parse(merged.stdout.trim()) as { readonly digest: string };
  expect(summary).toMatchObject({
    records: 40_000,
    duplicates: 0,
    digest: await folder.loadDigest(),
  });
  const complete = await readCompleteBuild(new BuildStore(await openStore(folder.url)), 'prices');
  expect(complete.totals).toMatchObject({ records: 40_000, digest: summary.digest });
  expect(complete.segments).toHaveLength(stored('segments/00112233445566aa').length);
  expect(readdirSync(join(folder.folder, '.stele', 'loads'))).toEqual([]);
});

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)(
  '%s ends a task with exit code %d, and the same command goes on',
  async (signal, code) => {
    const { build, input, start, stored } = buildFolder(40_000);
    const running = start(input, ...CHUNKED);
    await until('a run', () => stored('runs').length > 0, 60_000, 2);
    running.child.kill(signal);
    const ended = await running.finished();
    expect(ended.code).toBe(code);
    expect(ended.stderr).toMatch(
      /^stele: Interrupted; what was stored stays\. To go on: stele build/m,
    );
    expect(stored('tasks')).toEqual([]);
    const again = await build(input, ...CHUNKED, '-o', 'json');
    expect(again.code).toBe(0);
    const { chunks_resumed: resumed } = JSON.parse(again.stdout.trim()) as Record<string, number>;
    expect(resumed).toBeGreaterThan(0);
  },
);
