import { statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cutIntoChunks } from '../../../loader/formats/chunks.ts';
import { LINE_DIALECT, delimitedDialect, jsonlDialect } from '../../../loader/input/dialect.ts';
import type { Dialect } from '../../../loader/input/dialect.ts';
import { parseChunk } from '../../../loader/formats/parse-chunk.ts';
import { newParseContext } from '../../../loader/parse/parse-context.ts';
import type { InputFile } from '../../../loader/input/inputs.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { rejectsOf, rowsOf, runs } from '../rows.ts';

const NO_CHOICE = { key: undefined, value: undefined };
const TSV = delimitedDialect('tsv', ['k', 'v'], false, true, NO_CHOICE);
const JSONL = jsonlDialect(NO_CHOICE);
const CSV = delimitedDialect('csv', ['k', 'v'], false, true, NO_CHOICE);

function inputOf(path: string, bytes: Buffer, dialect: Dialect, dataStart = 0): InputFile {
  writeFileSync(path, bytes);
  const file = {
    path,
    readPath: path,
    compression: 'none',
    isStream: false,
    modifiedMs: 0,
    dialect,
  } as const;
  return { ...file, sizeBytes: bytes.length, dataStart, dataStartLine: 0 };
}

function parseAll(input: InputFile, bytes: Buffer, chunkBytes: number) {
  const context = newParseContext(input.dialect, 16);
  const rows: [string, string][] = [];
  const rejects: [number, string][] = [];
  for (const { end, start } of cutIntoChunks([input], chunkBytes)) {
    const chunk = bytes.subarray(start, end);
    parseChunk(context, Buffer.from(chunk));
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
        for (const rules of [{}, { linesPerValueMax: 1 }, { trims: true }, { comment: 'a' }]) {
          const input = inputOf(path, bytes, { ...CSV, ...rules });
          const whole = parseAll(input, bytes, 1_000_000);
          expect(parseAll(input, bytes, size)).toEqual(whole);
        }
      },
    ),
    runs(80),
  );
});

it.for([
  ['line', LINE_DIALECT, ['a ', 'b', ' ', '\n', '\r\n', '\r', '\0', 'é', 'k v\n']],
  ['tsv', TSV, ['a\t', 'b', '"', '\t', '\n', '\r\n', '\r', 'k\tv\n']],
  [
    'jsonl',
    JSONL,
    ['{"key":1,"value":"a"}\n', '{"key":"\\n","x":[1],"y":2}\r\n', '\n', ' ', '{', '"'],
  ],
] as const)('nor do those of any %s', ([, dialect, units]) => {
  const path = join(tempDir(), 'in');
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(...units), { maxLength: 12 }),
      fc.integer({ min: 1, max: 30 }),
      (parts, size) => {
        const bytes = Buffer.from(parts.join(''));
        const input = inputOf(path, bytes, dialect);
        expect(parseAll(input, bytes, size)).toEqual(parseAll(input, bytes, 1_000_000));
      },
    ),
    runs(100),
  );
});

it('a quoted field over many chunk edges stays in one piece, wherever the edges are', () => {
  const path = join(tempDir(), 'in.csv');
  const bytes = Buffer.from('"k1","a\n""\r\n"\nk2,"\n"\n"k""3","",\n"k4","x"');
  const input = inputOf(path, bytes, CSV);
  const whole = parseAll(input, bytes, 1_000_000);
  expect(whole.rows).toEqual([
    ['k1', 'a\n"\r\n'],
    ['k2', '\n'],
    ['k4', 'x'],
  ]);
  for (let chunkBytes = 1; chunkBytes <= bytes.length; chunkBytes++) {
    expect(parseAll(input, bytes, chunkBytes)).toEqual(whole);
  }
});

describe('a file of 1 GiB', () => {
  /** A file without line ends after `head`; it is sparse, so its zeros take no disk space. */
  function vastInput(head: string, dialect: Dialect): InputFile {
    const path = join(tempDir(), 'vast');
    writeFileSync(path, head);
    truncateSync(path, 2 ** 30);
    const file = {
      path,
      readPath: path,
      compression: 'none',
      isStream: false,
      modifiedMs: 0,
      dialect,
    } as const;
    return { ...file, sizeBytes: statSync(path).size, dataStart: 0, dataStartLine: 0 };
  }
  const cut = (input: InputFile) => [...cutIntoChunks([input], 1024 * 1024)];

  it.for([
    ['a line', LINE_DIALECT, 'a 1\nb 2\n', 8],
    ['a record', CSV, 'a,1\n"b","2\n"\n', 13],
    ['a record with an open quote', CSV, 'a,1\n"b","2', 4],
  ] as const)(
    'with %s that has no end is refused, and the place is told',
    ([, dialect, head, at]) => {
      const input = vastInput(head, dialect);
      expect(() => cut(input)).toThrow(
        `'${input.path}' has a row of more than 129 MiB at byte ${at},`,
      );
    },
  );
});

it('a quote that is never closed costs its record, in whichever chunk it lies', () => {
  const path = join(tempDir(), 'in.csv');
  const bytes = Buffer.from(`a,1\nb,"2\n${'c,3\n'.repeat(10)}`);
  const { rejects, rows } = parseAll(inputOf(path, bytes, CSV), bytes, 8);
  expect(rejects).toEqual([[4, 'unclosed quote (byte 6)']]);
  expect(rows).toHaveLength(11);
});
