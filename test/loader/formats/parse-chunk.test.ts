import { describe, expect, it } from 'vitest';
import { COMMA, LINE_DIALECT, TAB, delimitedDialect } from '../../../loader/input/dialect.ts';
import type { Dialect } from '../../../loader/input/dialect.ts';
import { parseChunk } from '../../../loader/formats/parse-chunk.ts';
import { newParseContext } from '../../../loader/parse/parse-context.ts';
import { rejectsOf, rowsOf } from '../rows.ts';

const CSV = delimitedDialect('csv', ['k', 'v'], false, true, { key: undefined, value: undefined });
const TSV = delimitedDialect('tsv', ['k', 'v'], false, false, { key: undefined, value: undefined });
const CSV3 = delimitedDialect('csv', ['k', 'a', 'b'], false, true, {
  key: undefined,
  value: undefined,
});

function parseText(dialect: Dialect, text: string | Buffer, chunkOffset = 0) {
  const context = newParseContext(dialect, 16);
  const chunk = Buffer.from(text);
  parseChunk(context, chunk);
  return {
    rows: rowsOf(context),
    rejects: rejectsOf(context, chunk, chunkOffset),
    lineCount: context.rows.lineCount,
  };
}

describe('the line format', () => {
  it('takes the key up to the first space and the rest of the line byte for byte', () => {
    const { rejects, rows } = parseText(LINE_DIALECT, 'a b c\td \r\nk  two\nlast v');
    expect(rows).toEqual([
      ['a', 'b c\td \r'],
      ['k', ' two'],
      ['last', 'v'],
    ]);
    expect(rejects).toEqual([]);
  });

  it('takes an empty value after a space, and rejects a line without a space', () => {
    const { rejects, rows } = parseText(LINE_DIALECT, 'k \nbare\nz', 100);
    expect(rows).toEqual([['k', '']]);
    expect(rejects).toEqual([
      { offset: 103, line: 2, reason: 'no space between key and value', raw: 'bare' },
      { offset: 108, line: 3, reason: 'no space between key and value', raw: 'z' },
    ]);
  });

  it('rejects an empty key and one that is too long', () => {
    const { rejects, rows } = parseText(LINE_DIALECT, ` v\n${'k'.repeat(65_537)} v\nok v\n`);
    expect(rows).toEqual([['ok', 'v']]);
    expect(rejects.map((reject) => reject.reason)).toEqual([
      'empty key',
      'key longer than 65536 bytes',
    ]);
  });

  it('skips blank lines without counting them as rows, but as lines', () => {
    const { lineCount, rejects, rows } = parseText(LINE_DIALECT, '\n\r\na 1\n\n');
    expect(rows).toEqual([['a', '1']]);
    expect(rejects).toEqual([]);
    expect(lineCount).toBe(4);
  });

  it('keeps bytes that are no UTF-8', () => {
    const context = newParseContext(LINE_DIALECT, 16);
    parseChunk(context, Buffer.from([0x6b, 0x20, 0xff, 0x00, 0xfe, 0x0a]));
    expect(rowsOf(context, 'latin1')).toEqual([['k', '\u00ff\u0000\u00fe']]);
  });

  it('finds the newline of a value of any length', () => {
    for (const length of [0, 1, 2, 3, 4, 5, 254, 255, 256, 257, 258, 1000]) {
      const { rows } = parseText(LINE_DIALECT, `a ${'x'.repeat(length)}\nb y\n`);
      expect(rows).toEqual([
        ['a', 'x'.repeat(length)],
        ['b', 'y'],
      ]);
    }
  });
});

describe('tsv', () => {
  it('has no quoting: every byte between tabs is the value', () => {
    const { rows } = parseText(TSV, 'a\t"x\nb\t"y"\r\nc\t\n');
    expect(rows).toEqual([
      ['a', '"x'],
      ['b', '"y"\r'],
      ['c', ''],
    ]);
  });

  it('takes \\r\\n for the line end where the file does', () => {
    const dialect = { ...TSV, stripCarriageReturn: true };
    expect(parseText(dialect, 'a\tx\r\nb\ty\r\r\n').rows).toEqual([
      ['a', 'x'],
      ['b', 'y\r'],
    ]);
  });

  it('rejects a row of the wrong width with its offset', () => {
    const { rejects, rows } = parseText(TSV, 'a\tx\nb\nc\tx\ty\td\ne\tz\n', 10);
    expect(rows).toEqual([
      ['a', 'x'],
      ['e', 'z'],
    ]);
    expect(rejects).toEqual([
      { offset: 14, line: 2, reason: '1 column instead of 2', raw: 'b' },
      { offset: 16, line: 3, reason: '4 columns instead of 2', raw: 'c\tx\ty\td' },
    ]);
  });
});

describe('csv', () => {
  it('unquotes cells, also those that hold delimiters, quotes and line ends', () => {
    const { lineCount, rejects, rows } = parseText(
      CSV,
      'plain,1\r\n"a,b","x ""y"" z"\n"m\r\nn",2\n,3\nlast,"é\u0000"',
    );
    expect(rows).toEqual([
      ['plain', '1'],
      ['a,b', 'x "y" z'],
      ['m\r\nn', '2'],
      ['last', 'é\u0000'],
    ]);
    expect(rejects).toEqual([{ offset: 36, line: 5, reason: 'empty key', raw: ',3' }]);
    expect(lineCount).toBe(6);
  });

  it('makes a JSON object of all other columns, in the order of the file', () => {
    const { rejects, rows } = parseText(CSV3, 'k1,x,"a ""q"" b"\nk2,,é\\\n');
    expect(rows.map(([key, value]) => [key, JSON.parse(value)])).toEqual([
      ['k1', { a: 'x', b: 'a "q" b' }],
      ['k2', { a: '', b: 'é\\' }],
    ]);
    expect(rows[0]?.[1]).toBe('{"a":"x","b":"a \\"q\\" b"}');
    expect(rejects).toEqual([]);
  });

  it('rejects bytes that a JSON value cannot hold, and leaves nothing of the row behind', () => {
    const bytes = Buffer.concat([
      Buffer.from('k1,x,'),
      Buffer.from([0xff]),
      Buffer.from('\nk2,y,z\n'),
    ]);
    const { rejects, rows } = parseText(CSV3, bytes);
    expect(rows).toEqual([['k2', '{"a":"y","b":"z"}']]);
    expect(rejects[0]?.reason).toBe('column 3 is not UTF-8, which a JSON value must be');
  });

  it('takes the value from the column that was named', () => {
    const dialect = delimitedDialect('csv', ['a', 'b', 'c'], false, true, { key: 'c', value: 'a' });
    expect(parseText(dialect, '1,2,3\n"4","5","6"\n').rows).toEqual([
      ['3', '1'],
      ['6', '4'],
    ]);
  });
});

it('delimiters are what they are called', () => {
  expect([CSV.delimiter, TSV.delimiter]).toEqual([COMMA, TAB]);
});
