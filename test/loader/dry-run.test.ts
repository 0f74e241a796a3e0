import { existsSync, mkdirSync, readFileSync, readdirSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { resolveSettings } from '../../base/config.ts';
import { runDryRun } from '../../loader/dry-run.ts';
import type { DryRunReport } from '../../loader/dry-run.ts';
import type { JobHooks } from '../../loader/stages/load-job.ts';
import { runSample } from '../../loader/sample.ts';
import type { TargetCluster } from '../../loader/stages/gate-forecast.ts';
import { loadSettings } from '../../loader/settings.ts';
import type { LoadSettings } from '../../loader/settings.ts';
import { tempDir } from '../support/temp-dir.ts';
import { failure, rowsText, setUp, write } from './load-setup.ts';

/** An address without a master. */
function settingsFor(
  folder: string,
  paths: string[],
  flags: Record<string, unknown> = {},
): LoadSettings {
  const given = { master: '127.0.0.1:1', workDir: join(folder, 'work'), ...flags };
  const { values } = resolveSettings(loadSettings, { flags: given, environment: {}, file: {} });
  return { ...values, keyspace: 'ks', paths };
}

function dryRun(
  folder: string,
  paths: string[],
  flags: Record<string, unknown> = {},
  hooks: JobHooks = {},
): Promise<DryRunReport> {
  return runDryRun(settingsFor(folder, paths, flags), 0, hooks);
}

const leftBehind = (folder: string): string[] =>
  existsSync(join(folder, 'work')) ? readdirSync(join(folder, 'work')) : [];

describe('a dry run', () => {
  it('counts what a load counts, with its digest, and leaves nothing', async () => {
    const { folder, load } = await setUp();
    const { text } = rowsText(5000);
    const lines = text.split('\n').slice(0, 100).join('\n');
    const file = write(folder, 'a.data.gz', gzipSync(`${text}${lines}\nbad\n`));
    const summary = await load([file], { maxRejects: 1 });
    const report = await dryRun(folder, [file], { maxRejects: 1, chunkSize: '64KiB' });
    const { bytes, digest, duplicates, loaded, rejected, rows } = summary;
    expect(report).toMatchObject({ bytes, digest, duplicates, loaded, rejected, rows });
    expect(report).toMatchObject({ dryRun: true, wouldLoad: true, why: [], conflicts: 0 });
    expect(report).toMatchObject({ rows: 5101, duplicates: 100, rejected: 1 });
    expect(leftBehind(folder)).toEqual([]);
  });

  it('says why a load would not be committed, with every count to the end', async () => {
    const folder = tempDir();
    const file = write(folder, 'a.csv', 'id,v\na,1\nbad\na,2\nb,1\nb,1\nb,3\n,x\n');
    const rejects = join(folder, 'rejects.csv');
    const report = await dryRun(folder, [file], { rejects });
    expect(report).toMatchObject({
      wouldLoad: false,
      ...{ rows: 7, loaded: 2, duplicates: 1, conflicts: 2, rejected: 2, digest: '' },
    });
    expect(report.why).toEqual([
      expect.stringMatching(/^2 rows are bad, 0 allowed \(--max-rejects\): .*a\.csv at byte 9: /),
      expect.stringMatching(/^The key 'a' has two values: .*; the key 'b' has two values/),
    ]);
    expect(readFileSync(rejects, 'utf8')).toBe('id,v\nbad\n,x\n');
    expect(leftBehind(folder)).toEqual([]);
    const settled = await dryRun(folder, [file], { onConflict: 'last', maxRejects: 2 });
    expect(settled).toMatchObject({ wouldLoad: true, loaded: 2, duplicates: 3, overruled: 2 });
  });

  it('tells the dialects that it found', async () => {
    const folder = tempDir();
    mkdirSync(join(folder, 'in'));
    write(folder, 'in/a.csv', 'sku,name,price\n1,x,2\n');
    write(folder, 'in/b.csv', 'sku,name,price\n2,x,2\n');
    write(folder, 'in/c.data', 'k v\n');
    write(folder, 'in/d.jsonl', '{"key":"j","value":1}\n');
    const columns = ['sku', 'name', 'price'];
    expect((await dryRun(folder, [join(folder, 'in')])).dialects).toMatchObject([
      {
        text: "2 files: csv, delimiter ',', with a header: key sku, value all others, as JSON",
        ...{ format: 'csv', files: 2, delimiter: ',', hasHeader: true, filesWithHeader: 2 },
        ...{ encoding: 'utf-8', lineEnd: 'lf', columns, columnCount: 3 },
        ...{ key: 'sku', value: 'all others, as JSON' },
      },
      { format: 'line', files: 1, hasHeader: false, columns: [], key: undefined },
      { format: 'jsonl', files: 1, hasHeader: false, columns: [], key: 'key' },
    ]);
  });

  it('of an input that cannot be loaded at all is the error of a load', async () => {
    const folder = tempDir();
    const empty = await failure(dryRun(folder, [write(folder, 'a.csv', '')]));
    expect(empty.message).toBe('The input is empty.');
    const column = await failure(
      dryRun(folder, [write(folder, 'b.csv', 'id,v\n1,2\n')], { key: 'nope' }),
    );
    expect(column.message).toContain('--key nope: there is no such column');
    expect(await dryRun(folder, [write(folder, 'c.data', '\n\n')])).toMatchObject({
      wouldLoad: false,
      why: ['The input has no row to load.'],
    });
    const bad = write(folder, 'd.jsonl', '7\n{"key":1}x\n');
    expect((await dryRun(folder, [bad], { maxRejects: 2 })).why).toEqual([
      expect.stringMatching(
        /^The input has no row to load: all of its 2 rows were rejected \(.*d\.jsonl at byte 0: .*\)\.$/,
      ),
    ]);
    expect(leftBehind(folder)).toEqual([]);
  });

  it('that is stopped, and one that was killed, leave nothing in the end', async () => {
    const folder = tempDir();
    const file = write(folder, 'a.data', rowsText(5000).text);
    const stop = new AbortController();
    const onProgress = (): void => stop.abort();
    const stopped = dryRun(
      folder,
      [file],
      { chunkSize: '64KiB' },
      { signal: stop.signal, onProgress },
    );
    await failure(stopped);
    expect(leftBehind(folder)).toEqual([]);
    const killed = join(folder, 'work', 'dry-0123456789abcdef-4711');
    mkdirSync(killed, { recursive: true });
    write(
      killed,
      'LOCK',
      JSON.stringify({ pid: 2 ** 30, startTicks: '1', role: 'load', since: '' }),
    );
    // It may be one that another dry run has just made, and not locked yet.
    await dryRun(folder, [file]);
    expect(leftBehind(folder)).toHaveLength(1);
    utimesSync(killed, 1_000_000, 1_000_000);
    await dryRun(folder, [file]);
    expect(leftBehind(folder)).toEqual([]);
  });

  it('is for the number of shards that it is told', async () => {
    const folder = tempDir();
    const file = write(folder, 'a.data', rowsText(100).text);
    const settings = settingsFor(folder, [file]);
    const one = { shardCount: 1, current: null, whyUnknown: '' };
    const [few, many] = [await runDryRun(settings, 0, {}, one), await runDryRun(settings, 0)];
    expect([few.loaded, few.digest]).toEqual([100, many.digest]);
  });
});

describe('a dry run holds the gate against what it built', () => {
  const holding = (records: number, more: Partial<TargetCluster> = {}): TargetCluster => ({
    shardCount: 8,
    current: { number: 3, records },
    whyUnknown: '',
    ...more,
  });
  const [empty, unknown] = [
    holding(0, { current: null }),
    holding(0, { current: undefined, whyUnknown: 'no master answers' }),
  ];

  const verdict = async (flags: Record<string, unknown>, target: TargetCluster) => {
    const folder = tempDir();
    const file = write(folder, 'a.data', 'a 1\nb 2\nc 3\nc 3\n');
    const report = await runDryRun(settingsFor(folder, [file], flags), 0, {}, target);
    const { gateFailed, unchecked, why, wouldLoad } = report;
    expect([gateFailed, wouldLoad]).toEqual(why.length > 0 ? [true, false] : [false, true]);
    return { why: why.join(' '), unchecked: unchecked.join(' ') };
  };
  const append = { mode: 'append' };

  it.each([
    [{ expectRows: '3' }, empty, ''],
    [{ expectRows: '9' }, empty, 'it has 3 rows, and --expect-rows wants 9.'],
    [{ minRows: 4 }, empty, 'it has 3 rows, and --min-rows wants at least 4.'],
    [{}, holding(6), ''],
    [{}, holding(7), '57.14% fewer than the 7 of version 3, and --max-shrink allows 50%.'],
    [{ maxShrink: '60%' }, holding(7), ''],
    [{ requireKey: ['a', 'b=2', 'c=3'] }, holding(3), ''],
    [{ requireKey: ['NOPE', 'a=2'] }, holding(3), "no key 'NOPE', .* 'a' has the value '1'"],
    [append, holding(100), ''],
    [{ ...append, minRows: 103 }, holding(100), ''],
    [{ ...append, minRows: 104 }, holding(100), 'it has 103 rows, and --min-rows wants at least'],
    [{ ...append, expectRows: '99' }, holding(100), 'it has 100 rows, and --expect-rows wants 99'],
    [{ ...append, expectRows: '3' }, empty, ''],
  ])('%j', async (flags, target, why) => {
    const said = await verdict(flags, target);
    expect(said.why).toMatch(why === '' ? /^$/ : new RegExp(`^The version would not.*${why}`));
    const isOpen = 'minRows' in flags && flags.minRows === 103;
    expect(said.unchecked).toMatch(
      isOpen ? /^--min-rows could not be checked: .* 100 to 103/ : /^$/,
    );
  });

  it('says what could not be checked, and refuses nothing by it', async () => {
    const alone = await verdict({ expectRows: '3' }, unknown);
    expect(alone.unchecked).toBe('--max-shrink 50% could not be checked: no master answers.');
    expect((await verdict({ maxShrink: '100%' }, unknown)).unchecked).toBe('');
    expect((await verdict({ ...append, minRows: 3 }, unknown)).unchecked).toBe('');
    expect((await verdict({ ...append, minRows: 4 }, unknown)).unchecked).toContain(
      '3 rows or more',
    );
  });

  it('asks the current version for required keys that an append does not bring', async () => {
    const flags = { ...append, requireKey: ['a=1', 'old=x', 'NOPE'] };
    const asked: string[] = [];
    const lookUp: TargetCluster['lookUp'] = (keys) => {
      asked.push(...keys.map(String));
      return Promise.resolve(keys.map((key) => (String(key) === 'old' ? Buffer.from('x') : null)));
    };
    const said = await verdict(flags, holding(9, { lookUp }));
    expect(asked).toEqual(['old', 'NOPE']);
    expect(said.why).toMatch(/: it has no key 'NOPE', which --require-key wants\.$/);
    const refusing = holding(9, { lookUp: () => Promise.reject(new Error('away')) });
    for (const target of [holding(9), refusing, unknown]) {
      expect((await verdict(flags, target)).unchecked).toMatch(
        /no key 'old', and whether the current version has it is not known\. .*'NOPE'/,
      );
    }
  });

  it('only where the load would come so far', async () => {
    const folder = tempDir();
    const file = write(folder, 'a.data', 'a 1\nbad\n');
    const settings = settingsFor(folder, [file], { expectRows: '9' });
    const { gateFailed, why } = await runDryRun(settings, 0, {}, unknown);
    expect([gateFailed, why]).toEqual([false, [expect.stringContaining('--max-rejects')]]);
  });
});

describe('a sample', () => {
  it('is the first records as they would be stored', async () => {
    const folder = tempDir();
    const a = write(folder, 'a.csv', 'id,name,n\nk1,"say ""hi""",1\nbad\nk2,é,2\n');
    const b = write(folder, 'b.csv', 'id,name,n\nk3,x,3\nk4,y,4\n');
    const report = await runSample(settingsFor(folder, [a, b]), 3);
    expect(report.records.map(({ key, value }) => [String(key), String(value)])).toEqual([
      ['k1', String.raw`{"name":"say \"hi\"","n":"1"}`],
      ['k2', '{"name":"é","n":"2"}'],
      ['k3', '{"name":"x","n":"3"}'],
    ]);
    expect(report).toMatchObject({ rejected: 1, dialects: [{ format: 'csv', files: 2 }] });
    expect(leftBehind(folder)).toEqual([]);
  });

  it('reads no more of a stream than it needs', async () => {
    const folder = tempDir();
    const line = `key ${'x'.repeat(1_000_000)}\n`;
    let given = 0;
    const stdin = Readable.from(
      (function* () {
        for (; ; given++) yield Buffer.from(line);
      })(),
    );
    const settings = settingsFor(folder, ['-'], { format: 'line' });
    const { records } = await runSample(settings, 1000, { stdin });
    // 32 MiB hold 33 whole lines; the one that is cut is not shown as a record.
    expect(records).toHaveLength(33);
    expect(records.every(({ valueBytes }) => valueBytes === 1_000_000)).toBe(true);
    expect(records[0]?.value).toHaveLength(64 * 1024);
    expect(given).toBeLessThan(60);
  });

  it('looks at the files together, as a load does', async () => {
    const folder = tempDir();
    const paths = [
      write(folder, 'a.csv', 'country,capital\n'),
      write(folder, 'b.csv.gz', gzipSync('country,capital\nFrance,Paris\n')),
      write(folder, 'empty.csv', ''),
    ];
    expect((await runSample(settingsFor(folder, paths), 2)).records).toHaveLength(1);
    const damaged = write(folder, 'c.csv.gz', gzipSync('c,3\n').subarray(0, 15));
    const error = await failure(runSample(settingsFor(folder, [...paths, damaged]), 1));
    expect(error.message).toContain('is damaged');
  });
});
