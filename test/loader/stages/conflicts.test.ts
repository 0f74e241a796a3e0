// Keys with several values: reported with their places, or resolved by the input's order, which is
// that of files and offsets, whatever the chunks and threads.

import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../support/inputs/rows.ts';
import { SteleError } from '../../../base/errors.ts';
import { builtRunLoad, failure, setUp, write } from '../load-setup.ts';

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
    const rowCount = 12_000;
    const seed = 7;
    console.log(`  seed ${seed}`);
    const { all, texts } = clashingFiles(seed, rowCount);
    const paths = texts.map((text, part) => write(folder, `${part}.csv`, text));
    const last = new Map(all);
    const first = new Map(all.toReversed());
    const ways = [
      { chunkSize: '64KiB', workers: 4 },
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

  it('choose the same where a load was interrupted, and what is chosen may change with it', async () => {
    const { folder, load, master } = await setUp(1, await builtRunLoad());
    const { all, texts } = clashingFiles(8, 12_000);
    const paths = texts.map((text, part) => write(folder, `${part}.csv`, text));
    const flags = { chunkSize: '64KiB', header: 'no', minReplicas: 1 };
    const whole = await load(paths, { ...flags, onConflict: 'last' });
    const breakOff = async (onConflict: string): Promise<void> => {
      let stored = 0;
      master.nodes[0]!.segments.clear();
      master.nodes[0]!.beforeStored = () => {
        if (++stored > 3) throw new SteleError('DISK_FULL', 'No room.');
      };
      const error = await failure(load(paths, { ...flags, onConflict, workers: 4 }));
      expect(error.code).toBe('REPLICAS_MISSING');
      master.nodes[0]!.beforeStored = () => undefined;
    };
    await breakOff('last');
    const resumed = await load(paths, { ...flags, onConflict: 'last', workers: 1 });
    expect(resumed).toMatchObject({ digest: whole.digest, overruled: whole.overruled });
    expect(resumed.shardsResumed).toBeGreaterThanOrEqual(3);
    expect(master.pairs()).toEqual(new Map(all));
    // Shards that were resolved the other way do not count.
    await breakOff('first');
    const other = await load(paths, { ...flags, onConflict: 'last', workers: 2 });
    expect(other).toMatchObject({ digest: whole.digest, shardsResumed: 0 });
    expect(other.chunksResumed).toBeGreaterThan(3);
    expect(master.pairs()).toEqual(new Map(all));
  }, 60_000);
});

/** The number of the first row that has another value than a row before it. */
function firstClash(all: readonly [string, string][]): number {
  const values = new Map<string, string>();
  return all.findIndex(([key, value]) => {
    const before = values.get(key);
    values.set(key, value);
    return before !== undefined && before !== value;
  });
}

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
    expect(message).toContain('. 5 rows have another value in all. Nothing was loaded; correct');
    expect(master.version).toBe(0);
    expect(leftBehind()).toHaveLength(1);
  });

  it('tells the same with any number of threads, and when it is run again', async () => {
    const { folder, load } = await setUp(1, await builtRunLoad());
    const { all, texts } = clashingFiles(9, 60_000);
    const paths = texts.map((text, part) => write(folder, `${part}.csv`, text));
    const seen = new Set<string>();
    for (const workers of [4, 4, 2, 1]) {
      const flags = { workers, chunkSize: '64KiB', header: 'no', minReplicas: 1 };
      seen.add((await failure(load(paths, flags))).message);
    }
    expect(seen.size).toBe(1);
    const [message = ''] = seen;
    const places = [...message.matchAll(/'([^']*)' in (\S+) at byte (\d+) \(line (\d+)\)/g)];
    expect(places).toHaveLength(6);
    for (const [, value = '', path = '', offset, line] of places) {
      const text = texts[paths.indexOf(path)]!;
      const row = text.slice(Number(offset)).split('\n')[0]!;
      expect(row).toContain(value.replace(/\.\.\.$/, ''));
      expect(text.slice(0, Number(offset)).split('\n')).toHaveLength(Number(line));
    }
    // Of the first chunk that has any: all chunks but the first may begin with a row cut in two.
    const firstChunk = texts[0]!.slice(0, 64 * 1024).split('\n').length;
    expect(firstClash(all)).toBeLessThan(firstChunk);
    expect(places.every(([, , path]) => path === paths[0])).toBe(true);
    expect(places.every(([, , , , line]) => Number(line) <= firstChunk)).toBe(true);
  }, 60_000);

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
