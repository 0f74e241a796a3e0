import { describe, expect, it } from 'vitest';
import { resolveSettings } from '../../../base/config.ts';
import { VALUE_IS_JSON } from '../../../loader/input/dialect.ts';
import type { LoadFormat } from '../../../loader/input/formats.ts';
import { dialectFlags } from '../../../loader/detect/opening.ts';
import type { DialectFlags } from '../../../loader/detect/opening.ts';
import { loadSettings } from '../../../loader/settings.ts';
import { settledHead } from '../settled.ts';

function read(text: string, format: LoadFormat, flags: Partial<DialectFlags> = {}) {
  return settledHead(Buffer.from(text), format, flags);
}

// What --header auto decides is in corpus/headers.ts.
describe('--header', () => {
  it('yes and no are orders', () => {
    expect(read('apple,red\n', 'csv', { header: 'yes' }).dataStart).toBe(10);
    expect(read('id,value\n', 'csv', { header: 'no' }).dataStart).toBe(0);
  });
});

it.each(['\n', '\\n', '#\r', '"', '"#'])('--comment %j is refused', (comment) => {
  const { values } = resolveSettings(loadSettings, {
    flags: { comment },
    environment: {},
    file: {},
  });
  expect(() => dialectFlags({ ...values, keyspace: 'ks', paths: [] })).toThrow(/^--comment "/);
});

describe('columns', () => {
  it('are the first and the other, or the first and all others as JSON, unless named', () => {
    expect(read('id,b\n1,2\n', 'csv').dialect).toMatchObject({ keyColumn: 0, valueColumn: 1 });
    expect(read('id,b,c\n1,2,3\n', 'csv').dialect).toMatchObject({
      keyColumn: 0,
      valueColumn: VALUE_IS_JSON,
      columns: ['id', 'b', 'c'],
    });
    expect(read('id,b,c\n1,2,3\n', 'csv', { key: '3', value: 'b' }).dialect).toMatchObject({
      keyColumn: 2,
      valueColumn: 1,
    });
    expect(read('1,2,3\n', 'csv', { value: '2' }).dialect.columns).toEqual([
      'column1',
      'column2',
      'column3',
    ]);
  });

  it('that are not there, or alone, or twice in one object, are refused by name', () => {
    expect(() => read('id,b\n1,2\n', 'csv', { key: 'c' })).toThrow('the columns are id, b.');
    expect(() => read('id,b\n1,2\n', 'csv', { value: '3' })).toThrow('--value 3');
    expect(() => read('id,b,b\n1,2,3\n', 'csv', { value: 'b' })).toThrow(
      '--value b: several columns have this name; choose one by its number, 2 or 3.',
    );
    expect(() => read('only\n', 'csv')).toThrow('only one column');
    expect(() => read('id,b,b\n1,2,3\n', 'csv', { header: 'yes' })).toThrow("called 'b'");
    expect(() => read('a 1\n', 'line', { key: 'a' })).toThrow('--key and --value choose columns');
  });
});

it('a header that is not UTF-8 is refused where its names become a part of values', () => {
  const head = Buffer.from('id,na\xefve,b\n1,2,3\n', 'latin1');
  const yes = { header: 'yes' } as const;
  expect(() => settledHead(head, 'csv', yes)).toThrow('The header is not UTF-8');
  expect(settledHead(head, 'csv', { ...yes, value: '2' }).dialect.valueColumn).toBe(1);
  expect(settledHead(head, 'csv', { header: 'no' }).dataStart).toBe(0);
});

describe('the first bytes', () => {
  it('may be a byte order mark, which belongs to no cell', () => {
    expect(read('\ufeffid,b\n1,2\n', 'csv')).toMatchObject({
      dialect: { columns: ['id', 'b'] },
      dataStart: 8,
      dataStartLine: 1,
    });
    expect(read('\ufeffa 1\n', 'line').dataStart).toBe(3);
  });

  it('settle how the lines of a tsv end', () => {
    expect(read('id\tb\r\n1\t2\r\n', 'tsv').dialect).toMatchObject({
      columns: ['id', 'b'],
      stripCarriageReturn: true,
    });
    expect(read('id\tb\n1\t2\r\n', 'tsv').dialect.stripCarriageReturn).toBe(false);
  });

  it('may hold a header of quoted cells over several lines', () => {
    const { dataStart, dataStartLine, dialect } = read('"id","a\nb"\n1,2\n', 'csv', {
      header: 'yes',
    });
    expect(dialect.columns).toEqual(['id', 'a\nb']);
    expect([dataStart, dataStartLine]).toEqual([11, 2]);
  });
});

describe('the first lines of jsonl', () => {
  const lines = '{"id":1,"name":"x"}\n\n[]\nbad\n{"id":2,"user":{"id":3},"user.x":4}\n';

  it('settle where key and value are', () => {
    expect(read('\ufeff{"key":1}', 'jsonl')).toMatchObject({
      dialect: { format: 'jsonl', members: { key: undefined, value: undefined } },
      dataStart: 3,
    });
    expect(read(lines, 'jsonl', { key: 'user.id', value: 'name' }).dialect.members).toEqual({
      key: ['user', 'id'],
      value: ['name'],
    });
  });

  it('must have, in one of them, what was named; else the names there are come back', () => {
    expect(() => read(lines, 'jsonl', { key: 'nope' })).toThrow(
      '--key nope: there is no such member in the first 2 lines, which have id, name, user, user.x.',
    );
    expect(() => read(lines, 'jsonl', { key: 'id', value: 'user.x' })).toThrow(
      'For the member whose name has a dot write --value /user.x.',
    );
    expect(() => read('{"id":1}', 'jsonl')).toThrow(
      'There is no member key in the first line, which has id; name the one that is the key',
    );
  });

  it('may all be bad: then they are rejected one by one, not the names', () => {
    expect(read('bad\n', 'jsonl', { key: 'a.b' }).dialect.members?.key).toEqual(['a', 'b']);
  });
});
