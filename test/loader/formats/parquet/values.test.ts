// Parquet files of other writers: every value is compared with what they say it is.

import { join } from 'node:path';
import { parquetWriteFile } from 'hyparquet-writer';
import { describe, expect, it } from 'vitest';
import { duckdb } from '../../../support/inputs/duckdb.ts';
import { tempDir } from '../../../support/temp-dir.ts';
import { readFile, textRows } from '../read-file.ts';

/** Columns by name: an expression of the row number `i`, and its text. */
const COLUMNS: Record<string, readonly [column: string, text: string]> = {
  big: ['(9223372036854775807 - i)::bigint', 'big::varchar'],
  small: ['(-9223372036854775808 + i)::bigint', 'small::varchar'],
  n: ['(i * -7)::integer', 'n::varchar'],
  tiny: ['(i % 128)::tinyint', 'tiny::varchar'],
  u8: ['(i % 256)::utinyint', 'u8::varchar'],
  u16: ['(65535 - i % 1000)::usmallint', 'u16::varchar'],
  u32: ['(4294967295 - i)::uinteger', 'u32::varchar'],
  u64: ['(18446744073709551615::ubigint - i::ubigint)', 'u64::varchar'],
  d4: ['(i % 200 * 3.7)::decimal(4, 1)', 'd4::varchar'],
  d9: ['(i * -3.33)::decimal(9, 2)', 'd9::varchar'],
  d18: ['(i * 123456789.123)::decimal(18, 3)', 'd18::varchar'],
  d38: ['(i::hugeint * 98765432109876543210987654)::decimal(38, 4)', 'd38::varchar'],
  d0: ['(i * 12)::decimal(9, 0)', 'd0::varchar'],
  day: ["date '1960-02-27' + (i * 97)::integer", "strftime(day, '%Y-%m-%d')"],
  us: [
    "timestamp '1969-12-31 23:59:58.000001' + interval (i * 100001) microsecond",
    "strftime(us, '%Y-%m-%dT%H:%M:%S.%f')",
  ],
  ms: [
    "(timestamp '2026-11-01 12:34:56.789' + interval (i) hour)::timestamp_ms",
    "strftime(ms, '%Y-%m-%dT%H:%M:%S.%g')",
  ],
  ns: ['make_timestamp_ns(1793536496123456789 + i * 1001)', "strftime(ns, '%Y-%m-%dT%H:%M:%S.%n')"],
  tz: [
    "timestamptz '2026-11-01 12:34:56.123456+00' + interval (i) minute",
    "strftime(tz, '%Y-%m-%dT%H:%M:%S.%fZ')",
  ],
  time: [
    "time '00:00:00.000001' + interval (i * 11) second",
    "strftime(date '2000-01-01' + time, '%H:%M:%S.%f')",
  ],
  flag: ['i % 3 = 0', 'flag::varchar'],
  id: ["md5('id' || i)::uuid", 'id::varchar'],
  text: ['\'é😀 "quoted" \\\\ \' || chr(10) || i', 'text'],
  repeated: ["'r' || (i % 7)", 'repeated'],
  sparse: ["case when i % 3 = 0 then 'v' || i end", "coalesce(sparse, '')"],
  kind: ["('c' || (i % 3))::kinds", 'kind::varchar'],
  json: ["('{\"a\": ' || i || '}')::json", 'json::varchar'],
};

const NUMBERS = new Set(['big', 'small', 'n', 'tiny', 'u8', 'u16', 'u32', 'u64', 'flag']);
const ROWS = 600;

const select = (columns: string[]): string =>
  `select 'key' || i as key, ${columns.map((name) => `${COLUMNS[name]![0]} as ${name}`).join(', ')} from range(${ROWS}) r(i)`;
const ENUM = "create type kinds as enum ('c0', 'c1', 'c2')";

/** Writes a file of all columns; returns it and the rows as text. */
async function written(more = ''): Promise<{ path: string; rows: (string | null)[][] }> {
  const path = join(tempDir(), 'all.parquet');
  const names = Object.keys(COLUMNS);
  const texts = names.map((name) => COLUMNS[name]![1]).join(', ');
  const rows = await duckdb(
    ENUM,
    `create table t as ${select(names)}`,
    `copy t to '${path}' (format parquet, row_group_size 500${more})`,
    `select key, ${texts} from t`,
  );
  return { path, rows };
}

describe('a file of DuckDB', () => {
  for (const more of ['', ', compression zstd, parquet_version v2']) {
    it(`has its values as text, exactly${more}`, async () => {
      const { path, rows } = await written(more);
      for (const [at, name] of Object.keys(COLUMNS).entries()) {
        const read = textRows(await readFile(path, 'parquet', { value: name }));
        const expected = rows.map((row) => [row[0], row[at + 1]]);
        expect([name, [...read]]).toEqual([name, expected]);
      }
    });
  }

  it('has them as JSON in objects: numbers as they are, all else as strings', async () => {
    const { path, rows } = await written();
    const names = Object.keys(COLUMNS);
    const read = await readFile(path, 'parquet');
    expect(read.rows).toHaveLength(ROWS);
    for (const [at, [key, value]] of read.rows.entries()) {
      const row = rows[at]!;
      const members = names.map((name, column) => {
        const text = row[column + 1]!;
        const isNull = name === 'sparse' && text === '';
        const json = NUMBERS.has(name) ? text : isNull ? 'null' : JSON.stringify(text);
        return `"${name}":${json}`;
      });
      expect([key.toString(), value.toString()]).toEqual([row[0], `{${members.join(',')}}`]);
    }
  });

  it('may be cut anywhere', async () => {
    const path = join(tempDir(), 'a.parquet');
    const query = "select 'k' || i as k, i as n, 'v' || (i % 100) as v from range(9000) r(i)";
    await duckdb(`copy (${query}) to '${path}' (format parquet, row_group_size 2048)`, 'select 1');
    const whole = await readFile(path, 'parquet');
    for (const chunkBytes of [1, 30_000, 100_000]) {
      const cut = await readFile(path, 'parquet', {}, chunkBytes);
      expect(cut.rows).toEqual(whole.rows);
      expect(cut.chunks[0]!.start).toBe(0);
      expect(cut.chunks.at(-1)!.end).toBe(cut.input.sizeBytes);
    }
  });

  it('is cut within a row group at any row, if its pages are small enough', async () => {
    const path = join(tempDir(), 'pages.parquet');
    const rows = Array.from({ length: 30_000 }, (_, row) => row);
    parquetWriteFile({
      filename: path,
      pageSize: 4096,
      rowGroupSize: 30_000,
      columnData: [
        { name: 'k', data: rows.map((row) => `key${row}`), type: 'STRING' },
        { name: 'v', data: rows.map((row) => `${row % 11}`.repeat(row % 40)), type: 'STRING' },
        { name: 'n', data: rows.map((row) => (row % 5 === 0 ? null : row)), type: 'INT32' },
      ],
    });
    const whole = await readFile(path, 'parquet');
    expect(whole.chunks).toHaveLength(1);
    const cut = await readFile(path, 'parquet', {}, 16 * 1024);
    expect(cut.chunks.length).toBeGreaterThan(5);
    expect(cut.rows).toEqual(whole.rows);
    expect(cut.rows[29_999]!.map(String)).toEqual([
      'key29999',
      `{"v":"${'2'.repeat(39)}","n":29999}`,
    ]);
  });

  for (const codec of ['uncompressed', 'snappy', 'gzip', 'zstd', 'brotli', 'lz4', 'lz4_raw']) {
    it(`is read with the codec ${codec}`, async () => {
      const path = join(tempDir(), 'a.parquet');
      const query = "select 'k' || i as k, repeat('v' || i, 20) as v from range(3000) r(i)";
      await duckdb(
        `copy (${query}) to '${path}' (format parquet, compression ${codec})`,
        'select 1',
      );
      const read = textRows(await readFile(path, 'parquet'));
      expect(read.size).toBe(3000);
      for (let row = 0; row < 3000; row++) expect(read.get(`k${row}`)).toBe(`v${row}`.repeat(20));
    });
  }

  it('keeps bytes as they are, and has them as base64 in objects', async () => {
    const path = join(tempDir(), 'a.parquet');
    const query = "select from_hex('00ff0a') as k, from_hex('c3280022') as v, 1 as n";
    await duckdb(`copy (${query}) to '${path}' (format parquet)`, 'select 1');
    const one = await readFile(path, 'parquet', { value: 'v' });
    expect(one.rows).toEqual([[Buffer.from('00ff0a', 'hex'), Buffer.from('c3280022', 'hex')]]);
    const all = await readFile(path, 'parquet');
    expect(all.rows[0]![1].toString()).toBe('{"v":"wygAIg==","n":1}');
  });

  it('has lists, structs and maps as JSON, of which nothing is lost', async () => {
    const path = join(tempDir(), 'a.parquet');
    const query = `select i::varchar as k,
      case when i % 7 = 0 then null else list_transform(range(i % 5), x -> 9223372036854775807 - x) end as big,
      {'a': i, 'b': case when i % 2 = 0 then 'é"' || i end, 'c': {'d': (i * 0.1)::decimal(9, 2)}} as s,
      map {'2': i, '10': i + 1, '__proto__': null} as m,
      [['a', null], [], null, ['b' || i]] as ll,
      [{'x': i, 'y': [timestamp '2026-11-01 00:00:00']}] as ls
      from range(1000) r(i)`;
    await duckdb(`copy (${query}) to '${path}' (format parquet, row_group_size 400)`, 'select 1');
    const read = await readFile(path, 'parquet');
    for (const [i, [key, value]] of read.rows.entries()) {
      const length = i % 5;
      const big = Array.from({ length }, (_, x) => 9223372036854775807n - BigInt(x));
      const json = [
        `"big":${i % 7 === 0 ? 'null' : `[${big.join(',')}]`}`,
        `"s":{"a":${i},"b":${i % 2 === 0 ? `"é\\"${i}"` : 'null'},"c":{"d":"${(i / 10).toFixed(2)}"}}`,
        `"m":{"2":${i},"10":${i + 1},"__proto__":null}`,
        `"ll":[["a",null],[],null,["b${i}"]]`,
        `"ls":[{"x":${i},"y":["2026-11-01T00:00:00.000000"]}]`,
      ];
      expect([key.toString(), value.toString()]).toEqual([`${i}`, `{${json.join(',')}}`]);
    }
    const one = textRows(await readFile(path, 'parquet', { value: 'big' }));
    expect([one.get('0'), one.get('5'), one.get('1')]).toEqual(['', '[]', '[9223372036854775807]']);
  });

  it('has floats in the shortest text that reads back', async () => {
    const path = join(tempDir(), 'a.parquet');
    const values = [
      '0.1',
      '1e-45',
      '3.4028235e38',
      '16777216',
      '-0.0',
      'nan',
      '-inf',
      '1.17549435e-38',
    ];
    const list = values.map((value) => `'${value}'`).join(', ');
    const query = `select 'k' || i as k, v::float as f, v::double as d from (select unnest([${list}]) as v, generate_subscripts([${list}], 1) as i)`;
    await duckdb(`copy (${query}) to '${path}' (format parquet)`, 'select 1');
    const [f, d] = await Promise.all(
      ['f', 'd'].map(async (value) => [
        ...textRows(await readFile(path, 'parquet', { value })).values(),
      ]),
    );
    expect(f).toEqual([
      '0.1',
      '1e-45',
      '3.4028235e+38',
      '16777216',
      '-0',
      'NaN',
      '-Infinity',
      '1.1754944e-38',
    ]);
    expect(d).toEqual([
      '0.1',
      '1e-45',
      '3.4028235e+38',
      '16777216',
      '-0',
      'NaN',
      '-Infinity',
      '1.17549435e-38',
    ]);
    const json = textRows(await readFile(path, 'parquet')).get('k6');
    expect(json).toBe('{"f":"NaN","d":"NaN"}');
  });
});
