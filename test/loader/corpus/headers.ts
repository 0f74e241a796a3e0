// Headers, and rows that look like them.

import { one } from './case.ts';
import type { Case } from './case.ts';

const HEADER = ['--header yes', '--header no'];
const rowsOf = (text: string): [string, string][] =>
  text.split(' ').map((pair) => pair.split('=') as [string, string]);

export const HEADERS: readonly Case[] = [
  // Figures, dates, codes, links and flags below names.
  one('sku and price', 'f.csv', 'sku,price\na-1,10\na-2,20\n', {
    rows: rowsOf('a-1=10 a-2=20'),
    tells: ["delimiter ','", 'with a header: key sku, value price'],
  }),
  one('numbers as keys', 'f.csv', 'id,name\n1,Ann\n2,Bob\n', { rows: rowsOf('1=Ann 2=Bob') }),
  one('a column with a unit', 'f.csv', 'Order ID,Amount (USD)\n1001,20.50\n1002,7\n', {
    rows: rowsOf('1001=20.50 1002=7'),
  }),
  one('a percent sign', 'f.csv', 'sku,discount %\na,5\nb,10\n', { rows: rowsOf('a=5 b=10') }),
  one('a slash', 'f.csv', 'sku,price/unit\na,5.5\nb,1.25\n', { rows: rowsOf('a=5.5 b=1.25') }),
  one('a hash', 'f.csv', '#,Team\n1,Bayern\n2,Leipzig\n', { rows: rowsOf('1=Bayern 2=Leipzig') }),
  one('names with many digits', 'f.csv', 'sku,rev_2023_2024\na,5\nb,7\n', {
    rows: rowsOf('a=5 b=7'),
  }),
  one('years as names over figures', 'f.csv', 'year,2023,2024\n1,5,6\n2,7,8\n', {
    rows: [
      ['1', '{"2023":"5","2024":"6"}'],
      ['2', '{"2023":"7","2024":"8"}'],
    ],
  }),
  one('years over text keys', 'f.csv', 'country,2023,2024\nFrance,5,6\nSpain,7,8\n', {
    asks: HEADER,
  }),
  one('one year over text keys', 'f.csv', 'country,2023\nFrance,5\nSpain,7\n', { asks: HEADER }),
  one('an index column without a name', 'f.csv', ',sku,price\n0,a-1,10\n1,a-2,20\n', {
    rows: [
      ['0', '{"sku":"a-1","price":"10"}'],
      ['1', '{"sku":"a-2","price":"20"}'],
    ],
  }),
  one('an index column over text', 'f.csv', ',name\nx,Ann\ny,Bob\n', {
    rows: rowsOf('x=Ann y=Bob'),
  }),
  one('a space before a name', 'f.csv', 'sku, price\na,10\nb,20\n', {
    rows: rowsOf('a=10 b=20'),
    tells: ['value  price'],
  }),
  one('the same, trimmed', 'f.csv', 'sku, price\na , 10\nb, 20 \n', {
    flags: { trim: true },
    rows: rowsOf('a=10 b=20'),
    tells: ['value price', 'trimmed'],
  }),
  one('names in Cyrillic', 'f.csv', 'ключ,значение\nа1,10\nб2,20\n', {
    rows: rowsOf('а1=10 б2=20'),
    tells: ['key ключ'],
  }),
  one('names in Chinese', 'f.csv', '编号,名称\n1,苹果\n2,梨\n', { rows: rowsOf('1=苹果 2=梨') }),
  one('names in Greek over dates', 'f.csv', 'κωδικός,ημερομηνία\nα,2024-01-02\nβ,2024-01-03\n', {
    rows: rowsOf('α=2024-01-02 β=2024-01-03'),
  }),
  one('Arabic figures', 'f.csv', 'الرمز,السعر\nأ,١٠\nب,٢٠\n', { rows: rowsOf('أ=١٠ ب=٢٠') }),
  one('umlauts', 'f.csv', 'Schlüssel,Größe\nA,12\nB,13\n', { rows: rowsOf('A=12 B=13') }),
  one(
    'over UUIDs',
    'f.csv',
    'user,token\nann,8a35eb59-62b3-481c-8875-1f248df4c952\nbob,fa35eb59-62b3-481c-8875-1f248df4c952\n',
    {
      rows: rowsOf(
        'ann=8a35eb59-62b3-481c-8875-1f248df4c952 bob=fa35eb59-62b3-481c-8875-1f248df4c952',
      ),
    },
  ),
  one(
    'over hashes',
    'f.csv',
    'file,md5\na.txt,0f343b0931126a20f133d67c2b018a3b\nb.txt,1f343b0931126a20f133d67c2b018a3b\n',
    {
      rows: rowsOf('a.txt=0f343b0931126a20f133d67c2b018a3b b.txt=1f343b0931126a20f133d67c2b018a3b'),
    },
  ),
  one('over links', 'f.csv', 'site,address\nhome,https://a.example/x\nshop,https://b.example/y\n', {
    rows: rowsOf('home=https://a.example/x shop=https://b.example/y'),
  }),
  one('over mail addresses', 'f.csv', 'person,contact\nann,ann@a.example\nbob,bob@b.example\n', {
    rows: rowsOf('ann=ann@a.example bob=bob@b.example'),
  }),
  one('over flags', 'f.csv', 'feature,active\nsearch,true\ncart,false\n', {
    rows: rowsOf('search=true cart=false'),
  }),
  one(
    'over times with zones',
    'f.csv',
    'job,finished\na,2024-01-02T10:00:00Z\nb,2024-01-02T11:30:00Z\n',
    { rows: rowsOf('a=2024-01-02T10:00:00Z b=2024-01-02T11:30:00Z') },
  ),
  one('over dates with months', 'f.csv', 'employee,hired\nann,02-Jan-2024\nbob,15-Mar-2023\n', {
    rows: rowsOf('ann=02-Jan-2024 bob=15-Mar-2023'),
  }),
  one('over exponents', 'f.csv', 'term,weight\nred,1.5e-7\nblue,2e3\n', {
    rows: rowsOf('red=1.5e-7 blue=2e3'),
  }),
  one('over prices with a sign', 'f.csv', 'item,cost\npen,$1.50\ncup,$3\n', {
    rows: rowsOf('pen=$1.50 cup=$3'),
  }),
  one('over cells of which some are empty', 'f.csv', 'item,cost\npen,\ncup,3\nmug,n/a\n', {
    rows: [
      ['pen', ''],
      ['cup', '3'],
      ['mug', 'n/a'],
    ],
  }),
  one('over JSON', 'f.csv', 'who,what\nann,"{""a"":1}"\nbob,"{""a"":2}"\n', {
    rows: [
      ['ann', '{"a":1}'],
      ['bob', '{"a":2}'],
    ],
  }),
  one(
    'over codes of one shape',
    'f.csv',
    'article,colour\nab-1,red\nab-2,blue\nab-3,red\nab-10,green\nab-11,grey\n',
    { rows: rowsOf('ab-1=red ab-2=blue ab-3=red ab-10=green ab-11=grey') },
  ),
  one(
    'over country codes',
    'f.csv',
    'country,iso\nFrance,FR\nSpain,ES\nItaly,IT\nNorway,NO\nPeru,PE\nChad,TD\nCuba,CU\nOman,OM\n',
    { rows: rowsOf('France=FR Spain=ES Italy=IT Norway=NO Peru=PE Chad=TD Cuba=CU Oman=OM') },
  ),
  one('quoted names', 'f.csv', '"id","full name"\n"1","Ann A."\n"2","Bob ""B"" C."\n', {
    rows: [
      ['1', 'Ann A.'],
      ['2', 'Bob "B" C.'],
    ],
  }),
  one('a name over two lines', 'f.csv', '"id","full\nname"\n1,Ann\n2,Bob\n', {
    rows: rowsOf('1=Ann 2=Bob'),
  }),
  one('key and value over text', 'f.csv', 'key,value\nfoo,bar\nbaz,qux\n', {
    rows: rowsOf('foo=bar baz=qux'),
  }),
  one('Key and Value in capitals', 'f.tsv', 'KEY\tVALUE\nfoo\tbar\n', { rows: rowsOf('foo=bar') }),
  one(
    'many columns',
    'f.tsv',
    'name\tversion\tmonth\trank_among_15000\nnumpy\t2.5.5\t2026-11\t20\nflask\t3.1\t2026-10\t90\n',
    { flags: { value: 'version' }, rows: rowsOf('numpy=2.5.5 flask=3.1') },
  ),
  one('the same name twice, by number', 'f.csv', 'sku,note,note\n1,good,bad\n2,new,old\n', {
    flags: { value: '3' },
    rows: rowsOf('1=bad 2=old'),
  }),
  one('the same name twice', 'f.csv', 'sku,note,note\n1,good,bad\n', {
    code: 'INPUT_INVALID',
    asks: ["called 'note'", '--value'],
  }),
  one('a column that is called by its name', 'f.csv', 'country,capital\nFrance,Paris\n', {
    flags: { key: 'country' },
    rows: rowsOf('France=Paris'),
  }),
  one('a value that is called by its name', 'f.csv', 'country,capital\nFrance,Paris\n', {
    flags: { key: 'capital', value: 'country' },
    rows: rowsOf('Paris=France'),
  }),
  one('a name that is not there', 'f.csv', 'country,capital\nFrance,Paris\n', {
    flags: { key: 'land' },
    code: 'INVALID_ARGUMENT',
    asks: ['--key land', 'country, capital'],
  }),

  // Text alone: it cannot be known.
  one('countries and capitals', 'f.csv', 'country,capital\nFrance,Paris\nSpain,Madrid\n', {
    asks: HEADER,
  }),
  one('countries and capitals, yes', 'f.csv', 'country,capital\nFrance,Paris\nSpain,Madrid\n', {
    flags: { header: 'yes' },
    rows: rowsOf('France=Paris Spain=Madrid'),
  }),
  one('countries and capitals, no', 'f.csv', 'country,capital\nFrance,Paris\n', {
    flags: { header: 'no' },
    rows: rowsOf('country=capital France=Paris'),
    tells: ['without a header'],
  }),
  one('names and surnames', 'f.csv', 'Name,Smith\nJohn,Doe\n', { asks: HEADER }),
  one('translations', 'f.csv', 'title,Willkommen\nprice,Preis\ncart,Warenkorb\n', { asks: HEADER }),
  one('answers', 'f.csv', 'name,Bob\nage,forty\n', { asks: HEADER }),
  one('two codes are too few', 'f.csv', 'id,widget\nA1,foo\nA2,bar\n', { asks: HEADER }),
  one('pages', 'f.csv', 'url,homepage\nshop,catalogue\n', { asks: HEADER }),
  one('fruit', 'f.csv', 'apple,red\nbanana,yellow\n', { asks: HEADER }),
  one('plain names that are mapped to plain names', 'f.csv', 'id,key\nname,title\nurl,value\n', {
    asks: HEADER,
  }),
  one('one row of names', 'f.csv', 'sku,price\n', { asks: HEADER }),
  one('text in a tsv', 'f.tsv', 'country\tcapital\nFrance\tParis\n', { asks: HEADER }),
  one('figures like the column and text unlike it', 'f.csv', 'total,5\n1,6\n2,7\n', {
    asks: HEADER,
  }),
  one('columns that count', 'f.csv', 'id,0,1,2\na,0.5,0.7,0.1\nb,0.1,0.2,0.4\n', { asks: HEADER }),
  one('months as names', 'f.csv', 'id,2024-01,2024-02\n1,5,6\n2,7,8\n', { asks: HEADER }),

  // Words that stand for no value, or a special one: over figures they are values as well as names.
  ...['inf', 'Infinity', 'unknown', 'n/a', 'NaN', 'null', 'None', '-', '?', '#DIV/0!', 'TBD'].map(
    (word) => one(`the word ${word}`, 'f.csv', `alice,${word}\nbob,1.5\n`, { asks: HEADER }),
  ),
  ...['true', 'False', 'yes', 'NO', 'on'].map((word) =>
    one(`the flag ${word}`, 'f.csv', `alice,${word}\nbob,1.5\ncarol,2\n`, { asks: HEADER }),
  ),
  one('a flag over links', 'f.csv', 'home,no\nshop,https://b.example/y\n', { asks: HEADER }),
  one('minus infinity', 'f.csv', 'alice,-inf\nbob,1.5\n', { rows: rowsOf('alice=-inf bob=1.5') }),
  one('a word that comes again below', 'f.csv', 'alice,unknown\nbob,1.5\ncarol,unknown\n', {
    rows: rowsOf('alice=unknown bob=1.5 carol=unknown'),
  }),
  one('infinity among the figures below a name', 'f.csv', 'who,limit\nalice,inf\nbob,1.5\n', {
    rows: rowsOf('alice=inf bob=1.5'),
  }),
  one('bounds that are called inf and sup', 'f.csv', 'set,inf,sup\na,1,2\nb,3,4\n', {
    flags: { value: '2' },
    rows: rowsOf('a=1 b=3'),
  }),
  one('a key that is called No', 'f.csv', 'No,Team\n1,Bayern\n2,Leipzig\n', {
    rows: rowsOf('1=Bayern 2=Leipzig'),
  }),
  one('no key that is known', 'f.csv', 'unknown,5\n17,6\n18,7\n', {
    rows: rowsOf('unknown=5 17=6 18=7'),
  }),

  one('names of which one has a stray quote', 'f.csv', 'id,size (6")\na-1,10\na-2,20\n', {
    asks: ['names the columns and is malformed', 'quote inside an unquoted field at byte 10'],
    code: 'INPUT_INVALID',
  }),
  one('a first row with a stray quote that is said to be none', 'f.csv', 'a,6" nail\nb,2\n', {
    flags: { header: 'no', maxRejects: 1 },
    rows: rowsOf('b=2'),
    rejected: 1,
  }),
  one('names with no-break spaces, which --trim leaves', 'f.csv', 'sku,\u00a0price\na-1, 10\n', {
    flags: { trim: true, value: '\u00a0price' },
    rows: rowsOf('a-1=10'),
  }),

  // Rows.
  one('figures in the first row', 'f.csv', '1,2\n3,4\n', {
    rows: rowsOf('1=2 3=4'),
    tells: ['without a header'],
  }),
  one('text and figures', 'f.csv', 'a-1,10\na-2,20\n', { rows: rowsOf('a-1=10 a-2=20') }),
  one('one row with a figure', 'f.csv', 'a-1,10\n', { rows: rowsOf('a-1=10') }),
  one('one row with a UUID', 'f.csv', '8a35eb59-62b3-481c-8875-1f248df4c952,word\n', {
    rows: rowsOf('8a35eb59-62b3-481c-8875-1f248df4c952=word'),
  }),
  one('codes in the first row', 'f.csv', 'SKU-1,red\nSKU-2,blue\n', {
    rows: rowsOf('SKU-1=red SKU-2=blue'),
  }),
  one('a value that comes again', 'f.csv', 'apple,red\nbanana,yellow\ncherry,red\n', {
    rows: rowsOf('apple=red banana=yellow cherry=red'),
  }),
  one('years over years', 'f.csv', 'Dune,1965\nEmma,1815\nUlysses,1922\n', {
    rows: rowsOf('Dune=1965 Emma=1815 Ulysses=1922'),
  }),
  one('flags', 'f.csv', 'search,true\ncart,false\n', { rows: rowsOf('search=true cart=false') }),
  one('several columns', 'f.csv', 'a,1,x\nb,2,y\n', {
    rows: [
      ['a', '{"column2":"1","column3":"x"}'],
      ['b', '{"column2":"2","column3":"y"}'],
    ],
  }),
  one('several columns, one wanted', 'f.csv', 'a,1,x\nb,2,y\n', {
    flags: { value: '2' },
    rows: rowsOf('a=1 b=2'),
  }),
  one(
    'country codes in the first row',
    'f.csv',
    'France,FR\nSpain,ES\nItaly,IT\nNorway,NO\nPeru,PE\nChad,TD\nCuba,CU\nOman,OM\nFiji,FJ\n',
    {
      rows: rowsOf('France=FR Spain=ES Italy=IT Norway=NO Peru=PE Chad=TD Cuba=CU Oman=OM Fiji=FJ'),
    },
  ),
  one('a row like a header that is said to be none', 'f.csv', 'id,name\n1,Ann\n', {
    flags: { header: 'no' },
    rows: rowsOf('id=name 1=Ann'),
  }),
];
