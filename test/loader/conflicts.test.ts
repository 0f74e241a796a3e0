// Keys that come with several values: told with their places, or settled by the input's order, which
// is that of files and offsets, whatever the chunks and threads.

import { describe, expect, it } from 'vitest';
import { seededRandom } from '../support/rows.ts';
import { builtRunLoad, failure, setUp, write } from './load-setup.ts';

/** Rows whose keys come several times, most of them with another value, over several files. */
function clashingFiles(
  seed: number,
  rowCount: number,
): { texts: string[]; all: [string, string][] } {
  const random = seededRandom(seed);
  const all: [string, string][] = [];
  for (let row = 0; row < rowCount; row++) {
    const key = `key-${Math.floor(random() * (rowCount / 3))}`;
    all.push([key, random() < 0.2 ? 'the same' : `value ${row} ${'x'.repeat(random() * 60)}`]);
  }
  const texts = [0, 1, 2].map((part) =>
    all
      .slice((rowCount * part) / 3, (rowCount * (part + 1)) / 3)
      .map(([key, value]) => (value.length % 5 === 0 ? `${key},"${value}"\n` : `${key},${value}\n`))
      .join(''),
  );
  return { texts, all };
}

describe('--on-conflict first and last', () => {
  it('choose by file and offset, whatever the chunk size and the number of threads', async () => {
    const { folder, load, master } = await setUp(3, await builtRunLoad());
    const rowCount = 120_000;
    const seed = 7;
    console.log(`  seed ${seed}`);
    const { all, texts } = clashingFiles(seed, rowCount);
    const paths = texts.map((text, part) => write(folder, `${part}.csv`, text));
    const last = new Map(all);
    const first = new Map(all.toReversed());
    const ways = [
      { chunkSize: '64KiB', workers: 3 },
      { chunkSize: '300KiB', workers: 2 },
      { chunkSize: '16MiB', workers: 1 },
    ];
    for (const [onConflict, expected] of [
      ['first', first],
      ['last', last],
    ] as const) {
      const seen = new Set<string>();
      for (const way of ways) {
        const summary = await load(paths, { ...way, onConflict, header: 'no' });
        expect(summary).toMatchObject({ rows: rowCount, loaded: expected.size, rejected: 0 });
        expect(summary.loaded + summary.duplicates).toBe(rowCount);
        seen.add(`${summary.digest} ${summary.overruled}`);
      }
      expect(seen.size).toBe(1);
      expect(master.pairs()).toEqual(expected);
    }
  }, 120_000);
});

describe('--on-conflict error', () => {
  it('tells the earliest with both places, and how many there are in all', async () => {
    const { folder, leftBehind, load, master } = await setUp();
    const rows = Array.from({ length: 9000 }, (_, row) => `key${row} value ${row}\n`);
    const a = write(folder, 'a.data', rows.join(''));
    const clashes = [50, 7000, 300, 8999, 20].map((row) => `key${row} other ${row}\n`);
    const b = write(folder, 'b.data', `new 1\n${clashes.join('')}new 1\n`);
    const seen = new Set<string>();
    for (const chunkSize of ['64KiB', '16MiB']) {
      const error = await failure(load([a, b], { chunkSize }));
      expect(error.code).toBe('DUPLICATE_KEY');
      seen.add(error.message);
    }
    expect(seen.size).toBe(1);
    const [message = ''] = seen;
    const offset = rows.slice(0, 50).join('').length;
    expect(message).toContain(
      `The key 'key50' has two values: 'value 50' in ${a} at byte ${offset} (line 51), and 'other 50' in ${b} at byte 6 (line 2); the key 'key7000'`,
    );
    expect(message).toContain(`the key 'key300'`);
    expect(message).not.toContain(`the key 'key20'`);
    expect(message).toContain('. 5 rows have another value in all. Nothing was loaded; mend');
    expect(master.version).toBe(0);
    expect(leftBehind()).toHaveLength(1);
  });

  it('locates rows of every format, with quotes and line ends in them', async () => {
    const { folder, load } = await setUp();
    const csv = write(folder, 'a.csv', 'id,name\n1,"one\n"\n2,two\n1,"o\nne"\n');
    const error = await failure(load([csv], { maxRejects: 0 }));
    expect(error.message).toContain(`'one?' in ${csv} at byte 8 (line 2), and 'o?ne' in ${csv}`);
    expect(error.message).toContain('at byte 23 (line 5)');
  });

  it('sends nothing more once one is found', async () => {
    const { folder, load, master } = await setUp();
    const keys = Array.from({ length: 4000 }, (_, row) => `key${row}`);
    const text = ['one', 'two'].map((value) => keys.map((key) => `${key} ${value}\n`).join(''));
    const error = await failure(load([write(folder, 'a.data', text.join(''))]));
    expect(error.message).toContain('4000 rows have another value in all');
    expect(master.nodes.every((node) => node.received === 0)).toBe(true);
  });
});
