// The files of an export: a load reads the same records from them, whatever their bytes.

import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { resolveSettings } from '../../../base/config.ts';
import { runDryRun } from '../../../loader/dry-run.ts';
import { duckdb } from '../../support/inputs/duckdb.ts';
import { csvFlags } from '../../support/inputs/exported.ts';
import { loadSettings } from '../../../loader/settings.ts';
import { runExportTask, runMergeTask } from '../../../loader/threads/export-task.ts';
import type { ExportedFile, RowsForm } from '../../../loader/threads/export-task.ts';
import { Digest } from '../../../segment/digest.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { segmentOfRows } from '../../support/segments/segments.ts';
import type { RawRow } from '../../support/segments/segments.ts';

const BINARY = { key: false, value: false };
const FORMS: readonly RowsForm[] = [
  { format: 'jsonl', compress: 'none', text: BINARY },
  { format: 'jsonl', compress: 'gzip', text: BINARY },
  { format: 'csv', compress: 'none', text: BINARY },
  { format: 'csv', compress: 'gzip', text: BINARY },
  { format: 'parquet', compress: 'none', text: BINARY },
];

/** All files of the rows, in order. */
async function filesOf(
  segments: readonly SharedArrayBuffer[],
  form: RowsForm,
  bytesMax = 1 << 26,
): Promise<ExportedFile[]> {
  const files: ExportedFile[] = [];
  for (let from: ExportedFile['next'] = { segment: 0, offset: 0 }; from !== undefined;) {
    const file = await runExportTask({ segments, from, form, bytesMax });
    if ('notText' in file) throw new Error(`${file.notText} is not text`);
    files.push(file);
    from = file.next;
  }
  return files;
}

/** The digest that a load of the files would have. */
async function loadedDigest(files: readonly ExportedFile[], form: RowsForm): Promise<string> {
  const folder = tempDir();
  const paths = files.map(({ bytes }, index) => {
    const ending = `${form.format}${form.compress === 'gzip' ? '.gz' : ''}`;
    const path = join(folder, `part-${index}.${ending}`);
    writeFileSync(path, Buffer.from(bytes));
    return path;
  });
  const flags = { master: '127.0.0.1:1', workDir: join(folder, 'work') };
  const { values } = resolveSettings(loadSettings, {
    flags: form.format === 'csv' ? { ...flags, ...csvFlags } : flags,
    environment: {},
    file: {},
  });
  const report = await runDryRun({ ...values, keyspace: 'ks', paths }, 0, {});
  expect(report.rejected + report.duplicates).toBe(0);
  return report.digest;
}

function shared(rows: readonly RawRow[]): { bytes: SharedArrayBuffer; digest: string } {
  const { bytes, info } = segmentOfRows(rows);
  const copy = new SharedArrayBuffer(bytes.length);
  Buffer.from(copy).set(bytes);
  return { bytes: copy, digest: info.digest.toString('hex') };
}

const special = ['"', '""', ',', '\n', '\r\n', '\r', '\0', '\ufeff', ' ', '#', '\\', '{', '\x7f'];
const someText = fc.oneof(fc.constantFrom(...special), fc.string({ unit: 'binary', minLength: 1 }));
const bytes = fc.oneof(
  someText.map((one) => new Uint8Array(Buffer.from(one))),
  fc.uint8Array({ minLength: 1, maxLength: 40 }),
);
const row = fc.tuple(bytes, fc.oneof(bytes, fc.constant(new Uint8Array(0))));
const rows = fc.array(row, { minLength: 1, maxLength: 60 });

describe.each(FORMS)('$format, $compress', (form) => {
  it('loads again byte for byte, cut anywhere', async () => {
    await fc.assert(
      fc.asyncProperty(rows, fc.integer({ min: 1, max: 2000 }), async (some, bytesMax) => {
        const { bytes: segment, digest } = shared(some);
        const files = await filesOf([segment], form, bytesMax);
        expect(await loadedDigest(files, form)).toBe(digest);
        const sum = new Digest();
        for (const file of files) sum.add(Digest.fromBytes(file.digest));
        expect(sum.toHex()).toBe(digest);
      }),
      { numRuns: 25 },
    );
  });

  it('loads again with large values', async () => {
    const { bytes: segment, digest } = shared([
      [Buffer.from('random'), randomBytes(3_000_000)],
      [Buffer.from('quotes'), Buffer.alloc(2_000_000, '"')],
      [Buffer.from('lines'), Buffer.alloc(2_000_000, '\n')],
      // Six times as long as a JSON string.
      [Buffer.from('zeros'), Buffer.alloc(17 * 1024 * 1024)],
      [randomBytes(60_000), Buffer.alloc(0)],
    ]);
    const files = await filesOf([segment], form, 1_000_000);
    expect(files.length).toBeGreaterThan(1);
    expect(await loadedDigest(files, form)).toBe(digest);
  });
});

describe('the records', () => {
  const [jsonl] = FORMS as [RowsForm];
  const asText = (some: readonly (readonly [string, string])[]): RawRow[] =>
    some.map(([key, value]) => [Buffer.from(key), Buffer.from(value)]);
  const contentOf = (files: readonly ExportedFile[]): string =>
    files.map(({ bytes: file }) => Buffer.from(file).toString()).join('|');

  it('are the newest of each key, of several segments', async () => {
    const base = shared(asText([['a', 'old']])).bytes;
    const delta = shared(asText([['a', 'new']])).bytes;
    const other = shared(asText([['b', '1']])).bytes;
    const files = await filesOf([runMergeTask([base, delta]), other], jsonl);
    expect(contentOf(files)).toBe('{"key":"a","value":"new"}\n{"key":"b","value":"1"}\n');
    expect(files[0]).toMatchObject({ records: 2, keyBytes: 2, valueBytes: 4 });
    expect(contentOf(await filesOf([base, other], jsonl, 1))).toContain('}\n|{');
  });

  it('are base64 in jsonl only where they are not UTF-8', async () => {
    const one = shared([[Buffer.from('ключ'), Buffer.from([0xff])]]).bytes;
    expect(contentOf(await filesOf([one], jsonl))).toBe('{"key":"ключ","value_base64":"/w=="}\n');
  });

  it('are texts or bytes to another reader of Parquet', async () => {
    const { bytes: one } = shared(asText([['ключ', '"1",\n']]));
    const typesOf = async (text: RowsForm['text']): Promise<unknown> => {
      const path = join(tempDir(), 'part.parquet');
      const [file] = await filesOf([one], { format: 'parquet', compress: 'none', text });
      writeFileSync(path, Buffer.from(file?.bytes ?? new SharedArrayBuffer(0)));
      return duckdb(`SELECT typeof(key), typeof(value), key, value FROM '${path}'`);
    };
    expect(await typesOf({ key: true, value: true })).toEqual([
      ['VARCHAR', 'VARCHAR', 'ключ', '"1",\n'],
    ]);
    const [types] = (await typesOf({ key: true, value: false })) as string[][];
    expect(types?.slice(0, 2)).toEqual(['VARCHAR', 'BLOB']);
  });

  it.each(['key', 'value'] as const)('are refused where the %s is to be text', async (column) => {
    const plain = Buffer.from('a');
    const binary = Buffer.from([0xff]);
    const { bytes: one } = shared([column === 'key' ? [binary, plain] : [plain, binary]]);
    const form = { format: 'parquet', compress: 'none', text: { key: true, value: true } } as const;
    const task = { segments: [one], from: { segment: 0, offset: 0 }, form, bytesMax: 1000 };
    expect(await runExportTask(task)).toEqual({ notText: column });
  });
});
