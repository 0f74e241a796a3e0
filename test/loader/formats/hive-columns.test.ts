// Folders called column=value as columns, in every format that has columns.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createWriteStream } from 'node:fs';
import { dirname, join } from 'node:path';
import files from 'avro-js/lib/files.js';
import { describe, expect, it } from 'vitest';
import { duckdb } from '../../support/inputs/duckdb.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { failure, setUp } from '../load-setup.ts';

const DAYS = ['2026-11-01', '2026-11-02'];
const COUNTRIES = ['CH', 'a b%'];

type Writer = (path: string, rows: { id: string; n: string }[]) => Promise<void>;

const WRITERS: Record<string, Writer> = {
  csv: (path, rows) => {
    writeFileSync(path, `id,n\n${rows.map(({ id, n }) => `${id},"${n}"\n`).join('')}`);
    return Promise.resolve();
  },
  tsv: (path, rows) => {
    writeFileSync(path, `id\tn\n${rows.map(({ id, n }) => `${id}\t${n}\n`).join('')}`);
    return Promise.resolve();
  },
  parquet: async (path, rows) => {
    const values = rows.map(({ id, n }) => `('${id}', '${n}')`).join(', ');
    await duckdb(`copy (select * from (values ${values}) v(id, n)) to '${path}'`, 'select 1');
  },
  avro: async (path, rows) => {
    const fields = ['id', 'n'].map((name) => ({ name, type: 'string' }));
    const encoder = new files.streams.BlockEncoder({ type: 'record', name: 'r', fields }, {});
    const file = encoder.pipe(createWriteStream(path));
    for (const row of rows) encoder.write(row);
    encoder.end();
    await new Promise<void>((resolve) => file.on('finish', () => resolve()));
  },
};

/** A table of two levels; returns its root and its rows. */
async function table(ending: string) {
  const root = join(tempDir(), 'table');
  const rows: { id: string; n: string; dt: string; country: string }[] = [];
  for (const dt of DAYS) {
    for (const country of COUNTRIES) {
      const name = encodeURIComponent(country);
      const path = join(root, `dt=${dt}`, `country=${name}`, `part-0.${ending}`);
      mkdirSync(dirname(path), { recursive: true });
      const part = Array.from({ length: 30 }, (_, row) => ({
        id: `${dt}-${country}-${row}`,
        n: `${row}`,
      }));
      await WRITERS[ending]!(path, part);
      rows.push(...part.map((row) => ({ ...row, dt, country })));
    }
  }
  writeFileSync(join(root, '_SUCCESS'), '');
  mkdirSync(join(root, '_temporary'));
  await WRITERS[ending]!(join(root, '_temporary', `part-9.${ending}`), [{ id: 'x', n: 'x' }]);
  return { root, rows };
}

describe.each(Object.keys(WRITERS))('a table of %s', (ending) => {
  it('has its folders as columns: in objects, as the value, as the key', async () => {
    const { load, master } = await setUp();
    const { root, rows } = await table(ending);
    const summary = await load([root], { hiveColumns: true });
    expect(summary).toMatchObject({ rows: 120, loaded: 120, rejected: 0 });
    expect(summary.input.dialects[0]!.columns).toEqual(['id', 'n', 'dt', 'country']);
    const objects = rows.map(({ id, ...rest }) => [id, JSON.stringify(rest)] as const);
    expect(master.pairs()).toEqual(new Map(objects));
    await load([root], { hiveColumns: true, value: 'country' });
    expect(master.pairs()).toEqual(new Map(rows.map(({ country, id }) => [id, country])));
    const flags = { hiveColumns: true, key: 'dt', value: 'n', onConflict: 'last' };
    await load([`${root}/*/country=CH/*`], flags);
    expect(master.pairs()).toEqual(new Map(DAYS.map((dt) => [dt, '29'])));
  });
});

it('a null folder is a null, and the least of bad rows', async () => {
  const { folder, load, master } = await setUp();
  const path = join(folder, 'dt=__HIVE_DEFAULT_PARTITION__', 'a.csv');
  mkdirSync(dirname(path));
  writeFileSync(path, 'id,n\na,1\n');
  await load([path], { hiveColumns: true });
  expect(master.pairs().get('a')).toBe('{"n":"1","dt":null}');
  const error = await failure(load([path], { hiveColumns: true, key: 'dt', value: 'n' }));
  expect(error.message).toMatch(/empty key/);
});

it('folders that do not fit are refused with what to do', async () => {
  const { folder, load } = await setUp();
  const write = (name: string, text: string): string => {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return path;
  };
  const plain = write('a.csv', 'id,n\na,1\n');
  const one = write('dt=1/a.csv', 'id,n\na,1\n');
  const other = write('day=1/a.csv', 'id,n\nb,1\n');
  const twice = write('n=1/a.csv', 'id,n\na,1\n');
  const lines = write('dt=2/a.jsonl', '{"key":"a","value":"b"}\n');
  const flags = { hiveColumns: true };
  const told = async (paths: string[]): Promise<string> =>
    (await failure(load(paths, flags))).message;
  expect(await told([plain])).toMatch(/no folder in the path of .* is called column=value/);
  expect(await told([one, other])).toMatch(
    /have other columns \(day\) than those of the first input \(dt\)/,
  );
  expect(await told([twice])).toMatch(/column 'n' is in the files as well as in the names/);
  expect(await told([lines])).toMatch(/--hive-columns is for files with columns, and .* is jsonl/);
  expect(readFileSync(plain, 'utf8')).toBe('id,n\na,1\n');
});
