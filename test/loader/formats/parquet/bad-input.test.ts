// Parquet files that are damaged, or cannot be read: each error says what, where, and what to do.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parquetMetadata } from 'hyparquet';
import { describe, expect, it } from 'vitest';
import { duckdb } from '../../../support/inputs/duckdb.ts';
import { tempDir } from '../../../support/temp-dir.ts';
import { failure, write } from '../../load-setup.ts';
import { readFile } from '../read-file.ts';
import type { ReadFile } from '../read-file.ts';

const QUERY = "select 'k' || i as k, 'value ' || i as v, i as n, [i] as l from range(3000) r(i)";

async function bytesOf(query = QUERY, more = ''): Promise<Buffer> {
  const path = join(tempDir(), 'good.parquet');
  await duckdb(`copy (${query}) to '${path}' (format parquet${more})`, 'select 1');
  return readFileSync(path);
}

async function errorOf(bytes: Buffer, flags = {}): Promise<{ code: string; message: string }> {
  const path = write(tempDir(), 'bad.parquet', bytes);
  const { code, message } = await failure(readFile(path, 'parquet', flags));
  expect(message).toContain(`'${path}'`);
  return { code, message };
}

describe('a damaged file', () => {
  it('that was cut short is known by its end', async () => {
    const bytes = await bytesOf();
    for (const size of [5, 100, bytes.length - 1]) {
      const { code, message } = await errorOf(bytes.subarray(0, size));
      expect(code).toBe('INPUT_INVALID');
      expect(message).toMatch(/does not end with PAR1.*cut short.*copy or write it again\.$/);
    }
  });

  it('is refused with a footer that cannot be one', async () => {
    const bytes = await bytesOf();
    const long = Buffer.from(bytes);
    long.writeUInt32LE(bytes.length, bytes.length - 8);
    expect(await errorOf(long)).toMatchObject({ code: 'INPUT_INVALID' });
    const short = Buffer.from(bytes);
    short.writeUInt32LE(3, bytes.length - 8);
    const { code, message } = await errorOf(short);
    expect(code).toBe('INPUT_INVALID');
    expect(message).toContain('its footer cannot be read');
  });

  it('never becomes other rows than it had, whichever byte is wrong', async () => {
    const bytes = await bytesOf(undefined, ', compression snappy');
    const good = (await readFile(write(tempDir(), 'a.parquet', bytes), 'parquet')).rows.length;
    const data = bytes.length - 8 - bytes.readUInt32LE(bytes.length - 8);
    for (let at = 4; at < data; at += 211) {
      const bad = Buffer.from(bytes);
      bad[at] = bad[at]! ^ 0xff;
      const path = write(tempDir(), 'a.parquet', bad);
      const read = await readFile(path, 'parquet').catch((thrown: unknown) => thrown);
      // A file without checksums may hide a wrong byte of a value; the number of rows is right.
      if (read instanceof Error) expect(read).toMatchObject({ code: 'INPUT_INVALID' });
      else {
        const { rejects, rows } = read as ReadFile;
        expect([at, rows.length + rejects.length]).toEqual([at, good]);
      }
    }
  });

  it('names row group and column of a damaged page', async () => {
    const bytes = await bytesOf(
      "select 'k' || i as k, i as v from range(5) r(i)",
      ', compression uncompressed',
    );
    const [group] = parquetMetadata(bytes).row_groups;
    const bad = Buffer.from(bytes);
    bad.fill(0xff, Number(group!.columns[1]!.meta_data!.data_page_offset) - 0, undefined);
    bytes.copy(
      bad,
      bytes.length - 8 - bytes.readUInt32LE(bytes.length - 8),
      bytes.length - 8 - bytes.readUInt32LE(bytes.length - 8),
    );
    const { code, message } = await errorOf(bad);
    expect(code).toBe('INPUT_INVALID');
    expect(message).toMatch(
      /row group 0, column 'v' is damaged \(.*\); copy or write the file again\.$/,
    );
  });
});

describe('a file that is not read', () => {
  it('is encrypted', async () => {
    const bytes = await bytesOf();
    bytes.write('PARE', bytes.length - 4);
    const { code, message } = await errorOf(bytes);
    expect([code, message]).toEqual(['UNSUPPORTED', expect.stringMatching(/is encrypted/)]);
  });

  it('has another codec', async () => {
    const bytes = await bytesOf("select 'a' as k, 'b' as v", ', compression snappy');
    // The codec of each column: field 4 of its metadata, 1 is snappy and 3 is LZO.
    const footer = bytes.length - 8 - bytes.readUInt32LE(bytes.length - 8);
    const names = ['k', 'v'].map((name) =>
      Buffer.from([0x19, 0x18, 1, name.charCodeAt(0), 0x15, 2]),
    );
    for (const name of names) bytes[bytes.indexOf(name, footer) + 5] = 6;
    const { code, message } = await errorOf(bytes);
    expect(code).toBe('UNSUPPORTED');
    expect(message).toMatch(
      /^The column 'k' of .* is compressed with LZO, which is not read; write it with snappy/,
    );
  });

  it('has a single column', async () => {
    const bytes = await bytesOf('select 1 as k');
    const path = write(tempDir(), 'a.parquet', bytes);
    expect(await failure(readFile(path, 'parquet'))).toMatchObject({ code: 'INPUT_INVALID' });
  });

  it('has a list as its key', async () => {
    const { code, message } = await errorOf(await bytesOf(), { key: 'l' });
    expect(code).toBe('INVALID_ARGUMENT');
    expect(message).toMatch(/column 'l' .* cannot be keys; choose another with --key: k, v, n\.$/);
  });

  it('lacks the column that a flag names', async () => {
    const path = write(tempDir(), 'a.parquet', await bytesOf());
    const error = await failure(readFile(path, 'parquet', { value: 'nope' }));
    expect(error.message).toBe(
      '--value nope: there is no such column; the columns are k, v, n, l.',
    );
  });

  it('is asked for with flags of text', async () => {
    const flags = { header: 'yes' };
    const { code, message } = await errorOf(await bytesOf(), flags);
    expect(code).toBe('INVALID_ARGUMENT');
    expect(message).toMatch(/^--header is for text, and .* is a Parquet file; leave it out\.$/);
  });
});

describe('a bad row', () => {
  it('is a null or empty key, and text that is not UTF-8 in an object', async () => {
    const path = join(tempDir(), 'a.parquet');
    await duckdb(
      `copy (select case when i = 3 then null when i = 2060 then '' else 'k' || i end as k, i as v
        from range(2500) r(i)) to '${path}' (format parquet, row_group_size 2048)`,
      'select 1',
    );
    const read = await readFile(path, 'parquet');
    expect(read.rows).toHaveLength(2498);
    expect(read.rejects).toEqual([
      'at row 4 (row group 0): the key is null ({"k":null,"v":3})',
      'at row 2061 (row group 1): empty key ({"k":"","v":2060})',
    ]);
  });
});
