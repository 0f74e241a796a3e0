// Quotes, formats, and folders of parts.

import { one } from './case.ts';
import type { Case } from './case.ts';

const HEADER = ['--header yes', '--header no'];
const rowsOf = (text: string): [string, string][] =>
  text.split(' ').map((pair) => pair.split('=') as [string, string]);
const TWO = rowsOf('a-1=10 a-2=20');

const stray = (before: string, after: string): string =>
  [
    'sku,title,n',
    before,
    ...Array.from({ length: 150 }, (_, at) => `m${at},item,${at}`),
    after,
  ].join('\n');
const MIDDLE = Array.from({ length: 150 }, (_, at): [string, string] => [`m${at}`, 'item']);

const QUOTES: readonly Case[] = [
  one('quoted values', 'f.csv', 'id,text\n1,"a,b"\n2,"say ""hi"""\n', {
    rows: [
      ['1', 'a,b'],
      ['2', 'say "hi"'],
    ],
  }),
  one('a value of three lines', 'f.csv', 'id,text\n1,"a\nb\nc"\n2,d\n', {
    rows: [
      ['1', 'a\nb\nc'],
      ['2', 'd'],
    ],
  }),
  one('a stray quote and no other', 'f.csv', 'sku,n\na,1\nb,"2\nc,3\n', {
    rows: rowsOf('a=1 c=3'),
    rejected: 1,
  }),
  one('inches', 'f.csv', 'sku,title\n1,nail 6"\n2,plank\n', {
    rows: rowsOf('2=plank'),
    rejected: 1,
  }),
  one('a stray quote with the next one far away', 'f.csv', stray('x,"item,1', 'y,screen 12",2'), {
    flags: { value: 'title' },
    rows: MIDDLE,
    rejected: 2,
  }),
  one('a stray quote before a quoted value', 'f.csv', 'sku,t\n1,"open\n2,b\n3,"c"\n4,d\n', {
    rows: rowsOf('2=b 3=c 4=d'),
    rejected: 1,
  }),
  one('many lines in a value, allowed', 'f.csv', `id,text\n1,"${'x\n'.repeat(150)}"\n`, {
    flags: { maxLinesPerValue: 150 },
    rows: [['1', 'x\n'.repeat(150)]],
  }),
  one('many lines in a value', 'f.csv', 'id,text\n1,"x\nx\nx"\n2,b\n3,c\n4,d\n', {
    flags: { maxLinesPerValue: 1 },
    rows: rowsOf('2=b 3=c 4=d'),
    rejected: 3,
  }),
  one('text after a quote', 'f.csv', 'id,text\n1,"a"b\n2,c\n', {
    rows: rowsOf('2=c'),
    rejected: 1,
  }),
  one('quotes in a tsv', 'f.tsv', '"id"\t"name"\n"1"\t"Ann"\n', {
    flags: { header: 'no' },
    rows: [
      ['"id"', '"name"'],
      ['"1"', '"Ann"'],
    ],
    notice: '--format csv --delimiter tab',
  }),
];

const FORMATS: readonly Case[] = [
  one('lines', 'f.data', 'k1 some value\nk2 \n', {
    rows: [
      ['k1', 'some value'],
      ['k2', ''],
    ],
    tells: ['line'],
  }),
  one('lines with tabs in values', 'f.data', 'k1 a\tb\nk2 c\td\n', {
    rows: [
      ['k1', 'a\tb'],
      ['k2', 'c\td'],
    ],
  }),
  one('lines in a .txt', 'f.txt', 'k1 some value\nk2 other\n', {
    rows: [
      ['k1', 'some value'],
      ['k2', 'other'],
    ],
  }),
  one('tabs in a .txt', 'f.txt', 'sku-1\tred shoes\nsku-2\tblue hat\n', {
    rows: [
      ['sku-1', 'red shoes'],
      ['sku-2', 'blue hat'],
    ],
    tells: ['tsv'],
  }),
  one('tabs and a header in a .txt', 'f.txt', 'sku\tprice\na-1\t10\na-2\t20\n', { rows: TWO }),
  one('tabs after spaces in a .txt', 'f.txt', 'John Smith\t42\nJane Doe\t43\n', {
    asks: ['--format tsv', '--format line'],
  }),
  one('tabs after spaces, said', 'f.txt', 'John Smith\t42\nJane Doe\t43\n', {
    flags: { format: 'tsv' },
    rows: [
      ['John Smith', '42'],
      ['Jane Doe', '43'],
    ],
  }),
  one('uneven tabs in a .txt', 'f.txt', 'a\tb\tc\nd\te f\n', {
    asks: ['--format tsv', '--format line'],
  }),
  one('commas in a .txt', 'f.txt', 'sku,title\na-1,red shoes\na-2,blue hat\n', {
    asks: ['--format csv'],
  }),
  one('commas in a .txt without a space', 'f.txt', 'a-1,10\na-2,20\n', { asks: ['--format csv'] }),
  one('semicolons in a .txt, said', 'f.txt', 'a-1;10\na-2;20\n', {
    flags: { delimiter: ';' },
    rows: TWO,
    tells: ['csv'],
  }),
  one('no space at all', 'f.data', 'one\ntwo\n', { asks: ['--format'] }),
  one('a comment before lines', 'f.data', '# made by hand\nk1 v\n', { asks: ["--comment '#'"] }),
  one('a comment before lines, said', 'f.data', '# made by hand\nk1 v\n', {
    flags: { comment: '#' },
    rows: rowsOf('k1=v'),
  }),
  one('a key of one hash', 'f.data', '# x\nk v\n', {
    flags: { format: 'line' },
    rows: rowsOf('#=x k=v'),
  }),
  one('JSON in a .txt', 'f.txt', '{"key": "a", "value": 1}\n', { asks: ['--format jsonl'] }),
  one('JSON in a .csv', 'f.csv', '{"key":"a","value":1}\n', { asks: ['--format jsonl'] }),
  one('an ending that says nothing', 'f.dat', 'a 1\n', { asks: ['--format'] }),
  one('JSON Lines', 'f.jsonl', '{"key":"a","value":1}\n{"key":"b","value":"x"}\n', {
    rows: rowsOf('a=1 b=x'),
    tells: ['jsonl'],
  }),
  one('JSON Lines, a name with a dot', 'f.jsonl', '{"user.id":"a","n":1,"user":{"id":"b"}}\n', {
    flags: { key: '/user.id', value: 'n' },
    rows: rowsOf('a=1'),
    tells: ['key /user.id, value n'],
  }),
  one('JSON Lines, a path', 'f.jsonl', '{"user.id":"a","n":1,"user":{"id":"b"}}\n', {
    flags: { key: 'user.id', value: 'n' },
    rows: rowsOf('b=1'),
    tells: ['key user.id, value n'],
  }),
  one('a name that is a number', 'f.csv', 'sku,1,2\na,7,8\nb,9,6\n', {
    flags: { header: 'yes', key: '2', value: '1' },
    rows: rowsOf('8=7 6=9'),
    tells: ['key "2" (column 3), value "1" (column 2)'],
  }),
  one('JSON Lines with further members', 'f.jsonl', '{"key":"u1","value":0.5,"segment":"x"}\n', {
    rows: rowsOf('u1=0.5'),
    notice: 'segment',
    tells: ['not stored: other members (segment)'],
  }),
  one(
    'JSON Lines with further members, said',
    'f.jsonl',
    '{"key":"u1","value":0.5,"segment":"x"}\n',
    { flags: { value: 'segment' }, rows: rowsOf('u1=x') },
  ),
  one('JSON Lines of one other member', 'f.ndjson', '{"key":"a","n":1.0}\n', {
    rows: rowsOf('a=1.0'),
  }),
  one('JSON Lines with comments', 'f.jsonl', '// x\n{"key":"a","n":1}\n', {
    flags: { comment: '//' },
    rows: rowsOf('a=1'),
  }),
  one('JSON Lines in a .json', 'f.json', '{"key":"a","value":1}\n', { rows: rowsOf('a=1') }),
  one('a JSON array', 'f.json', '[{"key":"a","value":1},\n{"key":"b","value":2}]\n', {
    code: 'UNSUPPORTED',
    asks: ['JSON array', "jq -c '.[]'"],
  }),
  one('a JSON array over many lines', 'f.jsonl', '[\n  {"key": "a"}\n]\n', {
    code: 'UNSUPPORTED',
    asks: ['JSON array'],
  }),
  one('a JSON document over many lines', 'f.json', '{\n  "key": "a",\n  "value": 1\n}\n', {
    code: 'UNSUPPORTED',
    asks: ['jq -c .'],
  }),
  one('no member key', 'f.jsonl', '{"id":1,"n":2}\n', { code: 'INPUT_INVALID', asks: ['--key'] }),
  one('a delimiter for JSON', 'f.jsonl', '{"key":1,"n":2}\n', {
    flags: { delimiter: ';' },
    code: 'INVALID_ARGUMENT',
    asks: ['--delimiter'],
  }),
  one('an empty file', 'f.csv', '', { code: 'INPUT_INVALID', asks: ['empty'] }),
  one('blank lines alone', 'f.csv', '\n\n', { code: 'INPUT_INVALID', asks: ['no row'] }),
];

const parts = (
  name: string,
  files: Record<string, string>,
  expected: Omit<Case, 'name' | 'files'>,
): Case => ({ name, files, ...expected });

const FOLDERS: readonly Case[] = [
  parts(
    'a first part of a header alone',
    { 'part-0.csv': 'country,population\n', 'part-1.csv': 'country,population\nNorway,5\n' },
    { rows: rowsOf('Norway=5') },
  ),
  parts(
    'a last part of a header alone',
    { 'part-0.csv': 'country,population\nNorway,5\n', 'part-1.csv': 'country,population\n' },
    { rows: rowsOf('Norway=5') },
  ),
  parts(
    'text with the same header in each part',
    { 'a.csv': 'country,capital\nFrance,Paris\n', 'b.csv': 'country,capital\nSpain,Madrid\n' },
    { rows: rowsOf('France=Paris Spain=Madrid'), tells: ['2 files', 'with a header'] },
  ),
  parts(
    'a header alone and text',
    { 'a.csv': 'country,capital\n', 'b.csv': 'country,capital\nSpain,Madrid\n' },
    { rows: rowsOf('Spain=Madrid') },
  ),
  parts(
    'two copies of one text',
    { 'a.csv': 'country,capital\nFrance,Paris\n', 'b.csv': 'country,capital\nFrance,Paris\n' },
    { asks: HEADER },
  ),
  parts(
    'a header in the first part alone',
    { 'xaa.csv': 'id,price\n1,10\n2,20\n', 'xab.csv': '3,30\n4,40\n' },
    {
      rows: rowsOf('1=10 2=20 3=30 4=40'),
      tells: ['a header in 1 of them', 'key id, value price'],
    },
  ),
  parts(
    'and its names in objects of all parts',
    { 'xaa.csv': 'id,a,b\n1,x,y\n', 'xab.csv': '3,z,w\n' },
    {
      rows: [
        ['1', '{"a":"x","b":"y"}'],
        ['3', '{"a":"z","b":"w"}'],
      ],
    },
  ),
  parts(
    'a header in the first part, text in the next',
    { 'a.csv': 'country,capital\nFrance,Paris\n', 'b.csv': 'Spain,Madrid\n' },
    { asks: HEADER },
  ),
  parts('no header anywhere', { 'a.csv': '1,x\n', 'b.csv': '2,y\n' }, { rows: rowsOf('1=x 2=y') }),
  parts(
    'two headers',
    { 'a.csv': 'id,price\n1,10\n', 'b.csv': 'id,cost\n2,20\n' },
    { code: 'INPUT_INVALID', asks: ["b.csv'", 'other columns'] },
  ),
  parts(
    'two numbers of columns',
    { 'a.csv': '1,10\n', 'b.csv': '2,20,x\n' },
    { code: 'INPUT_INVALID', asks: ["b.csv'", 'other columns'] },
  ),
  parts(
    'two delimiters',
    { 'a.csv': 'id,price\n1,10\n', 'b.csv': 'id;price\n2;20\n' },
    { code: 'INPUT_INVALID', asks: ["b.csv'", 'between'] },
  ),
  parts(
    'a delimiter that only the first part tells',
    { 'a.csv': 'sku;price\nA1;1,50\n', 'b.csv': 'A2;2,75\n' },
    { rows: rowsOf('A1=1,50 A2=2,75') },
  ),
  parts(
    'an empty part',
    { 'a.csv': '', 'b.csv': 'id,price\n1,10\n' },
    { rows: rowsOf('1=10'), notice: 'empty' },
  ),
  parts(
    'two formats',
    { 'a.csv': 'id,price\n1,10\n', 'b.data': '2 20\n' },
    { rows: rowsOf('1=10 2=20'), tells: ['1 file: csv', '; 1 file: line'] },
  ),
  parts(
    '.json parts',
    { 'a.json': '{"key":1,"n":2}\n', 'b.json': '{"key":3,"n":4}\n' },
    { flags: { format: 'jsonl' }, rows: rowsOf('1=2 3=4') },
  ),
  parts(
    'parts without an ending',
    { 'part-0': 'id,n\n1,2\n', 'part-1': 'id,n\n3,4\n' },
    { flags: { format: 'csv' }, rows: rowsOf('1=2 3=4') },
  ),
  parts(
    'lines skipped in each part',
    { 'a.csv': 'A\nid,n\n1,2\n', 'b.csv': 'B\nid,n\n3,4\n' },
    { flags: { skipLines: 1 }, rows: rowsOf('1=2 3=4') },
  ),
];

export const FILES: readonly Case[] = [...QUOTES, ...FORMATS, ...FOLDERS];
