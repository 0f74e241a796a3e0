import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { newBuildScratch, runBuildTask } from '../../../loader/threads/build-task.ts';
import { LINE_DIALECT } from '../../../loader/input/dialect.ts';
import { newParseScratch, runParseTask } from '../../../loader/threads/parse-task.ts';
import type { ParseTask } from '../../../loader/threads/parse-task.ts';
import { openRun, runHeaderBytes, runPath } from '../../../loader/runs/run-file.ts';
import { tempDir } from '../../support/temp-dir.ts';

const BINDING = 'ab'.repeat(16);
const SHARDS = 4;

function parsed(text: string): { folder: string; task: ParseTask } {
  const folder = tempDir();
  const readPath = join(folder, 'in.data');
  writeFileSync(readPath, text);
  const task: ParseTask = {
    index: 0,
    pieces: [{ readPath, start: 0, end: text.length }],
    dialect: LINE_DIALECT,
    shardCount: SHARDS,
    runFolder: folder,
    binding: BINDING,
    mayResume: false,
  };
  return { folder, task };
}

function build(folder: string, shard: number, runCount = 1) {
  const keyspaceUid = '0011223344556677';
  const task = { shard, shardCount: SHARDS, keyspaceUid, runFolder: folder, runCount };
  return runBuildTask({ ...task, onConflict: 'error', binding: BINDING }, newBuildScratch());
}

const TEXT = Array.from({ length: 200 }, (_, row) => `key${row} value ${row}\n`).join('');

it('a run holds every row once, in the section of its shard', () => {
  const { folder, task } = parsed(TEXT);
  const outcome = runParseTask(task, newParseScratch());
  expect(outcome).toMatchObject({ rowCount: 200, rejectedCount: 0, lineCount: 200 });
  const built = Array.from({ length: SHARDS }, (_, shard) => build(folder, shard));
  expect(built.reduce((sum, { segment }) => sum + (segment?.records ?? 0), 0)).toBe(200);
});

it('any flipped byte of header or sections is found before a segment is built from it', () => {
  const { folder, task } = parsed(TEXT);
  runParseTask(task, newParseScratch());
  const path = runPath(folder, 0);
  const good = readFileSync(path);
  for (let at = 0; at < good.length; at += at < 200 ? 1 : 37) {
    const bad = Buffer.from(good);
    bad[at]! ^= 0x10;
    writeFileSync(path, bad);
    const damaged = Array.from({ length: SHARDS }, (_, shard) => build(folder, shard).damagedRun);
    expect([at, damaged.includes(0)]).toEqual([at, true]);
  }
});

it('a run cut short anywhere is found, and one of another load or chunk is refused', () => {
  const { folder, task } = parsed(TEXT);
  runParseTask(task, newParseScratch());
  const path = runPath(folder, 0);
  const good = readFileSync(path);
  const lengths = [0, 1, runHeaderBytes(SHARDS) - 1, runHeaderBytes(SHARDS), good.length - 10];
  for (const length of lengths) {
    writeFileSync(path, good.subarray(0, length));
    const damaged = Array.from({ length: SHARDS }, (_, shard) => build(folder, shard).damagedRun);
    expect([length, damaged.includes(0)]).toEqual([length, true]);
  }
  writeFileSync(path, good);
  copyFileSync(path, runPath(folder, 1));
  const binding = Buffer.from(BINDING, 'hex');
  expect(() => openRun(folder, binding, 1, SHARDS)).toThrow('not of this load');
  expect(() => openRun(folder, Buffer.alloc(16), 0, SHARDS)).toThrow('not of this load');
  expect(() => openRun(folder, binding, 2, SHARDS)).toThrow('is gone');
});

it('a run is used again only while the chunk has the bytes that it was made of', () => {
  const { task } = parsed(TEXT);
  const scratch = newParseScratch();
  expect(runParseTask({ ...task, mayResume: true }, scratch).isResumed).toBe(false);
  expect(runParseTask({ ...task, mayResume: true }, scratch).isResumed).toBe(true);
  writeFileSync(task.pieces[0]!.readPath, TEXT.replace('value 7\n', 'value 8\n'));
  expect(runParseTask({ ...task, mayResume: true }, scratch).isResumed).toBe(false);
});

it('an input that became shorter is an error, not a shorter chunk', () => {
  const { task } = parsed(TEXT);
  writeFileSync(task.pieces[0]!.readPath, TEXT.slice(0, 100));
  expect(() => runParseTask(task, newParseScratch())).toThrow('became shorter');
});
