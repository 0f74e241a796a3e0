import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { cutIntoChunks } from '../../loader/chunks.ts';
import { LINE_DIALECT, delimitedDialect } from '../../loader/dialect.ts';
import type { Dialect } from '../../loader/dialect.ts';
import { parseChunk } from '../../loader/parse-chunk.ts';
import { newParseContext } from '../../loader/parse-context.ts';
import type { InputFile } from '../../loader/inputs.ts';
import { tempDir } from '../support/temp-dir.ts';
import { rejectsOf, rowsOf, runs } from './rows.ts';

const CSV = delimitedDialect('csv', ['k', 'v'], false, true, { key: undefined, value: undefined });

function inputOf(path: string, bytes: Buffer, dialect: Dialect, dataStart = 0): InputFile {
  writeFileSync(path, bytes);
  const file = { path, readPath: path, compression: 'none', modifiedMs: 0, dialect } as const;
  return { ...file, sizeBytes: bytes.length, dataStart, dataStartLine: 0 };
}

function parseAll(input: InputFile, bytes: Buffer, chunkBytes: number) {
  const context = newParseContext(input.dialect, 16);
  const rows: [string, string][] = [];
  const rejects: [number, string][] = [];
  for (const { end, start } of cutIntoChunks([input], chunkBytes)) {
    const chunk = bytes.subarray(start, end);
    parseChunk(context, chunk);
    rows.push(...rowsOf(context));
    for (const { offset, reason } of rejectsOf(context, chunk, start)) {
      rejects.push([offset, reason]);
    }
  }
  return { rows, rejects };
}

it('chunks cover the data without a gap and end at line ends', () => {
  const bytes = Buffer.from('head\naa 1\nbbbb 2\nc 3\nno newline at the end');
  const input = inputOf(join(tempDir(), 'in'), bytes, LINE_DIALECT, 5);
  for (let chunkBytes = 1; chunkBytes < 50; chunkBytes++) {
    const chunks = [...cutIntoChunks([input, input], chunkBytes)];
    expect(chunks.map(({ index }) => index)).toEqual([...chunks.keys()]);
    for (const file of [0, 1]) {
      const own = chunks.filter((chunk) => chunk.file === file);
      expect(own[0]?.start).toBe(5);
      expect(own.at(-1)?.end).toBe(bytes.length);
      own.slice(1).forEach((chunk, before) => {
        expect(chunk.start).toBe(own[before]?.end);
        expect(bytes[chunk.start - 1]).toBe(0x0a);
      });
    }
  }
});

it('the rows and rejects of any csv do not depend on where it was cut', () => {
  const path = join(tempDir(), 'in.csv');
  const unit = fc.constantFrom(
    'a',
    'b',
    ',',
    '"',
    '""',
    '\n',
    '\r\n',
    'é',
    ',"',
    '",',
    '"\n',
    '\n"',
  );
  fc.assert(
    fc.property(
      fc.array(unit, { maxLength: 40 }),
      fc.integer({ min: 1, max: 30 }),
      (units, size) => {
        const bytes = Buffer.from(units.join(''));
        const input = inputOf(path, bytes, CSV);
        const whole = parseAll(input, bytes, 1_000_000);
        expect(parseAll(input, bytes, size)).toEqual(whole);
      },
    ),
    runs(250),
  );
});
