import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { lockFolder } from '../../../base/disk/folder-lock.ts';
import { clearWork, listWork } from '../../../loader/work/work-list.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { failure, rowsText, setUp, write } from '../load-setup.ts';
import type { Setup } from '../load-setup.ts';

/** A load of two chunks and eight shards that the master did not commit. */
async function interrupted(): Promise<Setup & { file: string; workDir: string; id: string }> {
  const setup = await setUp();
  const file = write(setup.folder, 'a.data', rowsText(2000).text);
  setup.master.beforeCommit = () => {
    throw new Error('not now');
  };
  await failure(setup.load([file], { chunkSize: '64KiB' }));
  setup.master.beforeCommit = () => undefined;
  const [id = ''] = setup.leftBehind();
  return { ...setup, file, workDir: join(setup.folder, 'work'), id };
}

describe('--list-work', () => {
  it('tells keyspace, input, size, stage and that it can be resumed', async () => {
    const { file, id, workDir } = await interrupted();
    const [entry, ...others] = listWork(workDir, Date.now());
    expect(others).toEqual([]);
    expect(entry).toMatchObject({
      id,
      keyspace: 'ks',
      paths: [file],
      stage: 'committing',
      isRunning: false,
      isResumable: true,
      state: 'resumable',
    });
    expect(entry?.bytes).toBeGreaterThan(50_000);
    expect(entry?.idleMs).toBeLessThan(60_000);
  });

  it('tells why one cannot be resumed', async () => {
    const { file, id, workDir } = await interrupted();
    const state = (): string | undefined => listWork(workDir, Date.now())[0]?.state;
    appendFileSync(file, 'x 1\n');
    expect(state()).toBe(`'${file}' changed since`);
    rmSync(file);
    expect(state()).toBe(`'${file}' is gone`);
    writeFileSync(join(workDir, id, 'checkpoint.log'), 'damaged');
    expect(state()).toBe('its checkpoint cannot be used: its beginning is damaged');
    rmSync(join(workDir, id, 'checkpoint.log'));
    expect(state()).toBe('nothing is done yet');
    const lock = lockFolder(join(workDir, id), 'load');
    expect(state()).toBe(`running (process ${process.pid})`);
    lock.release();
  });

  it('lists nothing of a folder that is not there, or is not of loads', () => {
    const folder = tempDir();
    expect(listWork(join(folder, 'none'), 0)).toEqual([]);
    mkdirSync(join(folder, 'photos'));
    write(folder, 'notes.txt', 'x');
    expect(listWork(folder, 0)).toEqual([]);
    expect(clearWork(folder, 'all', 0)).toEqual([]);
    expect(readdirSync(folder)).toEqual(['notes.txt', 'photos']);
    expect(() => clearWork(folder, 'photos', 0)).toThrow('There is no work folder');
    expect(() => clearWork(folder, '..', 0)).toThrow('There is no work folder');
  });
});

describe('--clear-work', () => {
  it('deletes one by its id, or all, and the load begins afresh', async () => {
    const { file, id, load, workDir } = await interrupted();
    expect(clearWork(workDir, id, Date.now()).map((entry) => entry.id)).toEqual([id]);
    expect(readdirSync(workDir)).toEqual([]);
    const summary = await load([file], { chunkSize: '64KiB' });
    expect(summary).toMatchObject({ chunksResumed: 0, shardsResumed: 0 });
  });

  it('never deletes one that a load is running in', async () => {
    const { id, workDir } = await interrupted();
    const path = join(workDir, id);
    const lock = lockFolder(path, 'load');
    expect(() => clearWork(workDir, id, Date.now())).toThrow('A load is running');
    const other = join(workDir, 'dry-0123456789abcdef-4711');
    mkdirSync(other);
    expect(clearWork(workDir, 'all', Date.now()).map((entry) => entry.path)).toEqual([other]);
    expect([existsSync(join(path, 'checkpoint.log')), existsSync(other)]).toEqual([true, false]);
    lock.release();
  });
});

describe('what an interrupted load has left', () => {
  const noticed = async (
    { file, load }: { file: string; load: Setup['load'] },
    flags: Record<string, unknown> = {},
  ): Promise<string[]> => {
    const notices: string[] = [];
    const onNotice = (text: string): void => void notices.push(text);
    await load([file], { chunkSize: '64KiB', ...flags }, { onNotice });
    return notices;
  };

  it('is told when it is taken up', async () => {
    const notices = await noticed(await interrupted());
    expect(notices).toEqual(['resuming: 2 of 2 chunks, 8 of 8 shards']);
  });

  it('is told when it is discarded, and why', async () => {
    const discarded = 'what an earlier load left is discarded';
    expect(await noticed(await interrupted(), { noResume: true })).toEqual([
      `${discarded}, as --no-resume says`,
    ]);
    expect(await noticed(await interrupted(), { chunkSize: '80KiB' })).toEqual([
      `${discarded}: the input, its dialect or the chunk size has changed since`,
    ]);
    const damaged = await interrupted();
    writeFileSync(join(damaged.workDir, damaged.id, 'checkpoint.log'), 'damaged\n');
    expect(await noticed(damaged)).toEqual([`${discarded} (its beginning is damaged)`]);
    const foreign = await interrupted();
    foreign.master.forgetLoads();
    foreign.master.shardCount = 16;
    expect(await noticed(foreign)).toEqual([
      'the master no longer knows the earlier load; its parsed chunks are used again',
      `${discarded}: the cluster has another number of shards than that was made for`,
    ]);
  });

  it('keeps of a damaged checkpoint what stands before the damage, and tells', async () => {
    const setup = await interrupted();
    const path = join(setup.workDir, setup.id, 'checkpoint.log');
    const [header = '', first = '', ...rest] = readFileSync(path, 'utf8').split('\n');
    writeFileSync(path, [header, first, 'damaged', ...rest].join('\n'));
    expect(await noticed(setup)).toEqual([
      expect.stringMatching(
        /^\d+ steps of an earlier load are done again: its checkpoint is damaged$/,
      ),
      'resuming: 1 of 2 chunks, 0 of 8 shards',
    ]);
  });
});
