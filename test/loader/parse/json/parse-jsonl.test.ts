import { describe, expect, it } from 'vitest';
import { jsonlDialect } from '../../../../loader/input/dialect.ts';
import type { Dialect } from '../../../../loader/input/dialect.ts';
import { parseChunk } from '../../../../loader/formats/parse-chunk.ts';
import { newParseContext } from '../../../../loader/parse/parse-context.ts';
import { rejectsOf, rowsOf } from '../../rows.ts';

const contexts = new Map<string, ReturnType<typeof newParseContext>>();

function dialectOf(key?: string, value?: string): Dialect {
  return jsonlDialect({ key, value });
}

function parsed(input: string | Buffer, dialect = dialectOf()) {
  const name = JSON.stringify(dialect);
  const context = contexts.get(name) ?? newParseContext(dialect, 16);
  contexts.set(name, context);
  const bytes = Buffer.from(input);
  parseChunk(context, Buffer.from(bytes));
  const rejects = rejectsOf(context, bytes);
  return { rows: rowsOf(context), rejects, lineCount: context.rows.lineCount };
}

function rows(input: string, dialect = dialectOf()): [string, string][] {
  const outcome = parsed(input, dialect);
  expect(outcome.rejects).toEqual([]);
  return outcome.rows;
}

function reasonOf(line: string | Buffer, dialect = dialectOf()): string {
  const outcome = parsed(line, dialect);
  expect(outcome.rows).toEqual([]);
  expect(outcome.rejects).toHaveLength(1);
  return outcome.rejects[0]!.reason;
}

describe('a value', () => {
  it.for([
    ['1', '1'],
    ['1.0', '1.0'],
    ['-0.50e+10', '-0.50e+10'],
    ['12345678901234567890', '12345678901234567890'],
    ['null', 'null'],
    ['true', 'true'],
    ['false', 'false'],
    ['""', ''],
    ['"text"', 'text'],
    ['[1.0,  "\\u00e9", {"a" :null}]', '[1.0,  "\\u00e9", {"a" :null}]'],
    ['{ "b": 1, "a": 2.50 }', '{ "b": 1, "a": 2.50 }'],
    ['{}', '{}'],
    ['[ ]', '[ ]'],
  ])('%s is stored as %s', ([json, text]) => {
    expect(rows(`{"key":"k","value":${json}}\n`)).toEqual([['k', text]]);
    expect(rows(` { "key" : "k" ,\t"value" :  ${json}  } \r\n`)).toEqual([['k', text]]);
    expect(rows(`{"id":"k","x":${json}}`, dialectOf('id'))).toEqual([['k', text]]);
    expect(rows(`{"in":{"x":${json},"id":"k"}}`, dialectOf('in.id', 'in.x'))).toEqual([
      ['k', text],
    ]);
  });

  it('that is a string is its characters as UTF-8', () => {
    const escaped = '"\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\u00e9\\u20AC\\ud83d\\ude00é€😀"';
    expect(rows(`{"key":${escaped},"value":${escaped}}`)).toEqual([
      [JSON.parse(escaped), JSON.parse(escaped)],
    ]);
  });

  it('in base64 is the bytes it stands for, in either alphabet, padded or not', () => {
    for (let length = 0; length < 20; length++) {
      const bytes = Buffer.from(Array.from({ length }, (_, index) => (index * 37 + 250) % 256));
      const context = newParseContext(dialectOf(), 16);
      for (const text of [
        bytes.toString('base64'),
        bytes.toString('base64url'),
        bytes.toString('base64').replaceAll('/', '\\/'),
      ]) {
        parseChunk(context, Buffer.from(`{"value_base64":"${text}","key_base64":"AAH/"}`));
        expect(rowsOf(context, 'hex')).toEqual([['0001ff', bytes.toString('hex')]]);
      }
    }
  });

  it.for(['A', 'AB=', 'ABC==', '=', 'A A=', 'AB==C', 'AAB=', 'é'])(
    'with malformed base64 (%s) is rejected',
    (text) => {
      expect(reasonOf(`{"key":"k","value_base64":"${text}"}`)).toBe(
        'not base64 (column 27, byte 26)',
      );
    },
  );

  it('without a name for it is the other member, or an object of all others as written', () => {
    expect(rows('{"key":"k","x":"a\\nb"}\n{"y":2.0,"key":"l"}')).toEqual([
      ['k', 'a\nb'],
      ['l', '2.0'],
    ]);
    expect(rows('{ "x" : 1.0 , "key":"k", "\\u0079":[1, 2] ,"z":"\\u00e9" }')).toEqual([
      ['k', '{"x":1.0,"\\u0079":[1, 2],"z":"\\u00e9"}'],
    ]);
  });

  it('may be of other kinds from line to line, in one chunk', () => {
    const lines = [
      '{"key":"a","value":"x\\ty"}',
      '{"key":"b","x":1,"y":2}',
      '{"key":"c","value_base64":"eHl6"}',
      '{"key":"d","x":"q"}',
      '{"value":"last","key":"e","more":1,"and":2}',
    ];
    expect(rows(lines.join('\n'))).toEqual([
      ['a', 'x\ty'],
      ['b', '{"x":1,"y":2}'],
      ['c', 'xyz'],
      ['d', 'q'],
      ['e', 'last'],
    ]);
  });
});

describe('a key', () => {
  it('may be a string, a number, true or false, as it is written', () => {
    const keys = ['"a"', '1', '1.0', '-1e5', 'true', 'false'];
    const lines = keys.map((key) => `{"key":${key},"value":1}`).join('\n');
    expect(rows(lines).map(([key]) => key)).toEqual(['a', '1', '1.0', '-1e5', 'true', 'false']);
  });

  it.for(['null', '{"a":1}', '[]'])('is not %s', (key) => {
    expect(reasonOf(`{"key":${key},"value":1}`)).toBe(
      'the key is neither a string nor a number, true or false (column 8, byte 7)',
    );
  });

  it('is not empty, nor longer than a key may be', () => {
    expect(reasonOf('{"key":"","value":1}')).toBe('empty key');
    expect(reasonOf(`{"key":"${'k'.repeat(65_537)}","value":1}`)).toBe(
      'key longer than 65536 bytes',
    );
    expect(rows(`{"key":"${'\\u0061'.repeat(65_536)}","value":1}`)[0]?.[0]).toHaveLength(65_536);
  });
});

describe('--key and --value', () => {
  it('lead through objects, by any name', () => {
    const line = '{"a":{"b":{"c":"deep"}},"x.y":1,"":2,"s/t":{"~":3},"\\u00e9":4}';
    const valueAt = (path: string): string => rows(line, dialectOf('a.b.c', path))[0]![1];
    expect(rows(line, dialectOf('a.b.c', 'a'))).toEqual([['deep', '{"b":{"c":"deep"}}']]);
    expect(['/x.y', '/', '/s~1t/~0', 'é', '/a/b', 'a.b.c'].map(valueAt)).toEqual([
      ...['1', '2', '3', '4', '{"c":"deep"}', 'deep'],
    ]);
  });

  it('may name one member, or one within the other, whatever has to be unescaped', () => {
    const line = '{"a":{"b":"x\\u0041\\n"}}\n{"a":{"b":"\\\\n"}}\n';
    expect(rows(line, dialectOf('a.b', 'a.b'))).toEqual([
      ['xA\n', 'xA\n'],
      ['\\n', '\\n'],
    ]);
    expect(rows(line, dialectOf('a.b', 'a'))).toEqual([
      ['xA\n', '{"b":"x\\u0041\\n"}'],
      ['\\n', '{"b":"\\\\n"}'],
    ]);
    expect(rows(line, dialectOf('a.b'))).toEqual(rows(line, dialectOf('a.b', 'a')));
  });

  it('leave in the object what holds the key deeper inside', () => {
    expect(rows('{"u":{"id":7,"n":1},"x":[2]}', dialectOf('u.id'))).toEqual([
      ['7', '{"u":{"id":7,"n":1},"x":[2]}'],
    ]);
  });

  it('the member value is the value, unless it is named as the key', () => {
    expect(rows('{"id":1,"value":2,"x":3}', dialectOf('id'))).toEqual([['1', '2']]);
    expect(rows('{"id":1,"value":2,"x":3}', dialectOf('value'))).toEqual([['2', '{"id":1,"x":3}']]);
    expect(rows('{"id":1,"key":2,"value":3}', dialectOf('id', 'key'))).toEqual([['1', '2']]);
  });

  it('take base64 for text where they name it', () => {
    expect(rows('{"key":1,"value_base64":"AA=="}', dialectOf('key', 'value_base64'))).toEqual([
      ['1', 'AA=='],
    ]);
  });
});

describe('a line is rejected', () => {
  const k = '"key":"k"';
  it.for([
    ['[1]', 'not a JSON object'],
    ['nonsense', 'not a JSON object'],
    ['{"value":1}', 'no member key'],
    ['{"key":"k"}', 'no member but the key'],
    ['{}', 'no member key'],
    [`{${k},"key_base64":"aw==","value":1}`, 'both key and key_base64'],
    [`{${k},"value_base64":"aw==","value":1}`, 'both value and value_base64'],
    [`{${k},"value_base64":5}`, 'base64 that is not a string (column 27, byte 26)'],
    [`{${k},"value":1,"k\\u0065y":"l"}`, /^the member .* occurs twice \(column 22, byte 21\)$/],
    [`{${k},"value":1`, 'a comma or } is expected (column 21, byte 20)'],
    [`{${k},"value":1]`, 'a comma or } is expected (column 21, byte 20)'],
    [`{${k},"value":1} x`, 'text after the object (column 23, byte 22)'],
    [`{${k},"value":01}`, 'a comma or } is expected (column 21, byte 20)'],
    [`{${k},"value":1.}`, 'a digit is expected (column 22, byte 21)'],
    [`{${k},"value":-}`, 'a digit is expected (column 21, byte 20)'],
    [`{${k},"value":1e}`, 'a digit is expected (column 22, byte 21)'],
    [`{${k},"value":+1}`, 'a value is expected (column 20, byte 19)'],
    [`{${k},"value":nul}`, 'a value is expected (column 20, byte 19)'],
    [`{${k},"value":NaN}`, 'a value is expected (column 20, byte 19)'],
    [`{${k},"value":'x'}`, 'a value is expected (column 20, byte 19)'],
    [`{${k},"value":}`, 'a value is expected (column 20, byte 19)'],
    [`{${k},"value":[1,]}`, 'a value is expected (column 23, byte 22)'],
    [`{${k},"value":[1 2]}`, 'a comma or ] is expected (column 23, byte 22)'],
    [`{${k},"value":{"a"}}`, 'a colon is expected (column 24, byte 23)'],
    [`{${k},"value":{1:2}}`, 'a name in quotes is expected (column 21, byte 20)'],
    [`{${k},"value":{"a":1,}}`, 'a name in quotes is expected (column 27, byte 26)'],
    [`{${k},}`, 'a name in quotes is expected (column 12, byte 11)'],
    [`{${k},"value":"x}`, 'a string without an end (column 20, byte 19)'],
    [`{${k},"value":"\\x"}`, 'not a JSON escape (column 21, byte 20)'],
    [`{${k},"value":"\\u12g4"}`, 'not a JSON escape (column 21, byte 20)'],
    [`{${k},"value":"a\tb"}`, 'a control character in a string (column 22, byte 21)'],
    [`{${k},"value":"a\\ud800"}`, 'half of a surrogate pair (column 22, byte 21)'],
    [`{${k},"value":"\\udc00\\ud800"}`, 'half of a surrogate pair (column 21, byte 20)'],
    [`{${k},"value":"\\udc00\\udc00"}`, 'half of a surrogate pair (column 21, byte 20)'],
    [`{"key":"\\ud83d\\u0041","value":1}`, 'half of a surrogate pair (column 9, byte 8)'],
    [`{${k},"value":${'['.repeat(1001)}`, 'nested more than 1000 deep (column 1020, byte 1019)'],
    ['\ufeff{"key":1,"value":2}', 'not a JSON object'],
  ] as const)('%s', ([line, reason]) => {
    const actual = reasonOf(line);
    if (typeof reason === 'string') expect(actual).toBe(reason);
    else expect(actual).toMatch(reason);
  });

  it('where a path leads to nothing, and the path is named', () => {
    expect(reasonOf('{"a":5}', dialectOf('a.b'))).toBe('no member a.b');
    expect(reasonOf('{"a":{"b":1}}', dialectOf('a.b', '/x.y'))).toBe('no member /x.y');
    expect(reasonOf('{"a":{"b":1,"b":2}}', dialectOf('a.b'))).toMatch(/occurs twice/);
    expect(reasonOf('{"a":{"b":1},"a":{}}', dialectOf('a.b'))).toMatch(/occurs twice/);
  });

  it('where it is not UTF-8, and costs nothing else', () => {
    const lines = ['{"key":"a","value":"é"}', '{"key":"b","value":"ÿ"}', '{"key":"c","value":"é"}'];
    const bytes = lines.map((line, index) => Buffer.from(line, index === 1 ? 'latin1' : 'utf8'));
    const input = Buffer.concat(bytes.flatMap((line) => [line, Buffer.from('\n')]));
    const outcome = parsed(input);
    expect(outcome.rows).toEqual([
      ['a', 'é'],
      ['c', 'é'],
    ]);
    expect(outcome.rejects).toMatchObject([{ line: 2, offset: 25, reason: 'not UTF-8' }]);
  });

  it('and leaves nothing behind where rows are put together', () => {
    const context = newParseContext(dialectOf(), 16);
    const bad = '{"key":"\\ud800","a":1,"b":2}\n';
    parseChunk(context, Buffer.from(bad.repeat(5) + '{"key":"k","a":1,"b":2}\n' + bad));
    expect(rowsOf(context)).toEqual([['k', '{"a":1,"b":2}']]);
    expect(context.assembled.length).toBe('k{"a":1,"b":2}'.length);
  });

  it('among others, with its line and offset; blank lines count as lines alone', () => {
    const {
      lineCount,
      rejects,
      rows: good,
    } = parsed(
      '\n{"key":1,"value":2}\r\n \t\r\nbad\n{"key":3,"x":4,"y":5}\n{"key":"x\\ud800","a":1,"b":2}\n{"key":6,"value":7}',
    );
    expect(good).toEqual([
      ['1', '2'],
      ['3', '{"x":4,"y":5}'],
      ['6', '7'],
    ]);
    expect(rejects.map(({ line, offset, raw }) => [line, offset, raw])).toEqual([
      [4, 26, 'bad'],
      [6, 52, '{"key":"x\\ud800","a":1,"b":2}'],
    ]);
    expect(lineCount).toBe(7);
  });
});
