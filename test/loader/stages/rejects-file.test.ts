import {
  linkSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { LINE_DIALECT } from '../../../loader/input/dialect.ts';
import type { LoadJob } from '../../../loader/stages/load-job.ts';
import type { Portion } from '../../../loader/formats/chunks.ts';
import { newParseScratch, runParseTask } from '../../../loader/threads/parse-task.ts';
import { writeRejects } from '../../../loader/stages/rejects-file.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { failure, setUp, write } from '../load-setup.ts';

interface Reason {
  readonly file: string;
  readonly offset: number;
  readonly bytes: number;
  readonly line: number;
  readonly reason: string;
}

function reasonsOf(path: string): Reason[] {
  const text = readFileSync(`${path}.reasons.jsonl`, 'utf8').trimEnd();
  return text === '' ? [] : text.split('\n').map((line) => JSON.parse(line) as Reason);
}

describe('--rejects', () => {
  it('holds every bad row byte for byte, however many and long, each with its place', async () => {
    const { folder, load } = await setUp();
    const long = Buffer.concat([Buffer.alloc(9000, 'x'), Buffer.from([0xff, 0x00, 0xfe])]);
    const parts: Buffer[] = [];
    const bad: Buffer[] = [];
    for (let row = 0; row < 60_000; row++) {
      if (row % 2 === 0) parts.push(Buffer.from(`key${row} value\n`));
      else bad.push(row === 777 ? long : Buffer.from(`no-space-in-${row}`));
      if (row % 2 === 1) parts.push(bad.at(-1)!, Buffer.from('\n'));
    }
    const bytes = Buffer.concat(parts);
    const file = write(folder, 'a.data', bytes);
    const rejects = join(folder, 'rejects.data');
    const summary = await load([file], { rejects, maxRejects: 30_000 });
    expect(summary).toMatchObject({ rows: 60_000, loaded: 30_000, rejected: 30_000 });
    const expected = Buffer.concat(bad.flatMap((raw) => [raw, Buffer.from('\n')]));
    expect(readFileSync(rejects).equals(expected)).toBe(true);
    const reasons = reasonsOf(rejects);
    expect(reasons).toHaveLength(30_000);
    reasons.forEach(({ bytes: length, line, offset }, row) => {
      expect(line).toBe(2 * row + 2);
      expect(bytes.subarray(offset, offset + length).equals(bad[row]!)).toBe(true);
    });
  });

  it('never overwrites an input, whatever it is called, nor lies in a folder that is loaded', async () => {
    const { folder, load } = await setUp();
    const inputs = join(folder, 'inputs');
    mkdirSync(inputs);
    const file = write(inputs, 'a.data', 'k v\nbad\n');
    const before = readFileSync(file);
    symlinkSync(file, join(folder, 'symbolic'));
    linkSync(file, join(folder, 'hard'));
    linkSync(file, join(folder, 'other.reasons.jsonl'));
    for (const name of ['inputs/a.data', 'symbolic', 'hard', 'other']) {
      const options = { rejects: join(folder, name), maxRejects: 1 };
      const error = await failure(load([file], options));
      expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' });
      expect(error.message).toContain('is an input');
      expect(readFileSync(file).equals(before)).toBe(true);
    }
    const within = { rejects: join(inputs, 'rejects'), maxRejects: 1 };
    expect(await failure(load([inputs], within))).toMatchObject({ code: 'INVALID_ARGUMENT' });
    await load([file], within);
  });

  it('is the same whatever the chunks, with lines counted over them and over files', async () => {
    const { folder, load } = await setUp();
    const rows = (name: string): string =>
      Array.from({ length: 9000 }, (_, row) =>
        row % 100 === 5 ? `"${name} two\r\nlines ${row}",b,c\r\n` : `"${name}${row}",value\r\n`,
      ).join('');
    const files = ['a', 'b'].map((name) => write(folder, `${name}.csv`, `key,v\r\n${rows(name)}`));
    const seen: unknown[] = [];
    for (const chunkSize of ['64KiB', '16MiB']) {
      const rejects = join(folder, `rejects-${chunkSize}.csv`);
      await load(files, { rejects, maxRejects: 200, chunkSize });
      seen.push([readFileSync(rejects, 'latin1'), reasonsOf(rejects)]);
    }
    expect(seen[0]).toEqual(seen[1]);
    const [text, reasons] = seen[0] as [string, Reason[]];
    expect(text.slice(0, 57)).toBe(
      'key,v\r\n"a two\r\nlines 5",b,c\r\n"a two\r\nlines 105",b,c\r\n"a t',
    );
    expect(reasons.slice(0, 2).map(({ line }) => line)).toEqual([7, 108]);
    expect(reasons[90]).toMatchObject({ file: files[1], line: 7 });
  });

  it('can be corrected and loaded', async () => {
    const { folder, load, master } = await setUp();
    const file = write(folder, 'a.csv', 'id,name\n1,one\n2\n3,three\n,none\n');
    const rejects = join(folder, 'rejects.csv');
    await load([file], { rejects, maxRejects: 2 });
    const text = readFileSync(rejects, 'utf8');
    expect(text).toBe('id,name\n2\n,none\n');
    writeFileSync(rejects, text.replace('\n2\n', '\n2,two\n').replace(',none', '4,none'));
    await load([file, rejects], { maxRejects: 2 });
    expect(Object.fromEntries(master.pairs())).toEqual({
      1: 'one',
      2: 'two',
      3: 'three',
      4: 'none',
    });
  });

  it('is empty when no row is bad, even if there was such a file before', async () => {
    const { folder, load } = await setUp();
    const rejects = write(folder, 'rejects.csv', 'of yesterday');
    await load([write(folder, 'a.csv', 'id,name\n1,one\n')], { rejects });
    expect([readFileSync(rejects, 'utf8'), reasonsOf(rejects)]).toEqual(['', []]);
  });

  it('is refused where it would overwrite an input, mix formats, or cannot be written', async () => {
    const { folder, load } = await setUp();
    const file = write(folder, 'a.csv', 'id,name\n1,one\n');
    const other = write(folder, 'b.data', 'a 1\n');
    const rejects = join(folder, 'rejects');
    const cases: [string[], string, string, string][] = [
      [[file], file, 'INVALID_ARGUMENT', 'is an input'],
      [[file, other], rejects, 'INVALID_ARGUMENT', 'several (csv, line)'],
      [[file], join(folder, 'none', 'x'), 'IO', 'cannot be written'],
    ];
    for (const [paths, path, code, text] of cases) {
      const error = await failure(load(paths, { rejects: path }));
      expect([error.code, error.message]).toEqual([code, expect.stringContaining(text)]);
    }
    expect(readFileSync(file, 'utf8')).toBe('id,name\n1,one\n');
  });

  it('notices a chunk that changed since it was parsed, even of the same size and time', async () => {
    const folder = tempDir();
    const path = write(folder, 'a.data', 'a 1\nbad\nb 2\n');
    const dialect = LINE_DIALECT;
    const piece = { index: 0, file: 0, start: 0, end: 12 };
    const portion: Portion = { index: 0, pieces: [piece], byteCount: 12 };
    const binding = '00'.repeat(16);
    const common = { dialect, shardCount: 4, binding };
    const pieces = [{ ...piece, readPath: path }];
    const task = { ...common, index: 0, pieces, runFolder: folder, mayResume: false };
    const parsed = { ...runParseTask(task, newParseScratch()), portion };
    const input = { ...common, path, readPath: path, dataStart: 0, dataStartLine: 0 };
    const prepared = { inputs: [input] } as unknown as LoadJob['prepared'];
    const state = { ...common, prepared, folder: { runs: folder } } as unknown as LoadJob;
    const rejects = join(folder, 'rejects');
    await writeRejects(state, [parsed], rejects);
    expect(readFileSync(rejects, 'utf8')).toBe('bad\n');
    writeFileSync(path, 'a 1\nBAD\nb 2\n');
    const error = await failure(writeRejects(state, [parsed], rejects));
    expect(error.code).toBe('INPUT_CHANGED');
  });

  it('survives a run whose end was damaged between two tries', async () => {
    const { folder, load, master } = await setUp();
    const file = write(folder, 'a.data', 'a 1\nbad\nb 2\n');
    master.beforeCommit = () => {
      throw new Error('not now');
    };
    const rejects = join(folder, 'rejects');
    await failure(load([file], { rejects, maxRejects: 1 }));
    master.beforeCommit = () => undefined;
    const [work = ''] = readdirSync(join(folder, 'work'));
    const run = join(folder, 'work', work, 'runs', '000000.run');
    const bytes = readFileSync(run);
    bytes[bytes.length - 1]! ^= 1;
    writeFileSync(run, bytes);
    expect(await load([file], { rejects, maxRejects: 1 })).toMatchObject({ chunksResumed: 1 });
    expect(readFileSync(rejects, 'utf8')).toBe('bad\n');
  });
});
