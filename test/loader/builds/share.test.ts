// How tasks share an input: each row is read by exactly one of them, whatever their number, and
// each reads about the same number of bytes.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { parsePart, rangeOfPart } from '../../../loader/builds/part.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { duckdb } from '../../support/inputs/duckdb.ts';
import { allTasks, setUpBuild, tasksOf, totalsOf } from './build-setup.ts';

const COUNTS = [1, 2, 3, 7, 40];

test('a part is named by schedulers that count from 0 and from 1', () => {
  expect(parsePart('3/8')).toEqual({ number: 3, count: 8 });
  expect(parsePart('0/8')).toEqual(parsePart('8/8'));
  expect(parsePart(undefined)).toEqual({ number: 1, count: 1 });
  for (const wrong of ['', '3', '9/8', '1/0', '-1/8', '1/2/3', 'a/b', '1/100001']) {
    expect(() => parsePart(wrong)).toThrow(/^--task: .* give it as I\/N/);
  }
});

test('the ranges of parts adjoin, for any number of parts', () => {
  for (const total of [0, 1, 7, 4096, 10 ** 15 + 1]) {
    for (const count of [1, 2, 3, 7, 49, 99_999]) {
      let end = 0;
      for (const number of [1, 2, count - 1, count]) {
        const range = rangeOfPart({ number: Math.max(1, number), count }, total);
        expect(range[0]).toBeLessThanOrEqual(range[1]);
        const before = Math.max(1, number) - 1;
        end = before === 0 ? 0 : rangeOfPart({ number: before, count }, total)[1];
        expect(range[0]).toBe(end);
      }
      expect(rangeOfPart({ number: count, count }, total)[1]).toBe(total);
    }
  }
});

/** Rows with line ends, quotes and delimiters in quotes, long and short ones. */
function hardCsv(rows: number, from: number): string {
  let text = 'id,text\n';
  for (let row = from; row < from + rows; row++) {
    const value = row % 3 === 0 ? `"line\n""${row}"",\nend"` : 'x'.repeat(row % 97);
    text += `key-${row},${value}\n`;
  }
  return text;
}

const lines = (rows: number): string =>
  Array.from({ length: rows }, (_, row) => `key-${row} ${'v'.repeat(row % 50)}\n`).join('');

const INPUTS: Readonly<Record<string, (folder: string) => Promise<string[]> | string[]>> = {
  'one text': (folder) => [file(folder, 'a.data', lines(900))],
  'a text with a row that is longer than a share': (folder) => [
    file(
      folder,
      'a.data',
      `${lines(30)}long ${'y'.repeat(3000)}\n${lines(5).replaceAll('k', 'K')}`,
    ),
  ],
  'csv with line ends in quotes, in two files': (folder) => [
    file(folder, 'a.csv', hardCsv(400, 0)),
    file(folder, 'b.csv', hardCsv(500, 400)),
  ],
  'compressed files beside others, and empty ones': (folder) => [
    file(folder, 'a.csv', hardCsv(50, 0)),
    file(folder, 'b.csv.gz', gzipSync(hardCsv(300, 50))),
    file(folder, 'c.csv', ''),
    file(folder, 'd.csv.gz', gzipSync(hardCsv(20, 350))),
    file(folder, 'e.csv', hardCsv(200, 370)),
  ],
  parquet: async (folder) => {
    const path = join(folder, 'a.parquet');
    await duckdb(
      `COPY (SELECT 'key-' || i AS id, repeat('v', CAST(i % 50 AS INT)) AS text FROM range(20000) t(i)) TO '${path}' (FORMAT parquet, ROW_GROUP_SIZE 2048)`,
    );
    return [path];
  },
};

function file(folder: string, name: string, content: string | Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

test.each(Object.entries(INPUTS))(
  'every row of %s is read once, by any number of tasks',
  async (_, make) => {
    const paths = await make(tempDir());
    const flags = { workers: 1, maxLinesPerValue: 5 };
    const all: unknown[] = [];
    for (const count of COUNTS) {
      const setup = await setUpBuild();
      await allTasks(setup, paths, count, flags);
      const tasks = await tasksOf(setup);
      expect(tasks.every(({ rejected }) => rejected === 0)).toBe(true);
      all.push(totalsOf(tasks));
    }
    expect(all).toEqual(COUNTS.map(() => all[0]));
    expect(all[0]).not.toMatchObject({ records: 0 });
  },
);

test('shares are balanced by bytes', async () => {
  const paths = [file(tempDir(), 'a.data', lines(3000)), file(tempDir(), 'b.data', lines(100))];
  const setup = await setUpBuild();
  const shares: number[] = [];
  for (const part of ['1/3', '2/3', '3/3']) shares.push((await setup.task(paths, part)).bytes);
  const total = shares.reduce((sum, bytes) => sum + bytes, 0);
  for (const bytes of shares) expect(Math.abs(bytes - total / 3)).toBeLessThan(100);
});

test('a stream has no shares, except where each task has its own standard input', async () => {
  const setup = await setUpBuild();
  const path = file(setup.folder, 'a.data', lines(3));
  await expect(setup.task(['-', path], '1/2')).rejects.toThrow('name no other inputs with it');
  await expect(setup.task(['/dev/null'], '1/2')).rejects.toThrow('tasks cannot share it');
});
