// Damaged files, and files that change during a load: a helpful sentence, exit code 1, nothing
// visible, and the next load reads the files as they are then.

import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestCluster, summaryOf } from '../../support/process/cluster.ts';
import { steleShared } from '../../support/process/shared-process.ts';
import type { Done } from '../../support/process/shared-process.ts';
import { SteleProcess, until, sentencesOf } from '../../support/process/stele-process.ts';
import { ZSTD_FRAMES } from '../../support/inputs/zstd-frames.ts';

const folder = mkdtempSync(join(tmpdir(), 'stele-badload-'));
let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.borrow(1);
}, 60_000);

afterAll(async () => {
  await cluster?.close();
  rmSync(folder, { recursive: true, force: true });
}, 30_000);

function inputFile(name: string, content: string | Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

/** Each load has its own work folder, because the tests examine what is left there. */
function wordsOf(keyspace: string, paths: readonly string[], flags: readonly string[]): string[] {
  return cluster.loadArguments(keyspace, paths, ['--work-dir', workDir(keyspace), ...flags]);
}

const workDir = (keyspace: string): string => join(folder, `work-${keyspace}`);

function leftBehind(keyspace: string): string[] {
  return existsSync(workDir(keyspace)) ? readdirSync(workDir(keyspace)) : [];
}

function load(keyspace: string, paths: readonly string[], ...flags: string[]): Promise<Done> {
  return steleShared(wordsOf(keyspace, paths, flags));
}

/** One sentence, no stack trace, and nothing of the load is visible. */
async function expectRefused(done: Done, keyspace: string, pattern: RegExp): Promise<void> {
  const sentences = sentencesOf(done.stderr).replace(/^\{.*\n/gm, '');
  expect(sentences).toMatch(/^(?:stele: [^\n]+\n)+$/);
  expect(sentences).toMatch(pattern);
  expect(done.code).toBe(1);
  expect(await version(keyspace)).toBe(0);
}

async function version(keyspace: string): Promise<number> {
  const answer = (await cluster.json(`/v1/keyspaces/${keyspace}`)) as { current_version?: number };
  return answer.current_version ?? 0;
}

async function value(keyspace: string, key: string): Promise<string | undefined> {
  const response = await fetch(cluster.url(`/v1/keyspaces/${keyspace}/keys/${key}`));
  return response.ok ? await response.text() : undefined;
}

describe('a damaged file', () => {
  const gz = gzipSync('key value\n'.repeat(5000), { level: 1 });
  const zst = ZSTD_FRAMES[0]?.bytes ?? Buffer.alloc(0);
  const flipped = Buffer.from(zst);
  flipped[50] = (flipped[50] ?? 0) ^ 1;

  test.for([
    [
      'cut.data.gz',
      gz.subarray(0, -7),
      new RegExp(`ends too soon, at byte ${gz.length - 7} of it`),
    ],
    ['tail.data.gz', Buffer.concat([gz, Buffer.from('rest')]), /bytes that are not gzip follow/],
    ['flipped.data.zst', flipped, /is damaged: .* in the frame at byte 0 of it/],
    ['cut.data.zst', zst.subarray(0, -2), /ends inside a frame at byte \d+ of it/],
  ] as const)('is told with the place: %s', async ([name, bytes, place]) => {
    const keyspace = name.replaceAll('.', '-');
    const done = await load(keyspace, [inputFile(name, bytes)]);
    await expectRefused(done, keyspace, new RegExp(`'[^']*${name}' is damaged: `));
    expect(done.stderr).toMatch(place);
    expect(leftBehind(keyspace)).toEqual([]);
  });
});

describe('a folder of several formats', () => {
  test('is read file by file; files that are not data are skipped, and reported', async () => {
    const path = mkdtempSync(join(folder, 'mixed-'));
    writeFileSync(join(path, 'a.csv'), 'id,name\n1,"o,ne"\n');
    writeFileSync(join(path, 'b.data'), '2 two\n');
    writeFileSync(join(path, 'c.jsonl.gz'), gzipSync('{"key":3,"value":"three"}\n'));
    writeFileSync(join(path, 'd.tsv'), 'id\tname\n4\tfour\n');
    for (const name of ['_SUCCESS', 'notes.pdf', '.a.csv.crc'])
      writeFileSync(join(path, name), 'x');
    const done = await load('mixed', [path]);
    expect(summaryOf(done.stdout)).toMatchObject({ rows: 4, loaded: 4, rejected: 0 });
    expect(await Promise.all(['1', '2', '3', '4'].map((key) => value('mixed', key)))).toEqual([
      ...['o,ne', 'two', 'three', 'four'],
    ]);
    expect(done.stderr).toContain('notes.pdf');
  });

  test('of files that disagree is refused, and the file is named', async () => {
    const path = mkdtempSync(join(folder, 'disagree-'));
    writeFileSync(join(path, 'a.csv'), 'id,name\n1,one\n');
    writeFileSync(join(path, 'b.csv'), 'id,name,city\n2,two,x\n');
    await expectRefused(await load('disagree', [path]), 'disagree', /b\.csv/);
  });
});

const ROWS = 3000;
const rowsOf = (mark: string): string =>
  Array.from({ length: ROWS }, (_, row) => `key-${row} value ${mark} of row ${row}\n`).join('');

/** A possible change of a file, and a row of the changed file, or undefined if the file is gone. */
const CHANGES: Record<string, { change: (path: string) => void; row?: [string, string] }> = {
  grows: { change: (path) => appendFileSync(path, 'one-more row\n'), row: ['one-more', 'row'] },
  shrinks: {
    change: (path) => truncateSync(path, rowsOf('a').indexOf('key-2500 ')),
    row: ['key-2499', 'value a of row 2499'],
  },
  'is-replaced': {
    change: (path) => {
      writeFileSync(`${path}.new`, rowsOf('b'));
      renameSync(`${path}.new`, path);
    },
    row: ['key-7', 'value b of row 7'],
  },
  'is-gone': { change: (path) => rmSync(path) },
};

describe.each(Object.entries(CHANGES))('a file that %s', (name, { change, row }) => {
  const slow = ['--max-bytes-per-second', '64KiB', '--chunk-size', '64KiB'];

  /** The next load reads the file as it is then, whatever it was before. */
  async function expectLoads(keyspace: string, path: string): Promise<void> {
    if (row === undefined) return;
    const done = await load(keyspace, [path]);
    const rowCount = readFileSync(path, 'utf8').split('\n').length - 1;
    expect(summaryOf(done.stdout)).toMatchObject({ rows: rowCount, loaded: rowCount });
    expect(await value(keyspace, row[0])).toBe(row[1]);
    expect(await value(keyspace, 'key-2500')).toBe(
      name === 'shrinks' ? undefined : `value ${name === 'is-replaced' ? 'b' : 'a'} of row 2500`,
    );
    expect(leftBehind(keyspace)).toEqual([]);
  }

  test('after it was inspected, before it is read', async () => {
    const keyspace = `early-${name}`;
    const path = inputFile(`${keyspace}.data`, rowsOf('a'));
    // The load waits for the master's answer between inspecting the file and reading it.
    cluster.pause('master');
    const running = new SteleProcess(wordsOf(keyspace, [path], []));
    try {
      await until('the work folder', () => leftBehind(keyspace).length > 0);
      change(path);
    } finally {
      cluster.resume('master');
    }
    const done = await running.finished();
    await expectRefused(
      done,
      keyspace,
      /'[^']*early-[^']*' (?:changed while it was being loaded|is gone since the load began), so nothing was committed; /,
    );
    await expectLoads(keyspace, path);
  }, 60_000);

  test('while its shards are sent', async () => {
    const keyspace = `late-${name}`;
    const path = inputFile(`${keyspace}.data`, rowsOf('a'));
    const running = new SteleProcess(wordsOf(keyspace, [path], slow));
    await until('the first shard', () => steps(keyspace).includes('"shard"'));
    change(path);
    const done = await running.finished();
    await expectRefused(
      done,
      keyspace,
      /(?:changed while|is gone since) .*, so nothing was committed; load it again/,
    );
    await expectLoads(keyspace, path);
  }, 60_000);

  test('between an interruption and the next try', async () => {
    const keyspace = `between-${name}`;
    const path = inputFile(`${keyspace}.data`, rowsOf('a'));
    const running = new SteleProcess(wordsOf(keyspace, [path], slow));
    await until('the first shard', () => steps(keyspace).includes('"shard"'));
    const { code, stderr } = await running.kill('SIGINT');
    expect(code).toBe(130);
    expect(JSON.parse(stderr.trim().split('\n').at(-1) ?? '')).toEqual({
      error: {
        code: 'CANCELLED',
        message: expect.stringMatching(
          /^Interrupted; nothing of it is visible\. To resume it: stele load /,
        ) as unknown,
      },
    });
    expect(leftBehind(keyspace)).toHaveLength(1);
    const { atime, mtime, size } = statSync(path);
    change(path);
    // The hardest kind of replacement: only the content differs.
    if (name === 'is-replaced') {
      expect(statSync(path).size).toBe(size);
      utimesSync(path, atime, mtime);
    }
    if (row === undefined)
      await expectRefused(await load(keyspace, [path]), keyspace, /There is no/);
    await expectLoads(keyspace, path);
  }, 60_000);
});

/** The checkpoint of the one load of a keyspace. */
function steps(keyspace: string): string {
  const [name] = leftBehind(keyspace);
  const path = join(workDir(keyspace), name ?? '', 'checkpoint.log');
  return name !== undefined && existsSync(path) ? readFileSync(path, 'utf8') : '';
}
