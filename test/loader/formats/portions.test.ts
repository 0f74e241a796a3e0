import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LINE_DIALECT } from '../../../loader/input/dialect.ts';
import type { InputFile } from '../../../loader/input/inputs.ts';
import { countPortions, cutIntoPortions, placedPieces } from '../../../loader/formats/chunks.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { failure, rowsText, setUp, write } from '../load-setup.ts';

const CHUNK_BYTES = 64 * 1024;

function inputsOf(sizes: readonly number[]): InputFile[] {
  const folder = tempDir();
  return sizes.map((rows, at) => {
    const path = write(folder, `${at}.data`, 'k '.padEnd(63, 'v').concat('\n').repeat(rows));
    const place = { path, readPath: path, isStream: false, compression: 'none' as const };
    const sizeBytes = rows * 64;
    return {
      ...place,
      sizeBytes,
      modifiedMs: 0,
      dialect: LINE_DIALECT,
      dataStart: 0,
      dataStartLine: 0,
    };
  });
}

it('portions hold every byte once, in order; small files together, and only small ones', () => {
  const sizes = fc.array(fc.oneof(fc.nat(8), fc.nat(3000)), { maxLength: 12 });
  fc.assert(
    fc.property(sizes, (rows) => {
      const inputs = inputsOf(rows);
      const portions = [...cutIntoPortions(inputs, CHUNK_BYTES)];
      expect(portions.map(({ index }) => index)).toEqual(portions.map((_, at) => at));
      let [file, at] = [0, 0];
      for (const portion of portions) {
        let base = 0;
        for (const piece of placedPieces(portion)) {
          expect(piece.base).toBe(base);
          base += piece.end - piece.start;
          if (piece.file !== file) {
            expect(at).toBe(inputs[file]!.sizeBytes);
            const between = inputs.slice(file + 1, piece.file);
            expect(between.every(({ sizeBytes }) => sizeBytes === 0)).toBe(true);
            [file, at] = [piece.file, 0];
          }
          expect(piece.start).toBe(at);
          at = piece.end;
        }
        expect(portion.byteCount).toBe(base);
        if (portion.pieces.length > 1) expect(base).toBeLessThanOrEqual(CHUNK_BYTES);
      }
      const total = inputs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
      expect(portions.reduce((sum, { byteCount }) => sum + byteCount, 0)).toBe(total);
      expect(countPortions(inputs, CHUNK_BYTES)).toBeGreaterThanOrEqual(portions.length);
    }),
    { numRuns: 40 },
  );
});

describe('many small files', () => {
  it('become few runs, and the same version as one file of their rows', async () => {
    const { folder, load, master } = await setUp();
    const { pairs, text } = rowsText(4000);
    const { digest } = await load([write(folder, 'one.data', text)]);
    const parts = join(folder, 'parts');
    mkdirSync(parts);
    const lines = text.trimEnd().split('\n');
    for (let part = 0; part < 400; part++) {
      // Every third has no line end at its end.
      const rows = lines.slice(part * 10, part * 10 + 10).join('\n');
      writeFileSync(join(parts, `${1000 + part}.data`), part % 3 === 0 ? rows : `${rows}\n`);
    }
    let runs: string[] = [];
    master.beforeCommit = () => {
      const [work = ''] = readdirSync(join(folder, 'work'));
      runs = readdirSync(join(folder, 'work', work, 'runs'));
      throw new Error('not now');
    };
    await failure(load([parts]));
    expect(runs).toEqual(['000000.run']);
    master.beforeCommit = () => undefined;
    expect(await load([parts])).toMatchObject({ digest, rows: 4000, chunksResumed: 1 });
    expect(master.pairs()).toEqual(pairs);
    expect((await load([parts], { skipIfCurrent: true })).alreadyCurrent).toBe(true);
  });

  it('are parsed each for itself: an open quote does not reach into the next file', async () => {
    const { folder, load } = await setUp();
    const parts = join(folder, 'parts');
    mkdirSync(parts);
    write(parts, '1.csv', 'id,name\n1,"open\n');
    write(parts, '2.csv', 'id,name\n2,"two\nlines"\n3,three\n');
    write(parts, '3.csv', 'id,name\n4,four"\n5,five\n');
    const rejects = join(folder, 'rejects.csv');
    const summary = await load([parts], { maxRejects: 2, rejects });
    expect(summary).toMatchObject({ rows: 5, loaded: 3, rejected: 2 });
    expect(readFileSync(rejects, 'utf8')).toBe('id,name\n1,"open\n4,four"\n');
    const reasons = readFileSync(`${rejects}.reasons.jsonl`, 'utf8').trimEnd().split('\n');
    expect(reasons.map((line) => JSON.parse(line) as object)).toMatchObject([
      { file: join(parts, '1.csv'), offset: 8, line: 2 },
      { file: join(parts, '3.csv'), offset: 8, line: 2 },
    ]);
    const error = await failure(load([parts]));
    expect(error.message).toContain(`${join(parts, '1.csv')} at byte 8`);
  });

  it('of one hash tag are told to make one large shard', async () => {
    const { folder, load } = await setUp();
    const text = Array.from({ length: 1000 }, (_, row) => `user:{7}:${row} value\n`).join('');
    const notices: string[] = [];
    const onNotice = (sentence: string): void => void notices.push(sentence);
    await load([write(folder, 'a.data', text)], {}, { onNotice });
    expect(notices).toEqual([
      expect.stringMatching(/^shard \d gets 100% of all bytes, .*the same hash tag/),
    ]);
  });

  it('with two values of one key: both are told with file, byte and line, and the order counts', async () => {
    const { folder, load, master } = await setUp();
    const parts = join(folder, 'parts');
    mkdirSync(parts);
    write(parts, '1.csv', 'id,name\nx,1\na,one\n');
    write(parts, '2.csv', 'id,name\ny,2\nz,3\na,two\n');
    const error = await failure(load([parts]));
    expect(error.message).toContain(
      `'one' in ${join(parts, '1.csv')} at byte 12 (line 3), and 'two' in ${join(parts, '2.csv')} at byte 16 (line 4)`,
    );
    await load([parts], { onConflict: 'first' });
    expect(master.pairs().get('a')).toBe('one');
    await load([parts], { onConflict: 'last' });
    expect(master.pairs().get('a')).toBe('two');
  });
});
