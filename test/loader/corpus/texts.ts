// Delimiters, encodings and line ends.

import { gzipSync } from 'node:zlib';
import { one, utf16 } from './case.ts';
import type { Case } from './case.ts';

const rowsOf = (text: string): [string, string][] =>
  text.split(' ').map((pair) => pair.split('=') as [string, string]);
const TWO = rowsOf('a-1=10 a-2=20');

const WIDE = 5001;
const wide = (cell: (column: number) => string): string =>
  Array.from({ length: WIDE }, (_, column) => cell(column + 1)).join(',');

const DELIMITERS: readonly Case[] = [
  one('semicolons', 'f.csv', 'sku;price\na-1;10\na-2;20\n', {
    rows: TWO,
    tells: ["delimiter ';'", 'with a header: key sku, value price'],
  }),
  one('semicolons and decimal commas', 'f.csv', 'sku;price\na-1;1,50\na-2;2,75\n', {
    rows: rowsOf('a-1=1,50 a-2=2,75'),
  }),
  one(
    'semicolons and decimal commas in some rows',
    'f.csv',
    'Artikel;Preis\nA1;1,50\nA2;2\nA3;3,5\n',
    { rows: rowsOf('A1=1,50 A2=2 A3=3,5') },
  ),
  one('semicolons or commas', 'f.csv', 'A1;1,50\nA2;2,75\n', {
    asks: ["--delimiter ','", "--delimiter ';'"],
  }),
  one('semicolons, said', 'f.csv', 'A1;1,50\nA2;2,75\n', {
    flags: { delimiter: ';' },
    rows: rowsOf('A1=1,50 A2=2,75'),
  }),
  one('commas, said', 'f.csv', 'A1;1,50\nA2;2,75\n', {
    flags: { delimiter: ',' },
    rows: rowsOf('A1;1=50 A2;2=75'),
  }),
  one('quoted semicolons', 'f.csv', '"sku";"text"\n"1";"a; b"\n"2";"c"\n', {
    rows: [
      ['1', 'a; b'],
      ['2', 'c'],
    ],
  }),
  one('pipes', 'f.csv', 'sku|price\na-1|10\na-2|20\n', { rows: TWO, tells: ["delimiter '|'"] }),
  one('tabs in a csv', 'f.csv', 'sku\tprice\na-1\t10\na-2\t"20"\n', {
    rows: TWO,
    tells: ['delimiter tab'],
  }),
  one('commas with semicolons in some texts', 'f.csv', 'id,text\n1,a; b\n2,plain\n3,c; d\n', {
    rows: [
      ['1', 'a; b'],
      ['2', 'plain'],
      ['3', 'c; d'],
    ],
  }),
  one('commas with lists between semicolons', 'f.csv', 'id,tags\n1,a;b\n2,c;d\n', {
    rows: rowsOf('1=a;b 2=c;d'),
  }),
  one('another delimiter', 'f.csv', 'sku^price\na-1^10\na-2^20\n', {
    flags: { delimiter: '^' },
    rows: TWO,
  }),
  one('another delimiter, not said', 'f.csv', 'sku^price\na-1^10\na-2^20\n', {
    asks: ['only one column', '--delimiter'],
  }),
  one('a byte of Latin-1 between columns', 'f.csv', Buffer.from('1\xa6Ann\n2\xa6Bob\n', 'latin1'), {
    flags: { delimiter: '\\xa6' },
    rows: rowsOf('1=Ann 2=Bob'),
  }),
  one('tabs, said', 'f.csv', '1\tAnn\n2\tBob\n', {
    flags: { delimiter: 'tab' },
    rows: rowsOf('1=Ann 2=Bob'),
  }),
  one('tsv with pipes', 'f.tsv', '1|"Ann"\n2|Bob\n', {
    flags: { delimiter: '|' },
    rows: rowsOf('1="Ann" 2=Bob'),
  }),
  one('a delimiter of two characters', 'f.csv', '1||Ann\n', {
    flags: { delimiter: '||' },
    code: 'INVALID_ARGUMENT',
    asks: ['one byte'],
  }),
  one('a quote as the delimiter', 'f.csv', '1"Ann\n', {
    flags: { delimiter: '"' },
    code: 'INVALID_ARGUMENT',
    asks: ['quote'],
  }),
  one('sep=', 'f.csv', 'sep=,\r\nsku,price\r\na-1,10\r\n', { rows: rowsOf('a-1=10') }),
  one('sep=;', 'f.csv', 'sep=;\nsku;price\na-1;1,5\n', {
    rows: rowsOf('a-1=1,5'),
    tells: ["delimiter ';'"],
  }),
  one('a quoted sep=', 'f.csv', '"sep=,"\nsku,price\na-1,10\n', { rows: rowsOf('a-1=10') }),
  one('sep=tab after a byte order mark', 'f.csv', '\ufeffSEP=\t\nsku\tprice\na-1\t10\n', {
    rows: rowsOf('a-1=10'),
  }),
  one('one column', 'f.csv', 'sku\na-1\na-2\n', { asks: ['only one column', '--delimiter'] }),
  one('one column in a tsv of semicolons', 'f.tsv', 'sku;price\na-1;10\n', {
    asks: ["--delimiter ';'", '--format csv'],
  }),
  one('columns that differ from row to row', 'f.csv', 'a,1\nb,2\nc\nd,4\n', {
    rows: rowsOf('a=1 b=2 d=4'),
    rejected: 1,
  }),
  one(
    'columns that differ from the first row and from one another',
    'f.csv',
    'sku,price\na-1,10,99\na-2\n',
    {
      asks: ["('sku,price') has 2 columns between ','", '(3, 1)', '--delimiter'],
    },
  ),
  one('lines before the table', 'f.csv', 'Report of May\nsku,price\na-1,10\na-2,20\n', {
    asks: ['--skip-lines'],
  }),
  one('lines before the table, skipped', 'f.csv', 'Report of May\n\nsku,price\na-1,10\na-2,20\n', {
    flags: { skipLines: 2 },
    rows: TWO,
    tells: ['first 2 lines'],
  }),
  one('comments', 'f.csv', '# made by, a "tool\nsku,price\n# more\na-1,10\na-2,20\n#\n', {
    flags: { comment: '#' },
    rows: TWO,
    tells: ['lines that begin with #'],
  }),
  one('comments, not said', 'f.csv', '# made by a tool\nsku,price\na-1,10\na-2,20\n', {
    asks: ['--comment'],
  }),
  one('comments of two characters', 'f.tsv', '//x\nsku\tprice\n//\na-1\t10\n', {
    flags: { comment: '//' },
    rows: rowsOf('a-1=10'),
  }),
  one('spaces around columns', 'f.csv', ' sku ,\tprice\n "a-1" , 10\n a-2,"20"  \n', {
    flags: { trim: true },
    rows: TWO,
  }),
  one('spaces that are kept', 'f.csv', 'a-1, 10\na-2, 20\n', {
    rows: [
      ['a-1', ' 10'],
      ['a-2', ' 20'],
    ],
  }),
  one('more than 4,096 columns', 'f.csv', `${wide((at) => `f${at}`)}\n${wide((at) => `${at}`)}\n`, {
    flags: { value: 'f5000' },
    rows: rowsOf('1=5000'),
  }),
  one('a row of many columns by number', 'f.csv', `${wide((at) => `${at * 3}`)}\n`, {
    flags: { value: '5001', header: 'no' },
    rows: rowsOf('3=15003'),
  }),
];

const ENCODINGS: readonly Case[] = [
  one('a byte order mark', 'f.csv', '\ufeffsku,price\na-1,10\n', {
    rows: rowsOf('a-1=10'),
    tells: ['key sku'],
  }),
  one('two byte order marks', 'f.csv', '\ufeff\ufeffsku,price\na-1,10\n', {
    rows: rowsOf('a-1=10'),
    tells: ['key sku'],
  }),
  one('a byte order mark before a quote', 'f.csv', '\ufeff"sku","price"\n"a-1","10"\n', {
    rows: rowsOf('a-1=10'),
  }),
  one('Latin-1', 'f.csv', Buffer.from('stadt,nr\nK\xf6ln,1\n', 'latin1'), {
    flags: { key: 'nr', value: 'stadt' },
    rows: [['1', 'K\ufffdln']],
    tells: ['not UTF-8'],
  }),
  one('Latin-1 within JSON', 'f.csv', Buffer.from('1,K\xf6ln,x\n2,Bonn,y\n', 'latin1'), {
    rows: [['2', '{"column2":"Bonn","column3":"y"}']],
    rejected: 1,
  }),
  one('UTF-16 of Latin letters', 'f.csv', utf16('sku,price\r\na-1,10\r\na-2,20\r\n', 'le'), {
    rows: TWO,
    tells: ['UTF-16 read as UTF-8'],
  }),
  one('UTF-16, big-endian', 'f.csv', utf16('sku;price\na-1;10\na-2;20', 'be'), { rows: TWO }),
  one('UTF-16 of Cyrillic letters', 'f.tsv', utf16('ключ\tзначение\nа1\t10\nб2\t20', 'le'), {
    rows: rowsOf('а1=10 б2=20'),
  }),
  one(
    'UTF-16 of Chinese letters, big-endian',
    'f.tsv',
    utf16('编号\t名称\n1\t苹果\n2\t梨\n', 'be'),
    { rows: rowsOf('1=苹果 2=梨') },
  ),
  one('UTF-16 with a surrogate pair', 'f.data', utf16('k 😀\n', 'le'), { rows: rowsOf('k=😀') }),
  one('UTF-16, packed', 'f.csv.gz', gzipSync(utf16('ключ,цена\nа1,10\n', 'le')), {
    rows: rowsOf('а1=10'),
  }),
  one(
    'UTF-16 that is cut in a character',
    'f.csv',
    Buffer.concat([utf16('sku,price\na-1,10\n', 'le'), Buffer.from('a')]),
    { code: 'INPUT_INVALID', asks: ['half a character'] },
  ),
  one('UTF-16 with half a surrogate', 'f.csv', utf16('id,v\r\n1,\ud800x\r\n2,b', 'le'), {
    code: 'INPUT_INVALID',
    asks: ['half a surrogate'],
  }),
  one('UTF-16 with half a surrogate, big-endian', 'f.tsv', utf16('1\t\udc00\n', 'be'), {
    code: 'INPUT_INVALID',
    asks: ['half a surrogate'],
  }),
  one('UTF-16 with characters of private use', 'f.csv', utf16('sku,price\na-1,\ue000\n', 'le'), {
    flags: { header: 'yes' },
    rows: rowsOf('a-1=\ue000'),
  }),
  one('UTF-16 with a control character', 'f.tsv', utf16('a\tb\x01c\n', 'le'), {
    flags: { header: 'no' },
    rows: [['a', 'b\x01c']],
  }),
  one('UTF-16 without its mark', 'f.csv', utf16('sku,price\na-1,10\na-2,20\n', 'le', false), {
    code: 'UNSUPPORTED',
    asks: ['iconv -f UTF-16LE'],
  }),
  one(
    'UTF-16 of Cyrillic letters without its mark',
    'f.tsv',
    utf16('ключ\tзначение\nа1\t10\nб2\t20\n', 'be', false),
    { code: 'UNSUPPORTED', asks: ['iconv -f UTF-16BE'] },
  ),
  one('UTF-32', 'f.csv', Buffer.from([0xff, 0xfe, 0, 0, 0x61, 0, 0, 0]), {
    code: 'UNSUPPORTED',
    asks: ['UTF-32', 'iconv'],
  }),
  one('NUL bytes in values', 'f.data', Buffer.from('k1 a\0b\nk2 \0\0c\n'), {
    rows: [
      ['k1', 'a\0b'],
      ['k2', '\0\0c'],
    ],
  }),
];

const LINE_ENDS: readonly Case[] = [
  one('\\r\\n', 'f.csv', 'sku,price\r\na-1,10\r\na-2,20\r\n', { rows: TWO, tells: ['\\r\\n'] }),
  one('\\r\\n in a tsv', 'f.tsv', 'sku\tprice\r\na-1\t10\r\n', { rows: rowsOf('a-1=10') }),
  one('\\r\\n in lines', 'f.data', 'a 1\r\nb 2\r\n', {
    rows: [
      ['a', '1\r'],
      ['b', '2\r'],
    ],
  }),
  one('\\r alone in a csv', 'f.csv', 'id,name\r1,a\r2,b\r', {
    code: 'UNSUPPORTED',
    asks: ['\\r', 'tr '],
  }),
  one('\\r alone in a tsv', 'f.tsv', 'id\tname\r1\ta\r2\tb\r', {
    code: 'UNSUPPORTED',
    asks: ['tr '],
  }),
  one('\\r alone in lines', 'f.data', 'a 1\rb 2\r', { code: 'UNSUPPORTED', asks: ['tr '] }),
  one('\\r alone, and \\n at the very end', 'f.csv', 'id,name\r1,a\r2,b\r\n', {
    code: 'UNSUPPORTED',
    asks: ['tr '],
  }),
  one('\\r in a quoted value', 'f.csv', 'id,name\n1,"a\rb"\n', { rows: [['1', 'a\rb']] }),
  one('no line end at the end', 'f.csv', 'sku,price\na-1,10\na-2,20', { rows: TWO }),
  one('blank lines', 'f.csv', '\n\nsku,price\n\na-1,10\r\n\r\na-2,20\n\n', { rows: TWO }),
];

export const TEXTS: readonly Case[] = [...DELIMITERS, ...ENCODINGS, ...LINE_ENDS];
