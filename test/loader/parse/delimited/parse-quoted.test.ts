import { CsvError, parse } from 'csv-parse/sync';
import type { Options } from 'csv-parse/sync';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { delimitedDialect } from '../../../../loader/input/dialect.ts';
import type { Dialect } from '../../../../loader/input/dialect.ts';
import { parseChunk } from '../../../../loader/formats/parse-chunk.ts';
import { newParseContext } from '../../../../loader/parse/parse-context.ts';
import type { ParseContext } from '../../../../loader/parse/parse-context.ts';
import { CsvRecords, bytesSource } from '../../../../loader/parse/delimited/csv-records.ts';
import { parseQuoted, recordCells } from '../../../../loader/parse/delimited/parse-quoted.ts';
import { clearRowTable } from '../../../../loader/parse/row-table.ts';
import { rejectsOf, rowsOf, runs } from '../../rows.ts';

const NO_CHOICE = { key: undefined, value: undefined };
const CSV = delimitedDialect('csv', ['k', 'v'], false, true, NO_CHOICE);
const CSV3 = delimitedDialect('csv', ['k', 'a', 'b'], false, true, NO_CHOICE);
const FAULT = /quote/;
const FAULT_TEXT: unknown = expect.stringMatching(FAULT);

function outcomeOf(context: ParseContext, input: Buffer, offset: number) {
  const rejects = rejectsOf(context, input, offset);
  const { lineCount } = context.rows;
  return { rows: rowsOf(context, 'latin1'), rejects, rejectedCount: rejects.length, lineCount };
}

const contexts = new Map<string, ParseContext>();

function contextFor(dialect: Dialect): ParseContext {
  const name = JSON.stringify(dialect);
  const context = contexts.get(name) ?? newParseContext(dialect, 16);
  contexts.set(name, context);
  return context;
}

function parsed(dialect: Dialect, input: string | Buffer, offset = 0) {
  const context = contextFor(dialect);
  const bytes = Buffer.from(input);
  parseChunk(context, Buffer.from(bytes));
  return outcomeOf(context, bytes, offset);
}

/** The options of csv-parse for a dialect. */
function csvParseOptions({ comment, delimiter, trims }: Dialect): Options {
  return {
    delimiter: Buffer.from([delimiter]),
    comment: comment === '' ? null : comment,
    comment_no_infix: true,
    trim: trims,
    record_delimiter: ['\r\n', '\n'],
    relax_column_count: true,
  };
}

/**
 * All records as csv-parse has them, in latin1 each character one byte; undefined where it refuses
 * the input.
 */
function csvParse(
  input: Buffer,
  dialect = CSV,
  encoding: BufferEncoding = 'latin1',
): string[][] | undefined {
  try {
    return parse(input, { ...csvParseOptions(dialect), encoding });
  } catch (thrown) {
    if (thrown instanceof CsvError) return undefined;
    throw thrown;
  }
}

/** What must come out of what csv-parse gives, for two columns. */
function expectedOf(records: readonly string[][]) {
  const filled = records.filter((cells) => cells.length > 1 || cells[0] !== '');
  const rows = filled.filter((cells) => cells.length === 2 && cells[0] !== '');
  return { rows, rejectedCount: filled.length - rows.length };
}

describe('a quoted cell', () => {
  it.for([
    ['newlines', '"a\nb","c\r\nd"\r\n"e","\n"\n', 5],
    ['line ends of both kinds', '"a","1"\r\nb,2\nc,"3"\n"d",4\r\n', 4],
    ['escaped quotes', '"a","x ""y"" z"\n"b","""x"""\n"c",""""\n"""d","e"""""\n', 4],
    ['nothing', '"a",""\nb,""\r\n"c",', 3],
    ['delimiters', '"a,b",",,,"\n"c",","\n', 2],
    ['single quotes, backslashes, spaces', `"'a'","\\"\n" b "," "\n`, 2],
    ['no final newline', '"a","1"\n"b","2"', 2],
    ['no final newline behind an escaped quote', '"a","1"\n"b","2"""', 2],
    ['missing and extra columns', '"a"\n"b","1","2"\n"c","3"\n"d",\n', 4],
    ['blank lines around it', '\n\r\n"a","1"\n\n"b","2"\r\n\r\n', 6],
    ['a byte order mark behind the first one', 'a,"1"\n\ufeff,"b"\n', 2],
    ['bytes that are no UTF-8', Buffer.from('"a\xff","\xfe\0""\x80"\n', 'latin1'), 1],
  ] as const)('may hold %s, as csv-parse has it', ([, input, lineCount]) => {
    const bytes = Buffer.from(input as string);
    const records = csvParse(bytes);
    if (records === undefined) throw new Error('csv-parse refuses it');
    const outcome = parsed(CSV, bytes);
    expect({ rows: outcome.rows, rejectedCount: outcome.rejectedCount }).toEqual(
      expectedOf(records),
    );
    expect(outcome.lineCount).toBe(lineCount);
  });

  it('may be of any length, with what matters at any place in a word', () => {
    for (let length = 0; length < 40; length++) {
      const text = 'x'.repeat(length);
      const input = `"k${text}","${text}""${text}\n"\n${text}k,${text}\n`;
      expect(parsed(CSV, input).rows).toEqual([
        [`k${text}`, `${text}"${text}\n`],
        [`${text}k`, text],
      ]);
    }
  });

  it('that is key and value at once is unescaped once', () => {
    const dialect = delimitedDialect('csv', ['k', 'v'], false, true, { key: 'k', value: 'k' });
    expect(parsed(dialect, '"a""""b",1\n').rows).toEqual([['a""b', 'a""b']]);
  });

  it('becomes part of a JSON object with its quotes unescaped, then escaped as JSON has it', () => {
    const { rejects, rows } = parsed(CSV3, '"k""1","""x""","y\nz"\nk2,"1",""\n');
    expect(rows).toEqual([
      ['k"1', '{"a":"\\"x\\"","b":"y\\nz"}'],
      ['k2', '{"a":"1","b":""}'],
    ]);
    expect(rejects).toEqual([]);
  });
});

describe('a rejected record', () => {
  it('is named with the place of the quote at fault, and costs nothing else', () => {
    const text = 'a,1\nq"r,2\n"b","2"\n"x"y,3\n"c","3"\n"open,4\nd,"4"\n"e",5\n';
    const { rejects, rows } = parsed(CSV, text, 100);
    expect(rows).toEqual([
      ['a', '1'],
      ['b', '2'],
      ['c', '3'],
      ['d', '4'],
      ['e', '5'],
    ]);
    expect(rejects.map(({ line, offset, reason }) => [offset, line, reason])).toEqual([
      [104, 2, 'quote inside an unquoted field (byte 105)'],
      [118, 4, 'text after a closing quote (byte 120)'],
      [133, 6, 'unclosed quote'],
    ]);
  });

  it('that is never closed ends at its line, and tells where the quote opened', () => {
    const { lineCount, rejects, rows } = parsed(CSV, '"a",1\nb,"open\nc,3\nd,4\n');
    expect(rows).toEqual([
      ['a', '1'],
      ['c', '3'],
      ['d', '4'],
    ]);
    expect(rejects).toEqual([
      { offset: 6, line: 2, reason: 'unclosed quote (byte 8)', raw: 'b,"open' },
    ]);
    expect(lineCount).toBe(4);
  });

  it('with a stray quote costs its line, though a later quote would close it', () => {
    const lines = Array.from({ length: 300 }, (_, row) => `sku-${row},item ${row}`);
    lines[50] = 'sku-50,"item 50';
    lines[250] = 'sku-250,6 foot 2"';
    const { rejects, rows } = parsed(CSV, `${lines.join('\n')}\n`);
    expect(rows).toHaveLength(298);
    expect(rejects.map(({ line, reason }) => [line, reason.replace(/ [(].*/, '')])).toEqual([
      [51, 'unclosed quote'],
      [251, 'quote inside an unquoted field'],
    ]);
  });

  it('may have as many lines in a value as the dialect says', () => {
    const two = { ...CSV, linesPerValueMax: 2 };
    const { rejects, rows } = parsed(two, 'a,"1\n2\n3"\nb,"1\n2\n3\n4"\nc,5\n');
    expect(rows).toEqual([
      ['a', '1\n2\n3'],
      ['c', '5'],
    ]);
    expect(rejects.map(({ line }) => line)).toEqual([4, 5, 6, 7]);
    expect(parsed({ ...CSV, linesPerValueMax: 3 }, 'b,"1\n2\n3\n4"\n').rejects).toEqual([]);
  });

  it('is shown as it came, even where it would have been unescaped', () => {
    const long = 'k""'.repeat(40_000);
    const { rejects } = parsed(CSV, `"${long}","a""b"\n"","a""b"\n"x","a""b","c"\n`);
    expect(rejects.map(({ raw, reason }) => [reason, raw.slice(0, 16)])).toEqual([
      ['key longer than 65536 bytes', `"${long}`.slice(0, 16)],
      ['empty key', '"","a""b"'],
      ['3 columns instead of 2', '"x","a""b","c"'],
    ]);
  });

  it('takes its length from what is left when it is unescaped', () => {
    const key = '""'.repeat(65_536);
    expect(parsed(CSV, `"${key}",v\n`).rows[0]?.[0]).toHaveLength(65_536);
    expect(parsed(CSV, `"${key}""",v\n`).rejects[0]?.reason).toMatch(/^key longer/);
  });

  it('gives a line its number whatever was in quotes before it', () => {
    const { rejects } = parsed(CSV, '"a","\n\n"\n"x"y,1\n"b","\n"\n"z\nz"z,2\nc\n');
    expect(rejects.map(({ line }) => line)).toEqual([4, 7, 8, 9]);
  });
});

describe('other dialects', () => {
  const dialect = { ...CSV, delimiter: 0x3b, comment: '#', trims: true };

  it('have their own delimiter, comments, and cells without the blanks around them', () => {
    const text = '# a "comment\n a ; "x; ""y"" " \r\n#b;1\n"c"\t; d e \n  \nf;";"\n ;g\n';
    const { lineCount, rejects, rows } = parsed(dialect, text);
    expect(rows).toEqual([
      ['a', 'x; "y" '],
      ['c', 'd e'],
      ['f', ';'],
    ]);
    expect(rejects.map(({ line, reason }) => [line, reason])).toEqual([[7, 'empty key']]);
    expect(lineCount).toBe(7);
  });

  it('are the same with and without quotes in the chunk', () => {
    const text = '#x;"\n a\t;\tb \n\n#;;;\nc;d;e\n;f\n';
    const quoteless = text.replace('"', '');
    expect(parsed(dialect, text)).toEqual({
      ...parsed(dialect, quoteless, 1),
      rejects: parsed(dialect, quoteless, 1).rejects,
    });
  });
});

interface Rules {
  readonly delimiter: string;
  readonly comment: string;
  readonly trims: boolean;
}

describe('the quoted path', () => {
  /** Any bytes, rich in what means something in a dialect. */
  const anythingIn = ({ comment, delimiter, trims }: Rules): fc.Arbitrary<Buffer> => {
    const units = [
      ...['a', 'b', ' ', delimiter, '"', '""', '\n', '\r\n', 'é', 'longer text'],
      ...[`${delimiter}"`, `"${delimiter}`, '"\n', '\n"', '"\r\n', `""${delimiter}""`],
      ...['\t', ',', ';', `\n${comment}`],
      // csv-parse trims more than spaces and tabs: all that is white space in Unicode.
      ...(trims ? [] : ['\r', '\0', '\xff']),
    ];
    return (
      fc
        .array(fc.constantFrom(...units), { maxLength: 30 })
        // Where a NUL follows a closing quote, csv-parse takes it for the end of the input.
        .map((some) => Buffer.from(some.join('').replace(/"\0+/g, '"'), 'latin1'))
    );
  };
  const anything = anythingIn({ comment: '', delimiter: ',', trims: false });

  const rulesOf = fc.record({
    delimiter: fc.constantFrom(',', ';', '\t', '|', '\xa7'),
    comment: fc.constantFrom('', '#', '//'),
    trims: fc.boolean(),
  });

  it('gives what csv-parse gives in any dialect, and rejects something wherever csv-parse refuses', () => {
    let refused = 0;
    let accepted = 0;
    const inputs = rulesOf.chain((rules) => fc.tuple(fc.constant(rules), anythingIn(rules)));
    fc.assert(
      fc.property(inputs, ([{ delimiter, ...rules }, input]) => {
        const dialect = { ...CSV, ...rules, delimiter: delimiter.charCodeAt(0) };
        const outcome = parsed(dialect, input);
        const faults = outcome.rejects.filter(({ reason }) => FAULT.test(reason));
        const records = csvParse(input, dialect);
        // Where it trims, csv-parse also takes text after a closing quote and a space.
        if (!rules.trims || records === undefined) {
          expect(faults.length > 0).toBe(records === undefined);
        }
        if (records === undefined) refused++;
        else accepted++;
        if (records === undefined || faults.length > 0) return;
        const { rejectedCount, rows } = outcome;
        expect({ rows, rejectedCount }).toEqual(expectedOf(records));
      }),
      runs(3000),
    );
    expect(Math.min(refused, accepted)).toBeGreaterThan(50);
  });

  it('reads the cells of a header as those of the rows below it', () => {
    let read = 0;
    fc.assert(
      fc.property(anything, (input) => {
        const record = input.subarray(0, new CsvRecords(bytesSource(input), CSV).endOf(0));
        const cells = recordCells(record, CSV);
        const records = csvParse(record, CSV, 'utf8');
        if (records === undefined) expect(cells).toMatchObject({ fault: FAULT_TEXT });
        else expect(cells).toEqual(records[0] ?? ['']);
        if (records !== undefined) read++;
      }),
      runs(500),
    );
    expect(read).toBeGreaterThan(50);
  });

  it('passes over lines of spaces where it trims, whether there are quotes in the chunk or not', () => {
    const trimming = { ...CSV, trims: true };
    const { rejects, rows } = parsed(trimming, '  \nk,v\n\t\n');
    expect({ rejects, rows }).toEqual({ rejects: [], rows: [['k', 'v']] });
    expect(parsed(trimming, '  \n"k",v\n\t\n')).toMatchObject({ rejects, rows });
  });

  it('gives what the unquoted path gives for everything without a quote', () => {
    const quoteless = anything.map((bytes) => bytes.filter((byte) => byte !== 0x22));
    fc.assert(
      fc.property(quoteless, fc.constantFrom(CSV, CSV3), (input, dialect) => {
        const context = contextFor(dialect);
        context.assembled.length = 0;
        clearRowTable(context.rows);
        const chunk = Buffer.from(input);
        parseQuoted(context, chunk);
        context.rows.source = dialect === CSV ? chunk : context.assembled.bytes;
        expect(outcomeOf(context, Buffer.from(input), 7)).toEqual(
          parsed(dialect, Buffer.from(input), 7),
        );
      }),
      runs(300),
    );
  });
});

describe('a JSON object of columns', () => {
  it('is what JSON.stringify makes of the same texts', () => {
    const unit = fc.constantFrom(
      ...['a', '"', '\\', '/', '\b', '\f', '\r', '\t', '\0', '\u001f', '\u007f', 'é', '😀'],
      ...['\u2028', 'some plain text'],
    );
    const cell = fc.array(unit, { maxLength: 8 }).map((units) => units.join(''));
    fc.assert(
      fc.property(fc.array(fc.tuple(cell, cell), { minLength: 1, maxLength: 5 }), (cells) => {
        const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;
        const lines = cells.map(([a, b], row) => `k${row},${quoted(a)},${quoted(b)}\n`);
        expect(parsed(CSV3, lines.join('')).rows).toEqual(
          cells.map(([a, b], row) => [
            `k${row}`,
            Buffer.from(JSON.stringify({ a, b })).toString('latin1'),
          ]),
        );
      }),
      runs(300),
    );
  });
});
