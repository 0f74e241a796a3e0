// Only a complete build is taken: all tasks, of one input, and each shard merged once of exactly
// their results.

import { rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { BuildStore } from '../../../archive/builds/build-store.ts';
import type { BuiltMerge, BuiltTask } from '../../../archive/builds/built.ts';
import { readCompleteBuild } from '../../../archive/builds/complete-build.ts';
import { encodeMerge, encodeTask } from '../../../archive/builds/layout.ts';
import { someBuildStore, someMark, someMerge, someTask } from '../../support/builds.ts';

const TASKS = [someTask(1, 3), someTask(2, 3), someTask(3, 3)];
const [ONE, TWO, THREE] = TASKS as [BuiltTask, BuiltTask, BuiltTask];

async function buildOf(
  tasks: readonly BuiltTask[],
  merges: readonly BuiltMerge[],
): Promise<BuildStore> {
  const build = await someBuildStore();
  await build.claim(someMark());
  for (const task of tasks) await build.putTask(task);
  for (const merge of merges) await build.putMerge(merge);
  return build;
}

function pathIn(build: BuildStore, name: string): string {
  return join(fileURLToPath(build.store.url), name);
}

async function refusal(build: BuildStore, keyspace = 'prices'): Promise<string> {
  const thrown: unknown = await readCompleteBuild(build, keyspace).catch((error: unknown) => error);
  const { code, message } = thrown as { code: string; message: string };
  return `${code}: ${message}`;
}

test('is read with its segments, in order, and its sums', async () => {
  const build = await buildOf(TASKS, [someMerge(2, 3, TASKS), someMerge(0, 1, TASKS)]);
  const complete = await readCompleteBuild(build, 'prices');
  expect(complete.segments.map(({ shard }) => shard)).toEqual([1, 2]);
  expect(complete).toMatchObject({ rows: 9, duplicates: 0, totals: { records: 9, keyBytes: 9 } });
});

test('what was dropped as a duplicate counts', async () => {
  const merge = someMerge(0, 3, TASKS);
  const shards = merge.shards.map((one) => {
    if (one.shard !== 2) return one;
    const digest = '01'.repeat(16);
    const dropped = { records: 2, keyBytes: 2, valueBytes: 4, digest: '02'.repeat(16) };
    const id = one.segment.id.replace('03'.repeat(16), digest);
    const segment = { ...one.segment, id, records: 1, keyBytes: 1, valueBytes: 2, digest };
    return { ...one, segment, dropped, overruled: 1 };
  });
  const build = await buildOf(TASKS, [{ ...merge, shards }]);
  expect(await readCompleteBuild(build, 'prices')).toMatchObject({
    rows: 9,
    duplicates: 2,
    overruled: 1,
    totals: { records: 7 },
  });
});

test('is refused where there is none, and where it is of another keyspace', async () => {
  expect(await refusal(await someBuildStore())).toMatch(/^NOT_FOUND: There is no build at/);
  const build = await buildOf([], []);
  expect(await refusal(build, 'geo')).toMatch(/^CONFLICT: .* a build of the keyspace 'prices'/);
});

test('is refused with the list of the tasks and the shards that are missing', async () => {
  expect(await refusal(await buildOf([], []))).toMatch(/^BUILD_INCOMPLETE: .* no result of any/);
  expect(await refusal(await buildOf([TWO], []))).toMatch(
    /^BUILD_INCOMPLETE: 2 of 3 tasks have no result at \S+: 1, 3\./,
  );
  expect(await refusal(await buildOf(TASKS, []))).toMatch(/The shards 0 to 3 of 4 are not merged/);
  expect(await refusal(await buildOf(TASKS, [someMerge(1, 2, TASKS)]))).toMatch(
    /The shards 0, 3 of 4 are not merged/,
  );
});

test('a half-written or altered manifest does not count', async () => {
  const build = await buildOf(TASKS, [someMerge(0, 3, TASKS)]);
  const { bytes, name } = encodeTask(TWO);
  writeFileSync(pathIn(build, name), bytes.subarray(0, -9));
  expect(await refusal(build)).toMatch(/^CORRUPT: Task 2 has no result that can be read\./);
  await build.putTask(TWO);
  const merge = encodeMerge(someMerge(0, 3, TASKS));
  writeFileSync(pathIn(build, merge.name), merge.bytes.subarray(1));
  expect(await refusal(build)).toMatch(/^BUILD_INCOMPLETE: .* is damaged/);
});

test('attempts with the same rows replace each other; with others they are refused', async () => {
  const run = { hash: 'e'.repeat(32), bytes: 100, rows: 3, from: 'prices.csv at byte 5' };
  const twin = { ...TWO, runs: [run] };
  const build = await buildOf([...TASKS, twin], [someMerge(0, 3, TASKS)]);
  expect(await readCompleteBuild(build, 'prices')).toMatchObject({ rows: 9 });
  const shards = { ...TWO.shards, digests: TWO.shards.digests.replace('02', '12') };
  await build.putTask({ ...TWO, shards });
  expect(await refusal(build)).toMatch(
    /^CONFLICT: Two attempts of task 2 have different results: tasks\/3\/2-\S+ .* and tasks\/3\/2-/,
  );
});

test('tasks of several inputs, flags, dialects or uids are refused', async () => {
  const { input } = TWO;
  const cases: [Partial<BuiltTask>, RegExp][] = [
    [{ input: { ...input, fingerprint: 'a'.repeat(32) } }, /they saw different inputs/],
    [{ input: { ...input, flags: { key: 'id' } } }, /--key was 'sku' for one and 'id' for/],
    [{ input: { ...input, dialects: ['tsv'] } }, /one read its input as csv, the other as tsv/],
    [{ keyspaceUid: 'a'.repeat(16) }, /Task 2 was built for a keyspace with uid a{16}/],
  ];
  for (const [more, why] of cases) {
    const tasks = [ONE, { ...TWO, ...more }, THREE];
    const message = await refusal(await buildOf(tasks, [someMerge(0, 3, TASKS)]));
    expect(message).toMatch(/^CONFLICT/);
    expect(message).toMatch(why);
  }
});

test('a build by two numbers of tasks is refused until one of them is removed', async () => {
  const build = await buildOf([...TASKS, someTask(1, 1)], [someMerge(0, 3, TASKS)]);
  expect(await refusal(build)).toMatch(/was built twice, by 1 and by 3 tasks; remove tasks\/1\//);
  rmSync(pathIn(build, 'tasks/1'), { recursive: true });
  expect(await readCompleteBuild(build, 'prices')).toMatchObject({ rows: 9 });
});

test('merges of other results, or by other rules, do not count', async () => {
  const old = someMerge(0, 3, [ONE, THREE, TWO]);
  expect(await refusal(await buildOf(TASKS, [old]))).toMatch(/1 merges there are of other results/);
  const merges = [someMerge(0, 1, TASKS), someMerge(2, 3, TASKS, { onConflict: 'last' })];
  expect(await refusal(await buildOf(TASKS, merges))).toMatch(/with --on-conflict/);
});

test('a merge that lost or doubled rows is refused', async () => {
  const merge = someMerge(0, 3, TASKS);
  const shards = merge.shards.filter(({ shard }) => shard !== 2);
  expect(await refusal(await buildOf(TASKS, [{ ...merge, shards }]))).toMatch(
    /^CORRUPT: Shard 2: its tasks have 3 rows .* its merge has 0/,
  );
});

test('its mark is written once, and kept by all that come later', async () => {
  const build = await someBuildStore();
  const first = await build.claim(someMark());
  expect(await build.claim(someMark({ createdAt: 'later' }))).toMatchObject(first);
  await expect(build.claim(someMark({ keyspaceUid: 'a'.repeat(16) }))).rejects.toMatchObject({
    code: 'CONFLICT',
    message: expect.stringContaining('it was dropped and created again') as string,
  });
});
