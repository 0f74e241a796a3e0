// The jsonl parser beside JSON.parse: what is taken, what is refused, what comes out.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jsonlDialect } from '../../loader/input/dialect.ts';
import { parseChunk } from '../../loader/formats/parse-chunk.ts';
import { newParseContext } from '../../loader/parse/parse-context.ts';
import { rejectsOf, rowsOf, runs } from './rows.ts';

const context = newParseContext(jsonlDialect({ key: undefined, value: undefined }), 16);

function parsed(input: string) {
  const bytes = Buffer.from(input);
  parseChunk(context, Buffer.from(bytes));
  return { rows: rowsOf(context), rejects: rejectsOf(context, bytes) };
}

describe('beside JSON.parse', () => {
  /** A JSON text with spaces wherever they may be, as the generator likes. */
  const spaces = fc.constantFrom('', '', '', ' ', '\t', '  ');
  const numbers = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => JSON.stringify(number)),
    fc.bigInt().map(String),
    fc.constantFrom('0', '-0', '1.0', '1e5', '-2.50E-3', '12345678901234567890.5'),
  );
  const strings = fc
    .string({
      unit: fc.constantFrom('a', 'key', '"', '\\', 'é', '😀', '\n', '\0', '/', '\u2028'),
      maxLength: 6,
    })
    .chain((text) => fc.boolean().map((isAscii) => jsonText(text, isAscii)));
  const { value } = fc.letrec<{ value: string }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      numbers,
      strings,
      fc.constantFrom('null', 'true', 'false'),
      fc
        .tuple(fc.array(tie('value'), { maxLength: 3 }), spaces)
        .map(([items, space]) => `[${space}${items.join(`${space},${space}`)}${space}]`),
      fc
        .tuple(fc.array(fc.tuple(strings, tie('value')), { maxLength: 3 }), spaces)
        .map(([members, space]) => objectText(members, space)),
    ),
  }));
  const line = fc
    .tuple(
      fc.uniqueArray(fc.constantFrom('key', 'value', 'x', 'y', 'é"'), { minLength: 1 }),
      fc.array(value, { minLength: 5, maxLength: 5 }),
      spaces,
    )
    .map(([names, values, space]) =>
      objectText(
        names.map((name, index) => [JSON.stringify(name), values[index]!]),
        space,
      ),
    );

  it('the same lines are taken, and keys and values are what they are to it', () => {
    fc.assert(
      fc.property(fc.array(line, { maxLength: 5 }), (lines) => {
        const outcome = parsed(lines.join('\n'));
        const expected = lines.map(expectedOf).filter((row) => row !== undefined);
        expect(outcome.rows.map(([key, text]) => [key, text])).toEqual(expected);
        expect(outcome.rejects).toHaveLength(lines.length - expected.length);
      }),
      runs(150),
    );
  });

  it('no line that it refuses is taken, and none that it takes is called bad JSON', () => {
    const mutation = fc.tuple(
      fc.nat(200),
      fc.constantFrom('', ',', ':', '"', '\\', '{', ']', '1', '.', '\0', 'e'),
    );
    let refused = 0;
    fc.assert(
      fc.property(line, mutation, fc.boolean(), (text, [at, inserted], isReplaced) => {
        const place = at % text.length;
        const mutated = text.slice(0, place) + inserted + text.slice(place + (isReplaced ? 1 : 0));
        const { rejects } = parsed(mutated.trim() === '' ? '{' : mutated);
        const isObject = isObjectText(mutated);
        if (!isObject) refused++;
        const isBad = rejects.some(({ reason }) =>
          /expected|string without|escape|control|after the object|not a JSON/.test(reason),
        );
        expect([isBad, mutated]).toEqual([!isObject, mutated]);
      }),
      runs(1000),
    );
    expect(refused).toBeGreaterThan(100);
  });

  /**
   * Key and value as a program would take them from the parsed line; undefined where there are
   * none.
   */
  function expectedOf(text: string): [string, string] | undefined {
    const object = new Map(Object.entries(JSON.parse(text) as object));
    const key: unknown = object.get('key');
    if (!['string', 'number', 'boolean'].includes(typeof key) || key === '') return undefined;
    const raw = rawMembers(text);
    const isText = (name: string): boolean => typeof object.get(name) === 'string';
    const bytesOf = (name: string): string =>
      isText(name) ? (object.get(name) as string) : raw.get(name)!;
    const others = [...raw.keys()].filter((name) => name !== 'key');
    if (object.has('value')) return [bytesOf('key'), bytesOf('value')];
    if (others.length === 0) return undefined;
    if (others.length === 1) return [bytesOf('key'), bytesOf(others[0]!)];
    const members = others.map((name) => `${JSON.stringify(name)}:${raw.get(name)!}`);
    return [bytesOf('key'), `{${members.join(',')}}`];
  }
});

function jsonText(text: string, isAscii: boolean): string {
  const json = JSON.stringify(text);
  if (!isAscii) return json;
  return json.replace(
    /[^ -~]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function objectText(members: readonly (readonly [string, string])[], space: string): string {
  const texts = members.map(([name, value]) => `${name}${space}:${space}${value}`);
  return `{${space}${texts.join(`${space},${space}`)}${space}}`;
}

/** The raw text of each member: found by trying where JSON.parse takes what lies between. */
function rawMembers(text: string): Map<string, string> {
  const members = new Map<string, string>();
  let at = text.indexOf('{') + 1;
  while (!/^\s*\}\s*$/.test(text.slice(at))) {
    const [name, behindName] = firstValue(text, at);
    const [value, behind] = firstValue(text, text.indexOf(':', behindName) + 1);
    members.set(JSON.parse(name) as string, value);
    at = text.slice(behind).trimStart().startsWith(',') ? text.indexOf(',', behind) + 1 : behind;
  }
  return members;
}

/**
 * The longest text from `from` that JSON.parse takes: no value is the beginning of another but
 * digits.
 */
function firstValue(text: string, from: number): [string, number] {
  for (let end = text.length; end > from; end--) {
    const part = text.slice(from, end);
    if (isJson(part)) return [part.trim(), end];
  }
  throw new Error(`no value at ${from} of ${text}`);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function isObjectText(text: string): boolean {
  if (!isJson(text)) return false;
  const value: unknown = JSON.parse(text);
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
