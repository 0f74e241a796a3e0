// Input that breaks parsers: bytes that are not text, rows and files of extreme size. Data is
// returned unchanged; errors are reported with their place, in bounded memory.

import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { TestCluster } from '../../support/process/cluster.ts';
import { steleMeasured } from '../../support/process/peak-memory.ts';
import { steleShared } from '../../support/process/shared-process.ts';
import type { Done } from '../../support/process/shared-process.ts';
import { connectRedis } from '../../support/readers/sources.ts';
import type { Finished } from '../../support/process/stele-process.ts';

const MiB = 1024 * 1024;
const folder = mkdtempSync(join(tmpdir(), 'stele-hard-'));
let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.borrow(1);
}, 60_000);

afterAll(async () => {
  await cluster?.close();
  rmSync(folder, { recursive: true, force: true });
}, 30_000);

function inputFile(name: string, content: string | Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const bytesOf = (text: string): Buffer => Buffer.from(text, 'latin1');

describe('bytes that are not text', () => {
  const key = bytesOf('k\xff\0\x80');
  const value = bytesOf('\0v\xfe\xc3\r\0');

  test.for([
    ['a.data', '\xef\xbb\xbfKEY VALUE\n', []],
    ['b.tsv', '\xef\xbb\xbfKEY\tVALUE\t\n', ['--value', '2', '--header', 'no']],
    ['c.csv', 'id,v\r\nKEY,VALUE', ['--header', 'yes']],
    ['d.csv', '\xef\xbb\xbf"id","v"\r\n"KEY","VALUE"\r\n', ['--header', 'yes']],
  ] as const)('are kept byte for byte in %s', async ([name, text, flags]) => {
    const content = text.replace('KEY', key.toString('latin1'));
    const file = inputFile(name, bytesOf(content.replace('VALUE', value.toString('latin1'))));
    const keyspace = name.replace('.', '-');
    expect(await cluster.load(keyspace, [file], [...flags])).toMatchObject({ loaded: 1, rows: 1 });
    const client = connectRedis(cluster.master, keyspace);
    onTestFinished(() => client.disconnect());
    expect(await client.getBuffer(key)).toEqual(value);
  });

  test('come out of base64, keys and values', async () => {
    const line = { key_base64: key.toString('base64'), value_base64: value.toString('base64') };
    await cluster.load('base64', [inputFile('e.jsonl', `${JSON.stringify(line)}\n`)]);
    const client = connectRedis(cluster.master, 'base64');
    onTestFinished(() => client.disconnect());
    expect(await client.getBuffer(key)).toEqual(value);
  });

  test('are reported, with their line, where a value must be JSON', async () => {
    const wide = inputFile('wide.csv', bytesOf('id,a,b\n1,x,y\n2,\xff,y\n'));
    expectSentence(await run([wide]), 1, /wide\.csv at byte 13: column 2 is not UTF-8/);
    const lines = inputFile('lines.jsonl', bytesOf('{"key":1,"value":"\xff"}\n'));
    expectSentence(await run([lines]), 1, /lines\.jsonl at byte 0: not UTF-8/);
  });
});

describe('a file with nothing in it', () => {
  test.for([
    ['empty.csv', '', 1, /The input is empty/],
    ['header-only.csv', 'id,name\r\n', 1, /no row to load/],
    ['blank.jsonl', '\n\r\n', 1, /no row to load/],
  ] as const)('%s changes nothing', async ([name, content, code, pattern]) => {
    expectSentence(await run([inputFile(name, content)]), code, pattern);
  });

  test('a missing column is wrong usage, and the columns are listed', async () => {
    const file = inputFile('columns.csv', 'id,name\n1,x\n');
    expectSentence(await run([file], ['--key', 'ident']), 2, /--key ident: .* are id, name\./);
    const lines = inputFile('members.jsonl', '{"id":1,"user":{"x":2}}\n');
    expectSentence(await run([lines], ['--key', 'user.y']), 2, /user\.y: .* has id, user\./);
  });

  test('bad JSON is reported with its column', async () => {
    const file = inputFile('bad.jsonl', '{"key":1,"value":2}\n{"key":2,"value":nope}\n');
    expectSentence(await run([file]), 1, /bad\.jsonl at byte 20: .* \(column 18, byte 37\)/);
  });
});

describe('a file of 1 GiB', () => {
  const LOADER_BYTES_MAX = 1200 * MiB;

  /** `pieces` at their offsets; the file system stores nothing in between, and reads zeros. */
  function vastFile(name: string, pieces: readonly (readonly [number, string])[]): string {
    const path = join(folder, name);
    const file = openSync(path, 'w');
    ftruncateSync(file, 1024 * MiB);
    for (const [offset, text] of pieces) writeSync(file, text, offset);
    closeSync(file);
    return path;
  }

  test('with a quote that is never closed at its end: the offset of the quote is reported', async () => {
    // Wide rows of which only a short key and value are used, so that little has to be stored.
    const rows = Array.from({ length: 16 }, (_, row): [number, string] => [
      row * 64 * MiB,
      `${row === 0 ? 'id,v,filler' : ''}\n"key ${row}",value,`,
    ]);
    const last = 1024 * MiB - 30;
    const path = vastFile('vast.csv', [...rows, [last, '\nlast,"never closed, no end']]);
    const { done, peakBytes } = await runMeasured([path], ['--value', 'v']);
    expectSentence(
      done,
      1,
      new RegExp(`vast\\.csv at byte ${last + 1}: unclosed quote \\(byte ${last + 6}\\)`),
    );
    expect(peakBytes).toBeLessThan(LOADER_BYTES_MAX);
  });

  test.for([
    ['vast.data', 'a 1\nb 2', 4],
    ['vast.jsonl', '{"key":1,"value":2}\n{"key":2,"value":"', 20],
    ['quoted.csv', 'k,v\na,1\nb,"', 8],
  ] as const)('with a row that does not end is refused: %s', async ([name, head, offset]) => {
    const path = vastFile(name, [[0, head]]);
    const { done, peakBytes } = await runMeasured([path]);
    expectSentence(
      done,
      1,
      new RegExp(`'[^']*${name}' has a row of more than 129 MiB at byte ${offset},`),
    );
    expect(peakBytes).toBeLessThan(LOADER_BYTES_MAX);
  });

  test('a field of 70 MiB is reported, and the rows around it can be loaded', async () => {
    const field = Buffer.alloc(70 * MiB, 'x');
    const parts = [Buffer.from('a,1\nb,"'), field, Buffer.from('"\nc,3\n')];
    const path = inputFile('long.csv', Buffer.concat(parts));
    expectSentence(await run([path]), 1, /long\.csv at byte 4: value longer than 67108864 bytes/);
    const rejects = join(folder, 'rejects.csv');
    const flags = ['--max-rejects', '1', '--rejects', rejects];
    expect(await cluster.load('long', [path], flags)).toMatchObject({ loaded: 2, rejected: 1 });
    expect(readFileSync(rejects)).toHaveLength(field.length + 5);
  });
});

function run(paths: readonly string[], flags: readonly string[] = []): Promise<Done> {
  return steleShared(cluster.loadArguments('bad', paths, flags));
}

/** Also the peak memory of the process. */
function runMeasured(
  paths: readonly string[],
  flags: readonly string[] = [],
): Promise<{ done: Finished; peakBytes: number }> {
  return steleMeasured(cluster.loadArguments('bad', paths, flags));
}

/** One error in JSON on stderr, after the log. */
function expectSentence(done: Done, code: number, pattern: RegExp): void {
  const last = done.stderr.trimEnd().split('\n').at(-1) ?? '';
  const { error } = JSON.parse(last) as { error: { message: string } };
  expect(error.message).toMatch(pattern);
  expect(done.code).toBe(code);
}
