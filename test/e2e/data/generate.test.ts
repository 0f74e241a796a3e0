import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { describe, expect, it, onTestFinished } from 'vitest';

const ROOT = join(import.meta.dirname, '../../..');
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the generator with flags given as one text. */
function generate(flags: string): Promise<Outcome> {
  const args = ['data/generate.mjs', ...flags.split(' ').filter((flag) => flag !== '')];
  const options = { cwd: ROOT, maxBuffer: 64 * 1024 * 1024 };
  return new Promise((resolve) => {
    execFile(process.execPath, args, options, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

function lines(text: string): string[] {
  expect(text.endsWith('\n')).toBe(true);
  return text.slice(0, -1).split('\n');
}

describe('the generator', () => {
  it('makes the committed sample, byte for byte', async () => {
    const { stdout } = await generate('--rows 10000 --seed 1 --format line');
    expect(stdout === readFileSync(join(ROOT, 'data/example.data'), 'utf8')).toBe(true);
  });

  it('makes other rows for another seed, and the same first rows for another size', async () => {
    const [few, many, other] = await Promise.all(
      ['--rows 10 --seed 5', '--rows 100 --seed 5', '--rows 10 --seed 6'].map(generate),
    );
    expect(many?.stdout.startsWith(few?.stdout ?? 'none')).toBe(true);
    expect(other?.stdout).not.toBe(few?.stdout);
  });

  it('makes unique keys in the shape of UUID version 4 and values of 2 to 8 words', async () => {
    const rows = lines((await generate('--rows 50000 --seed 3')).stdout);
    const keys = new Set(rows.map((row) => row.slice(0, 36)));
    expect(keys.size).toBe(50_000);
    expect([...keys].filter((key) => !UUID.test(key))).toEqual([]);
    const values = rows.map((row) => row.slice(36));
    expect(values.filter((value) => !/^( [a-z]+){2,8}$/.test(value))).toEqual([]);
  });

  it.each(['line', 'csv', 'tsv', 'jsonl'])('makes the same rows as %s', async (format) => {
    const expected = lines((await generate('--rows 20 --seed 9')).stdout).map((row) => ({
      key: row.slice(0, 36),
      value: row.slice(37),
    }));
    const { stdout } = await generate(`--rows 20 --seed 9 --format ${format}`);
    expect(rowsOf(format, stdout)).toEqual(expected);
  });

  it('quotes every field with --quoted, and what is inside needs the quotes', async () => {
    const { stdout } = await generate('--rows 400 --format csv --quoted');
    expect(lines(stdout).filter((line) => !/^"[^,]+","/.test(line))).toEqual([]);
    const rows: { value: string }[] = parse(stdout, { columns: true });
    expect(rows.length).toBe(400);
    expect(rows.filter((row) => !row.value.includes(','))).toEqual([]);
    expect(rows.filter((row) => row.value.includes('"')).length).toBeGreaterThan(50);
  });

  it.each([0, 1, 70, 5000])('makes values of exactly %i bytes', async (bytes) => {
    const rows = lines((await generate(`--rows 50 --value-bytes ${bytes}`)).stdout);
    expect(rows.map((row) => row.length - 37)).toEqual(Array.from({ length: 50 }, () => bytes));
  });

  it('leaves the header out with --no-header, and makes an empty file of 0 rows', async () => {
    expect(lines((await generate('--rows 3 --format csv --no-header')).stdout).length).toBe(3);
    expect((await generate('--rows 0')).stdout).toBe('');
  });

  it('writes to a file with --out', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'stele-generate-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const path = join(folder, 'rows.data');
    expect(await generate(`--rows 10 --out ${path}`)).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(readFileSync(path, 'utf8')).toBe((await generate('--rows 10')).stdout);
  });

  it.each([
    ['', '--rows is missing'],
    ['--rows many', "'many' is not a number for --rows"],
    ['--rows -1', '--rows'],
    ['--rows 4294967296', 'use 0 to 4294967295'],
    ['--rows 1 --format xml', "'xml' is not a --format"],
    ['--rows 1 --quoted', '--quoted goes with --format csv'],
    ['--rows 1 --value-bytes 1.5', '--value-bytes'],
    ['--rows 1 --sede 4', '--sede'],
    ['--rows 1 file', 'file'],
  ])('refuses %j with a sentence and exit code 2', async (flags, sentence) => {
    const { code, stdout, stderr } = await generate(flags);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain(sentence);
    expect(stderr).not.toContain('    at ');
  });

  it('ends quietly when its reader goes away', async () => {
    const child = spawn(process.execPath, ['data/generate.mjs', '--rows', '100000000'], {
      cwd: ROOT,
    });
    onTestFinished(() => void child.kill());
    let complaint = '';
    child.stderr.on('data', (text) => (complaint += String(text)));
    await once(child.stdout, 'data');
    child.stdout.destroy();
    const [code] = (await once(child, 'close')) as unknown[];
    expect({ code, complaint }).toEqual({ code: 0, complaint: '' });
  });

  it('says where it could not write, with exit code 1', async () => {
    const { code, stderr } = await generate('--rows 1 --out /no/such/folder/file');
    expect(code).toBe(1);
    expect(stderr).toContain('/no/such/folder/file');
    expect(stderr).not.toContain('    at ');
  });
});

describe('airports.csv', () => {
  it('has unique keys, a header, quoted commas and doubled quotes, sorted', () => {
    const text = readFileSync(join(ROOT, 'data/airports.csv'), 'utf8');
    const rows: Record<string, string>[] = parse(text, { columns: true });
    const keys = rows.map((row) => row['ident'] ?? '');
    expect(rows.length).toBe(5210);
    expect(new Set(keys).size).toBe(5210);
    expect(keys).toEqual(keys.toSorted());
    expect(rows.some((row) => row['name']?.includes(','))).toBe(true);
    expect(rows.some((row) => row['name']?.includes('"'))).toBe(true);
    expect(rows.find((row) => row['ident'] === 'EGLL')?.['iata_code']).toBe('LHR');
  });
});

function rowsOf(format: string, text: string): unknown[] {
  switch (format) {
    case 'csv':
      return parse(text, { columns: true });
    case 'tsv':
      return parse(text, { columns: true, delimiter: '\t', quote: null });
    case 'jsonl':
      return lines(text).map((line): unknown => JSON.parse(line));
    default:
      return lines(text).map((line) => ({ key: line.slice(0, 36), value: line.slice(37) }));
  }
}
