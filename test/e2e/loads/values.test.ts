// Input of every kind, and values of every kind of byte: what is loaded is read back unchanged.

import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { TestCluster } from '../../support/process/cluster.ts';
import { generateSample, readLineFile } from '../../support/inputs/rows.ts';
import { connectRedis, postLookup } from '../../support/readers/sources.ts';

const ROWS = 10_000;
const BATCH = 1000;
const folder = mkdtempSync(join(tmpdir(), 'stele-values-'));
let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.borrow();
}, 60_000);

afterAll(async () => {
  await cluster?.close();
  rmSync(folder, { recursive: true, force: true });
}, 30_000);

describe('a generated file of the same shape', () => {
  const file = join(folder, 'generated', 'rows.data');

  beforeAll(() => {
    mkdirSync(join(folder, 'generated'));
    generateSample(file, ROWS, 7);
  });

  test.for([
    ['as a file', file],
    ['as a folder', join(folder, 'generated')],
    ['as a glob', join(folder, 'generated', '*.data')],
  ] as const)('loads %s: every row, every value exact', async ([how, path]) => {
    const keyspace = how.replaceAll(' ', '-');
    const summary = await cluster.load(keyspace, [path]);
    expect(summary).toMatchObject({ rows: ROWS, loaded: ROWS, rejected: 0 });
    await expectRows(keyspace, readLineFile(file));
  });

  test('has the same digest for every kind of input', async () => {
    const split = join(folder, 'split');
    mkdirSync(split);
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n').reverse();
    writeFileSync(join(split, 'a.data'), lines.slice(0, 3000).join('\n'));
    writeFileSync(join(split, 'b.data'), lines.slice(3000).join('\n'));
    copyFileSync(file, join(folder, 'copy.data'));
    const whole = await cluster.load('whole', [join(folder, 'copy.data')]);
    const parts = await cluster.load('parts', [split]);
    expect(parts.loaded).toBe(ROWS);
    expect(parts.digest).toBe(whole.digest);
  });
});

describe('values that are easily damaged', () => {
  const values = new Map<string, string>([
    ['leading', '   three spaces in front'],
    ['trailing', 'two spaces behind  '],
    ['tabs', '\ta\tb\t'],
    ['empty', ''],
    ['carriage-return', 'dos line\r'],
    ['only-carriage-return', '\r'],
    ['quotes', '"not a quoted field", "really"'],
    ['nul', 'a\0b'],
    ['emoji', '👩‍👩‍👧‍👦 and ñ and 漢字'],
    ['__proto__', 'a key like any other'],
    ['12345', 'a key that looks like a number'],
    ['last', 'no newline behind this'],
  ]);

  test('are read back unchanged', async () => {
    const file = join(folder, 'edge.data');
    writeFileSync(file, [...values].map(([key, value]) => `${key} ${value}`).join('\n'));
    const summary = await cluster.load('edge', [file]);
    expect(summary).toMatchObject({ rows: values.size, loaded: values.size });
    const rows = new Map([...values].map(([key, value]) => [key, Buffer.from(value)] as const));
    await expectRows('edge', rows);
    const client = connectRedis(cluster.master, 'edge');
    onTestFinished(() => client.disconnect());
    expect(await client.mgetBuffer([...rows.keys()])).toEqual([...rows.values()]);
  });

  test('multi-byte characters lie across chunk edges', async () => {
    const chunkBytes = 64 * 1024;
    const rows = new Map<string, Buffer>();
    for (let row = 0; row < 1500; row++) {
      rows.set(`k${row}`, Buffer.from('漢'.repeat(50 + (row % 61))));
    }
    const bytes = Buffer.concat(
      [...rows].flatMap(([key, value]) => [Buffer.from(`${key} `), value, Buffer.from('\n')]),
    );
    const edges = Array.from({ length: Math.floor(bytes.length / chunkBytes) }, (_, index) =>
      bytes.readUInt8((index + 1) * chunkBytes),
    );
    // 10xxxxxx: the second or third byte of a character.
    expect(edges.filter((byte) => byte >> 6 === 0b10).length).toBeGreaterThan(1);
    const file = join(folder, 'multibyte.data');
    writeFileSync(file, bytes);
    const summary = await cluster.load('multibyte', [file], ['--chunk-size', '64KiB']);
    expect(summary).toMatchObject({ rows: 1500, loaded: 1500, rejected: 0 });
    await expectRows('multibyte', rows);
  });
});

async function expectRows(keyspace: string, rows: ReadonlyMap<string, Buffer>): Promise<void> {
  const names = [...rows.keys()];
  for (let at = 0; at < names.length; at += BATCH) {
    const batch = names.slice(at, at + BATCH);
    const { values } = await postLookup(cluster.url(''), keyspace, batch);
    const wrong = batch.filter((key, index) => !rows.get(key)?.equals(values[index] ?? NOTHING));
    expect(wrong).toEqual([]);
  }
}

/** Not a value of any row in these tests. */
const NOTHING = Buffer.from([0xff, 0xfe]);
