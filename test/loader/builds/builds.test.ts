// Tasks and merges of a build, as calls: what they make is what a load makes, whatever happens to
// them on the way.

import {
  cpSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test, vi } from 'vitest';
import { FolderStore } from '../../../archive/folder-store.ts';
import { SteleError } from '../../../base/errors.ts';
import { readCompleteBuild } from '../../../archive/builds/complete-build.ts';
import { segmentObject } from '../../../archive/layout.ts';
import { failure, rowsText, setUp, write } from '../load-setup.ts';
import { allTasks, setUpBuild, tasksOf } from './build-setup.ts';
import type { BuildSetup } from './build-setup.ts';

const CHUNKED = { chunkSize: 64 * 1024 };

function pathIn({ url }: BuildSetup, name = ''): string {
  return join(fileURLToPath(url), name);
}

function namesIn(setup: BuildSetup, folder: string): string[] {
  return readdirSync(pathIn(setup, folder)).sort();
}

test('gives the segments of one load of the same input, byte for byte', async () => {
  const { folder, load, master } = await setUp(2);
  const paths = ['a', 'b'].map((seed) => write(folder, `${seed}.data`, rowsText(4000, seed).text));
  const loaded = await load(paths, CHUNKED);
  const setup = await setUpBuild();
  await allTasks(setup, paths, 3, CHUNKED);
  const parts = [await setup.merge('0/2'), await setup.merge('1/2')];
  expect(parts.map(({ first, last }) => [first, last])).toEqual([
    [4, 7],
    [0, 3],
  ]);
  const complete = await readCompleteBuild(setup.build, 'ks');
  const ids = master.committed?.shards.map(({ segment }) => segment?.id);
  expect(complete.segments.map(({ id }) => id)).toEqual(ids);
  expect(complete.totals.digest).toBe(loaded.digest);
  const { keyspaceUid } = complete.mark;
  for (const { fileBytes, id } of complete.segments) {
    const bytes = readFileSync(pathIn(setup, segmentObject(keyspaceUid, id)));
    expect(bytes.length).toBe(fileBytes);
    expect(bytes.equals(master.nodes[0]?.segments.get(id) as Buffer)).toBe(true);
  }
  expect(setup.leftBehind()).toEqual([]);
});

test('attempts of one task on several machines make the same names', async () => {
  const setup = await setUpBuild();
  const path = write(setup.folder, 'a.data', rowsText(3000).text);
  const copies = ['here', 'there'].map((name) => {
    mkdirSync(join(setup.folder, name));
    const copy = join(setup.folder, name, 'a.data');
    cpSync(path, copy, { preserveTimestamps: true });
    return copy;
  });
  for (const copy of copies) {
    await setup.task([copy], '2/2', { ...CHUNKED, workDir: join(setup.folder, 'work', copy) });
    rmSync(pathIn(setup, 'tasks'), { recursive: true });
    expect(namesIn(setup, 'runs')).toHaveLength(2);
  }
  // Cut otherwise, because of other flags or less memory: other runs, and still the same task.
  await setup.task(copies.slice(1), '2/2');
  await setup.task(copies.slice(1), '1/2');
  expect(await setup.merge()).toMatchObject({ records: 3000, tasks: 2 });
});

test('an attempt that is done is not done again, unless what it has stored is gone', async () => {
  const setup = await setUpBuild();
  const path = write(setup.folder, 'a.data', rowsText(2000).text);
  expect(await setup.task([path], '1/1')).toMatchObject({ alreadyDone: false, rows: 2000 });
  expect(await setup.task([path], '1/1')).toMatchObject({ alreadyDone: true, rows: 2000 });
  const [run = ''] = namesIn(setup, 'runs');
  rmSync(pathIn(setup, `runs/${run}`));
  expect(await setup.task([path], '1/1')).toMatchObject({ alreadyDone: false });
  expect(namesIn(setup, 'runs')).toEqual([run]);
  expect(namesIn(setup, 'tasks/1')).toHaveLength(1);
  expect(await setup.merge()).toMatchObject({ alreadyDone: false, records: 2000 });
  expect(await setup.merge()).toMatchObject({ alreadyDone: true, records: 2000 });
  const [segment = ''] = namesIn(setup, 'segments/00112233aabbccdd');
  rmSync(pathIn(setup, `segments/00112233aabbccdd/${segment}`));
  expect(await setup.merge()).toMatchObject({ alreadyDone: false, records: 2000 });
  expect(namesIn(setup, 'segments/00112233aabbccdd')).toContain(segment);
});

/** Counts the objects that are written; `breakOff` is called at the one of that number. */
function countPuts(): { readonly names: string[]; at: number; breakOff: () => void } {
  const counted = { names: [] as string[], at: 0, breakOff: broken };
  const { put } = FolderStore.prototype as {
    readonly put: (this: FolderStore, ...args: Parameters<FolderStore['put']>) => Promise<void>;
  };
  const spy = vi.spyOn(FolderStore.prototype, 'put').mockImplementation(function (
    this: FolderStore,
    name,
    body,
    options,
  ) {
    if (counted.names.push(name) === counted.at) counted.breakOff();
    return put.call(this, name, body, options);
  });
  onTestFinished(() => spy.mockRestore());
  return counted;
}

function broken(): void {
  throw new SteleError('UNAVAILABLE', 'the store is away');
}

test('a task that broke off goes on from where it was, and does only what is missing', async () => {
  const setup = await setUpBuild();
  const path = write(setup.folder, 'a.data', rowsText(20_000).text);
  const puts = countPuts();
  const { names } = puts;
  puts.at = 5;
  const flags = { ...CHUNKED, workers: 1 };
  const error = await failure(setup.task([path], '1/1', flags));
  expect(error).toMatchObject({ code: 'UNAVAILABLE', message: 'the store is away' });
  expect(setup.leftBehind()).toHaveLength(1);
  await expect(setup.merge()).rejects.toMatchObject({ code: 'BUILD_INCOMPLETE' });
  const done = await setup.task([path], '1/1', flags);
  expect(done).toMatchObject({ rows: 20_000, runs: 20 });
  expect(done.chunksResumed).toBeGreaterThanOrEqual(4);
  expect(setup.leftBehind()).toEqual([]);
  const runs = names.filter((name) => name.startsWith('runs/'));
  // More only for those that were being written when it broke off.
  expect(runs.length).toBeLessThanOrEqual(done.runs + 2);
  expect(names.filter((name) => name.startsWith('tasks/'))).toHaveLength(1);
  expect(await setup.merge()).toMatchObject({ records: 20_000 });
});

test('a task that was interrupted goes on, and a merge, too', async () => {
  const setup = await setUpBuild();
  const path = write(setup.folder, 'a.data', rowsText(20_000).text);
  const [first, second] = [new AbortController(), new AbortController()];
  const puts = countPuts();
  Object.assign(puts, { at: 3, breakOff: () => first.abort() });
  const error = await failure(setup.task([path], '1/1', CHUNKED, { signal: first.signal }));
  expect(error.code).toBe('CANCELLED');
  expect(await setup.task([path], '1/1', CHUNKED)).toMatchObject({ rows: 20_000 });
  Object.assign(puts, { at: puts.names.length + 4, breakOff: () => second.abort() });
  const stopped = await failure(setup.merge('1/1', {}, { signal: second.signal }));
  expect(stopped).toMatchObject({ code: 'CANCELLED' });
  // Its manifest cannot be written, and all segments are there.
  Object.assign(puts, { at: Infinity, breakOff: broken });
  const before = namesIn(setup, 'segments/00112233aabbccdd').length;
  puts.at = puts.names.length + 8 - before + 1;
  expect(await failure(setup.merge())).toMatchObject({ code: 'UNAVAILABLE' });
  expect(await setup.merge()).toMatchObject({ records: 20_000, shardsResumed: 8 });
  expect(setup.leftBehind()).toEqual([]);
});

test('input that changed since an interrupted attempt is read again', async () => {
  const setup = await setUpBuild();
  const { text } = rowsText(8000);
  const path = write(setup.folder, 'a.data', text);
  utimesSync(path, 1_700_000_000, 1_700_000_000);
  countPuts().at = 4;
  await failure(setup.task([path], '1/1', CHUNKED));
  // Of the same size and time.
  writeFileSync(path, text.replace('value 0', 'VALUE 0'));
  utimesSync(path, 1_700_000_000, 1_700_000_000);
  await setup.task([path], '1/1', CHUNKED);
  const other = await setUpBuild();
  await other.task([path], '1/1', CHUNKED);
  const [one, again] = [await setup.merge(), await other.merge()];
  expect(one.digest).toBe(again.digest);
});

test('a damaged run is named with its task, which makes it again', async () => {
  const setup = await setUpBuild();
  const path = write(setup.folder, 'a.data', rowsText(3000).text);
  await allTasks(setup, [path], 2);
  const [, task] = await tasksOf(setup);
  const run = pathIn(setup, `runs/${task?.runs[0]?.hash}.run`);
  const bytes = readFileSync(run);
  bytes[bytes.length - 20] = (bytes.at(-20) as number) ^ 1;
  writeFileSync(run, bytes);
  await expect(setup.merge()).rejects.toMatchObject({
    code: 'CORRUPT',
    message: expect.stringMatching(
      /^runs\/\w+\.run of task 2 is damaged at file:\S+ Remove it if it is there, and run task 2 again/,
    ) as string,
  });
  rmSync(run);
  await expect(setup.merge()).rejects.toThrow(/of task 2 is gone/);
  await setup.task([path], '2/2');
  expect(await setup.merge()).toMatchObject({ records: 3000 });
});

test('an attempt of other input, or with other flags, is refused before it reads', async () => {
  const setup = await setUpBuild();
  const path = write(setup.folder, 'a.csv', 'id,a,b\nx,1,2\n');
  await setup.task([path], '1/2', { value: 'a' });
  await expect(setup.task([path], '1/2', { value: 'b' })).rejects.toMatchObject({
    code: 'CONFLICT',
    message: expect.stringMatching(
      /^Task 1 of 2 was done before .*: --value was 'a' for one and 'b' for the other\. To keep the new one, remove tasks\/2\/1-/,
    ) as string,
  });
  writeFileSync(path, 'id,a,b\nx,1,2\ny,3,4\n');
  await expect(setup.task([path], '1/2', { value: 'a' })).rejects.toThrow(
    'they saw different inputs',
  );
  await setup.task([path], '2/2', { value: 'a' });
  await expect(setup.merge()).rejects.toThrow(/^Tasks 1 and 2 do not belong together/);
});

test('two values of a key are found over all tasks, and chosen as a load chooses', async () => {
  const { folder, load } = await setUp(2);
  const paths = [
    write(folder, 'a.data', `${rowsText(50).text}twice first\nsame x\n`),
    write(folder, 'b.data', `twice second\nsame x\n${rowsText(50, 'b').text}`),
  ];
  const setup = await setUpBuild();
  await allTasks(setup, paths, 2);
  await expect(setup.merge()).rejects.toMatchObject({
    code: 'DUPLICATE_KEY',
    message: expect.stringMatching(
      /^The key 'twice' has two values: 'first' in the chunk of \S+a\.data at byte 0 \(task 1\), and 'second' in the chunk of \S+b\.data at byte \d+ \(task 2\)\. Nothing was merged/,
    ) as string,
  });
  for (const onConflict of ['first', 'last']) {
    rmSync(pathIn(setup, 'merges'), { recursive: true, force: true });
    const merged = await setup.merge('1/1', { onConflict });
    expect(merged).toMatchObject({ rows: 104, records: 102, duplicates: 2, overruled: 1 });
    expect(merged.digest).toBe((await load(paths, { onConflict })).digest);
    expect(await readCompleteBuild(setup.build, 'ks')).toMatchObject({ rows: 104, overruled: 1 });
  }
});

test('bad rows are counted, listed with their lines, and are in the manifest', async () => {
  const setup = await setUpBuild();
  const rows = Array.from({ length: 400 }, (_, row) => (row === 299 ? 'bad' : `k${row},v`));
  const path = write(setup.folder, 'a.csv', `id,v\n${rows.join('\n')}\n`);
  const refused = await failure(setup.task([path], '3/4', { header: 'yes' }));
  expect(refused.code).toBe('TOO_MANY_REJECTS');
  expect(refused.message).toMatch(/^1 row was rejected, 0 allowed.*a\.csv at byte 1988: .*'bad'/);
  const rejects = join(setup.folder, 'bad.csv');
  const flags = { header: 'yes', maxRejects: 1, rejects };
  expect(await setup.task([path], '3/4', flags)).toMatchObject({ rejected: 1 });
  expect(readFileSync(rejects, 'utf8')).toBe('id,v\nbad\n');
  expect(JSON.parse(readFileSync(`${rejects}.reasons.jsonl`, 'utf8'))).toMatchObject({ line: 301 });
  for (const part of ['1/4', '2/4', '4/4']) await setup.task([path], part, { header: 'yes' });
  const tasks = await tasksOf(setup);
  expect(tasks.map(({ rejected }) => rejected)).toEqual([0, 0, 1, 0]);
  expect(tasks[2]?.rejects[0]).toContain("('bad')");
});

test('each task may have its own standard input, and it may be empty', async () => {
  const setup = await setUpBuild();
  for (const [at, text] of ['a 1\nb 2\n', '', 'c 3\n'].entries()) {
    const stdin = Readable.from(text === '' ? [] : [Buffer.from(text)]);
    await setup.task(['-'], `${at + 1}/3`, { format: 'line' }, { stdin });
  }
  expect(await setup.merge()).toMatchObject({ records: 3, tasks: 3 });
});

test('a build of another keyspace, or nowhere, is refused', async () => {
  const setup = await setUpBuild();
  const path = write(setup.folder, 'a.data', 'a 1\n');
  rmSync(pathIn(setup, 'stele-build.json'));
  const nobody = { master: '127.0.0.1:1' };
  await expect(setup.task([path], '1/1', nobody)).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: expect.stringMatching(/Run `stele keyspace create ks --out \S+` where/) as string,
  });
  await expect(setup.merge()).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await expect(setup.task([path], '1/1', { out: undefined })).rejects.toThrow('with --out');
});
