// Whole loads of Parquet files: the digest of the same rows in csv, rejects, conflicts, resuming.

import { createReadStream, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { resolveSettings } from '../../../base/config.ts';
import { runDryRun } from '../../../loader/dry-run.ts';
import { runSample } from '../../../loader/sample.ts';
import { loadSettings } from '../../../loader/settings.ts';
import type { LoadSettings } from '../../../loader/settings.ts';
import { duckdb } from '../../support/inputs/duckdb.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { builtRunLoad, failure, setUp } from '../../loader/load-setup.ts';

const ROWS = "md5(i::varchar) as id, 'name ' || i as name, (i * 7)::varchar as n";

/** Writes a query as Parquet and as csv. */
async function written(
  folder: string,
  query: string,
  more = '',
): Promise<{ parquet: string; csv: string }> {
  const [parquet, csv] = [join(folder, 'a.parquet'), join(folder, 'a.csv')];
  await duckdb(
    `create table t as ${query}`,
    `copy t to '${parquet}' (format parquet${more})`,
    `copy t to '${csv}' (header)`,
    'select 1',
  );
  return { parquet, csv };
}

function settings(workDir: string, paths: string[], flags = {}): LoadSettings {
  const given = { workDir, ...flags };
  const { values } = resolveSettings(loadSettings, { flags: given, environment: {}, file: {} });
  return { ...values, keyspace: 'ks', paths };
}

it('has the digest of the same rows in csv, cut anywhere, one value or an object', async () => {
  const { folder, load } = await setUp();
  const query = `select ${ROWS} from range(20000) r(i)`;
  const { csv, parquet } = await written(folder, query, ', row_group_size 4096');
  for (const flags of [{}, { value: 'name' }, { key: '2', value: 'id' }]) {
    const expected = await load([csv], flags);
    const whole = await load([parquet], flags);
    const cut = await load([parquet], { ...flags, chunkSize: '64KiB' });
    expect([whole.digest, cut.digest]).toEqual([expected.digest, expected.digest]);
    expect(whole).toMatchObject({ rows: 20_000, loaded: 20_000, rejected: 0 });
  }
});

it('is loaded in worker threads, with the digest of csv', async () => {
  const { folder, load } = await setUp(1, await builtRunLoad());
  const query = `select ${ROWS}, md5('x' || i) as x from range(200000) r(i)`;
  const { csv, parquet } = await written(folder, query, ', row_group_size 30000');
  const flags = { workers: 2, minReplicas: 1, chunkSize: '1MiB' };
  expect((await load([parquet], flags)).digest).toBe((await load([csv], flags)).digest);
});

it('is told with its columns, in samples, dry runs and summaries', async () => {
  const { folder, load } = await setUp();
  const { parquet } = await written(folder, `select ${ROWS} from range(100) r(i)`);
  const summary = await load([parquet]);
  expect(summary.input.text).toBe('parquet: key id, value all others, as JSON');
  expect(summary.input.dialects[0]).toMatchObject({
    ...{ format: 'parquet', delimiter: '', columns: ['id', 'name', 'n'], hasHeader: false },
  });
  const sample = await runSample(settings(join(folder, 'work'), [parquet], { value: 'n' }), 2);
  expect(sample.records.map(({ value }) => value.toString())).toEqual(['0', '7']);
  const dry = await runDryRun(settings(join(folder, 'work'), [parquet]), 1);
  expect(dry).toMatchObject({ wouldLoad: true, rows: 100, loaded: 100, digest: summary.digest });
});

it('is read from a stream, and by its content whatever its name is', async () => {
  const { folder, load } = await setUp();
  const { csv, parquet } = await written(folder, `select ${ROWS} from range(500) r(i)`);
  const { digest } = await load([csv]);
  const stdin = createReadStream(parquet);
  expect((await load(['-'], { format: 'parquet' }, { stdin })).digest).toBe(digest);
  const named = join(folder, 'export.csv');
  writeFileSync(named, readFileSync(parquet));
  const notices: string[] = [];
  const loaded = await load([named], {}, { onNotice: (sentence) => notices.push(sentence) });
  expect(loaded.digest).toBe(digest);
  expect(notices).toContain(`'${named}' is a Parquet file, despite its name; it is read as such`);
  const error = await failure(load([named], { format: 'csv' }));
  expect(error).toMatchObject({ code: 'UNSUPPORTED' });
  expect(error.message).toMatch(
    /is a Parquet file; say --format parquet, or leave --format out\.$/,
  );
  const other = await failure(load([csv], { format: 'parquet' }));
  expect(other.message).toMatch(/is not a Parquet file, which begins with PAR1/);
});

it('may be one of many part files beside markers, which make one run', async () => {
  const { folder, load } = await setUp();
  const parts = join(folder, 'parts');
  mkdirSync(parts);
  for (let part = 0; part < 20; part++) {
    const query = `select 'k' || (i + ${part * 100}) as k, i as v from range(100) r(i)`;
    await duckdb(`copy (${query}) to '${parts}/part-${part}.parquet' (format parquet)`, 'select 1');
  }
  writeFileSync(join(parts, '_SUCCESS'), '');
  writeFileSync(join(parts, '.part-0.parquet.crc'), 'x');
  const summary = await load([parts]);
  expect(summary).toMatchObject({ rows: 2000, loaded: 2000, rejected: 0 });
  await duckdb(
    `copy (select 'k' as k, 1 as other) to '${parts}/part-99.parquet' (format parquet)`,
    'select 1',
  );
  const error = await failure(load([parts]));
  expect(error.message).toMatch(
    /part-99\.parquet' has other columns \(k, other\) than the first input \(k, v\)/,
  );
});

it('has its bad rows in the file of --rejects as JSON, and their places', async () => {
  const { folder, load } = await setUp();
  const query =
    "select case when i % 1000 = 7 then null else 'k' || i end as k, i as v from range(5000) r(i)";
  const { parquet } = await written(folder, query, ', row_group_size 2048');
  const rejects = join(folder, 'bad');
  const summary = await load([parquet], { rejects, maxRejects: 5 });
  expect(summary).toMatchObject({ rejected: 5, loaded: 4995 });
  const lines = readFileSync(rejects, 'utf8').trimEnd().split('\n');
  expect(lines).toEqual([7, 1007, 2007, 3007, 4007].map((v) => `{"k":null,"v":${v}}`));
  const reasons = readFileSync(`${rejects}.reasons.jsonl`, 'utf8').trimEnd().split('\n');
  expect(JSON.parse(reasons[2]!)).toEqual({
    ...{ file: parquet, row: 2008, rowGroup: 0, reason: 'the key is null' },
  });
  expect(JSON.parse(reasons[3]!)).toMatchObject({ row: 3008, rowGroup: 1 });
  const error = await failure(load([parquet], { maxRejects: 4 }));
  expect(error.message).toContain(`${parquet} at row 8 (row group 0): the key is null`);
});

it('names the rows of a key with two values', async () => {
  const { folder, load } = await setUp();
  const query =
    "select case when i = 4000 then 'k1' else 'k' || i end as k, i as v from range(5000) r(i)";
  const { parquet } = await written(folder, query, ', row_group_size 2048');
  const error = await failure(load([parquet]));
  expect(error.code).toBe('DUPLICATE_KEY');
  expect(error.message).toContain(
    `key 'k1' has two values: '1' in ${parquet} at row 2 (row group 0), and '4000' in ${parquet} at row 4001 (row group 1)`,
  );
});

it('goes on from its checkpoint, and again from the beginning if the file is another', async () => {
  const { folder, load, master } = await setUp();
  const query = `select ${ROWS} from range(20000) r(i)`;
  const { parquet } = await written(folder, query, ', row_group_size 4096');
  const chunkSize = '64KiB';
  master.nodes[0]!.stop();
  await failure(load([parquet], { minReplicas: 3, chunkSize }));
  master.replication = 1;
  master.nodes.shift();
  const summary = await load([parquet], { minReplicas: 1, chunkSize });
  expect(summary.chunksResumed).toBeGreaterThan(3);
  expect(summary).toMatchObject({ loaded: 20_000 });
  const again = await load([parquet], { minReplicas: 1, skipIfCurrent: true });
  expect(again.alreadyCurrent).toBe(true);
});

it('that takes more memory than there is says what to do', async () => {
  const { folder, load } = await setUp();
  const path = join(folder, 'a.parquet');
  // One row group of one page a column: nothing can be cut.
  const query = "select i as k, repeat('x', 400) || i as v from range(600000) r(i)";
  await duckdb(`copy (${query}) to '${path}' (format parquet, row_group_size 1000000)`, 'select 1');
  const error = await failure(load([path], { memoryMax: '256MiB' }));
  expect(error.code).toBe('MEMORY_LIMIT');
  expect(error.message).toMatch(
    /at row 1 \(row group 0\), takes more memory .* allow --memory-max \d+MiB/,
  );
});

it('is not read from a sample of a stream, which lacks its end', async () => {
  const folder = tempDir();
  const { parquet } = await written(
    folder,
    `select ${ROWS}, md5('x' || i) as x from range(900000) r(i)`,
  );
  const stdin = createReadStream(parquet);
  const flags = settings(join(folder, 'work'), ['-'], { format: 'parquet' });
  const error = await failure(runSample(flags, 2, { stdin }));
  expect(error.message).toMatch(/does not end with PAR1/);
});
