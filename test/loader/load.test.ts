import { appendFileSync, mkdirSync, readFileSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { SteleError } from '../../base/errors.ts';
import type { LoadHooks } from '../../loader/load.ts';
import { hurry } from '../support/hurry.ts';
import { failure, rowsText, setUp, write } from './load-setup.ts';

const ROWS = 20_000;

describe('a load', () => {
  it('brings every pair to two replicas, adds up, and leaves no work folder behind', async () => {
    const { folder, leftBehind, load, master } = await setUp();
    const { pairs, text } = rowsText(ROWS);
    const summary = await load([write(folder, 'a.data', text)], { chunkSize: '64KiB' });
    expect(master.pairs()).toEqual(pairs);
    expect(summary).toMatchObject({
      keyspace: 'ks',
      version: 1,
      rows: ROWS,
      loaded: ROWS,
      duplicates: 0,
      rejected: 0,
      bytes: text.length,
      chunksResumed: 0,
      shardsResumed: 0,
      alreadyCurrent: false,
    });
    expect(master.committed?.shards.every(({ nodeIds }) => nodeIds.length === 2)).toBe(true);
    expect(master.committed?.digest.toString('hex')).toBe(summary.digest);
    expect(leftBehind()).toEqual([]);
  });

  it('has one digest, whatever the order of the rows, the format, the chunks and the files', async () => {
    const { folder, load } = await setUp();
    const { pairs, text } = rowsText(2000);
    const lines = text.trimEnd().split('\n');
    mkdirSync(join(folder, 'parts'));
    write(folder, 'parts/1.csv', 'id,value\n' + csv(lines.slice(0, 700)));
    write(folder, 'parts/2.csv', 'id,value\n' + csv(lines.slice(700)));
    write(folder, 'parts/ignored.md', 'nothing');
    const { digest } = await load([write(folder, 'a.data', text)]);
    const reversed = write(folder, 'r.txt', lines.toReversed().join('\n'));
    const packed = write(folder, 'p.data.gz', gzipSync(text));
    const others = [
      await load([reversed], { chunkSize: '64KiB' }),
      await load([packed]),
      await load([join(folder, 'parts')]),
      await load([join(folder, 'part?', '[12].csv')]),
      await load(['-'], { format: 'line' }, { stdin: Readable.from([Buffer.from(text)]) }),
    ];
    for (const other of others) {
      expect(other).toMatchObject({ digest, loaded: pairs.size, rejected: 0 });
    }
  });

  it('reads each file of a folder by its own format', async () => {
    const { folder, load, master } = await setUp();
    mkdirSync(join(folder, 'mixed'));
    write(folder, 'mixed/a.data', 'a 1\n');
    write(folder, 'mixed/b.csv', 'key,value\nb,"2"\n');
    write(folder, 'mixed/c.tsv', 'c\t3\r\n');
    write(folder, 'mixed/d.csv', 'key,value\nd,4\n');
    expect(await load([join(folder, 'mixed')])).toMatchObject({ loaded: 4, rejected: 0 });
    expect(Object.fromEntries(master.pairs())).toEqual({ a: '1', b: '2', c: '3', d: '4' });
    const other = write(folder, 'other.csv', 'id,price\nb,2\n');
    const error = await failure(load([join(folder, 'mixed'), other]));
    expect(error.message).toContain(`'${other}' has other columns`);
  });

  it('counts a pair that comes twice once', async () => {
    const { folder, load } = await setUp();
    const summary = await load([write(folder, 'a.data', 'a 1\nb 2\na 1\n')]);
    expect(summary).toMatchObject({ rows: 3, loaded: 2, duplicates: 1 });
  });

  it('stops with both values and their places where a key has two', async () => {
    const { folder, load, master } = await setUp();
    const file = write(folder, 'a.data', 'b 2\na one\nc 3\na two\n');
    const error = await failure(load([file]));
    expect(error.code).toBe('DUPLICATE_KEY');
    expect(error.message).toContain(`'one' in ${file} at byte 4 (line 2)`);
    expect(error.message).toContain(`'two' in ${file} at byte 14 (line 4)`);
    expect(master.version).toBe(0);
    expect((await load([file], { onConflict: 'last' })).duplicates).toBe(1);
    expect(master.pairs().get('a')).toBe('two');
    await load([file], { onConflict: 'first' });
    expect(master.pairs().get('a')).toBe('one');
  });

  it('stops before the commit when more rows are bad than allowed, and lists them', async () => {
    const { folder, load, master } = await setUp();
    const file = write(folder, 'a.tsv', 'a\t1\nbad\nb\t2\n\t3\n');
    const rejects = join(folder, 'rejects.tsv');
    const error = await failure(load([file], { rejects, maxRejects: 1, header: 'no' }));
    expect(error.code).toBe('TOO_MANY_REJECTS');
    expect(error.message).toContain(`${file} at byte 4: 1 column instead of 2 ('bad')`);
    expect(error.message).toContain(`All are in ${rejects}`);
    expect(master.version).toBe(0);
    expect(readFileSync(rejects, 'utf8')).toBe('bad\n\t3\n');
    const reasons = readFileSync(`${rejects}.reasons.jsonl`, 'utf8').trimEnd().split('\n');
    expect(reasons.map((line) => JSON.parse(line) as unknown)).toEqual([
      { file, offset: 4, bytes: 3, line: 2, reason: '1 column instead of 2' },
      { file, offset: 12, bytes: 2, line: 4, reason: 'empty key' },
    ]);
    const summary = await load([file], { maxRejects: 2, header: 'no' });
    expect(summary).toMatchObject({ rows: 4, loaded: 2, rejected: 2, chunksResumed: 1 });
  });

  it('does nothing for a file that is already current, and loads one that was touched', async () => {
    const { folder, load, master } = await setUp();
    const file = write(folder, 'a.data', 'a 1\n');
    await load([file]);
    expect(await load([file], { skipIfCurrent: true })).toMatchObject({
      alreadyCurrent: true,
      version: 1,
    });
    utimesSync(file, 1_000_000, 1_000_000);
    expect(await load([file], { skipIfCurrent: true })).toMatchObject({ version: 2 });
    expect(master.version).toBe(2);
  });

  it('compares content and flags, whatever the size, the time and the folder', async () => {
    const { folder, load, master } = await setUp();
    const flags = { skipIfCurrent: true, onConflict: 'first' };
    const writeOld = (name: string, text: string | Buffer): string => {
      const path = write(folder, name, text);
      utimesSync(path, 1_000_000, 1_000_000);
      return path;
    };
    mkdirSync(join(folder, 'other'));
    const versions: number[] = [];
    const loadOnce = async (path: string, more: object = {}): Promise<void> => {
      versions.push((await load([path], { ...flags, ...more })).version);
    };
    await loadOnce(writeOld('a.data', 'a 1\na 2\n'));
    await loadOnce(writeOld('other/a.data', 'a 1\na 2\n'));
    await loadOnce(writeOld('a.data', 'a 1\na 3\n'));
    await loadOnce(writeOld('other/a.data', 'a 1\na 4\n'));
    await loadOnce(join(folder, 'other/a.data'), { onConflict: 'last' });
    await loadOnce(join(folder, 'other/a.data'), { onConflict: 'last', minRows: 1 });
    await loadOnce(join(folder, 'other/a.data'), { onConflict: 'last', minRows: 1, workers: 1 });
    expect(versions).toEqual([1, 1, 2, 3, 4, 5, 5]);
    expect(master.pairs().get('a')).toBe('4');
  });

  it('is recognised however it was cut into chunks, packed or not', async () => {
    const { folder, load } = await setUp();
    const { text } = rowsText(ROWS);
    const file = write(folder, 'a.data', text);
    const packed = write(folder, 'b.data.gz', gzipSync(text));
    for (const path of [file, packed]) {
      await load([path], { chunkSize: '64KiB' });
      expect((await load([path], { skipIfCurrent: true })).alreadyCurrent).toBe(true);
    }
  });

  it('is not committed when the file changed meanwhile', async () => {
    const { folder, load, master } = await setUp();
    const file = write(folder, 'a.data', 'a 1\n');
    const onProgress = (): void => appendFileSync(file, 'b 2\n');
    const error = await failure(load([file], {}, { onProgress }));
    expect(error.code).toBe('INPUT_CHANGED');
    expect(master.version).toBe(0);
  });
});

function csv(lines: readonly string[]): string {
  return lines
    .map((line, index) => {
      const space = line.indexOf(' ');
      const value = line.slice(space + 1);
      return `${line.slice(0, space)},${index % 3 === 0 ? `"${value}"` : value}\r\n`;
    })
    .join('');
}

describe('datanodes that fail', () => {
  it('are done without where enough replicas remain', async () => {
    const { folder, load, master } = await setUp();
    master.nodes[1]!.stop();
    hurry();
    const file = write(folder, 'a.data', rowsText(3000).text);
    const summary = await load([file], { minReplicas: 1 });
    expect(summary.loaded).toBe(3000);
    expect(master.pairs().size).toBe(3000);
  });

  it('stop the load with a sentence where too few remain, and it resumes when they are back', async () => {
    const { folder, load, master } = await setUp();
    const gone = master.nodes[1]!;
    gone.beforeStored = () => {
      throw new SteleError('DISK_FULL', 'No room on node-1.');
    };
    const file = write(folder, 'a.data', rowsText(3000).text);
    const error = await failure(load([file]));
    expect(error.code).toBe('REPLICAS_MISSING');
    expect(error.message).toContain('1 of 2 replicas');
    expect(error.message).toContain('No room on node-1.');
    gone.beforeStored = () => undefined;
    expect((await load([file])).loaded).toBe(3000);
  });

  it('are replaced by the owners that the master names next', async () => {
    const { folder, load, master } = await setUp();
    const [gone] = master.nodes;
    hurry();
    gone!.beforeStored = () => {
      master.nodes.shift();
      gone!.stop();
      gone!.beforeStored = () => undefined;
    };
    const file = write(folder, 'a.data', rowsText(3000).text);
    const summary = await load([file], { replicaWait: '60s' });
    expect(summary.loaded).toBe(3000);
    expect(master.pairs().size).toBe(3000);
  });

  it('get everything again that broke off in the middle', async () => {
    const { folder, load, master } = await setUp();
    let breaks = 0;
    for (const node of master.nodes) {
      node.beforeStored = () => {
        if (breaks++ % 5 === 0) throw new SteleError('UNAVAILABLE', 'a hiccup');
      };
    }
    const file = write(folder, 'a.data', rowsText(3000).text);
    expect((await load([file])).loaded).toBe(3000);
    expect(master.committed?.shards.every(({ nodeIds }) => nodeIds.length === 2)).toBe(true);
  });
});

describe('a load that cannot begin', () => {
  it('says what is wrong with the input', async () => {
    const { folder, load } = await setUp();
    mkdirSync(join(folder, 'empty'));
    const cases: [string[], Record<string, unknown>, string, string][] = [
      [[join(folder, 'missing.data')], {}, 'INPUT_NOT_FOUND', 'There is no file or folder'],
      [[join(folder, 'empty')], {}, 'INPUT_NOT_FOUND', 'has no .data, .txt, .csv'],
      [[join(folder, '*.none')], {}, 'INPUT_NOT_FOUND', 'No file matches'],
      [[write(folder, 'x.bin', 'a 1\n')], {}, 'INPUT_AMBIGUOUS', 'name it with --format'],
      [[write(folder, 'e.data', '')], {}, 'INPUT_INVALID', 'is empty'],
      [[write(folder, 'b.data', '\n\n')], {}, 'INPUT_INVALID', 'no row to load'],
      [[write(folder, 'bom.csv', '\ufeff')], {}, 'INPUT_INVALID', 'no row in it'],
      [[write(folder, 'h.csv', 'id,name\r\n')], {}, 'INPUT_INVALID', 'no row to load'],
      [[write(folder, 'a.jsonl', '{"id":1}\n')], {}, 'INPUT_INVALID', 'no member key in the first'],
      [[write(folder, 'b.jsonl', '\n \n')], {}, 'INPUT_INVALID', 'no row to load'],
      [
        [write(folder, 'bad.jsonl', '7\n8\n')],
        { maxRejects: 3 },
        'INPUT_INVALID',
        `no row to load: all of its 2 rows were rejected (${join(folder, 'bad.jsonl')} at byte 0: `,
      ],
      [[write(folder, 'a.csv', 'a\nb\n')], {}, 'INPUT_AMBIGUOUS', 'only one column'],
      [
        [write(folder, 'c.csv', 'a,b\n1,2\n')],
        { key: 'z' },
        'INVALID_ARGUMENT',
        'there is no such column; the columns are a, b.',
      ],
      [
        [write(folder, 'c.jsonl', '{"a":1,"b":2}\n')],
        { key: 'z' },
        'INVALID_ARGUMENT',
        '--key z: there is no such member in the first line, which has a, b.',
      ],
    ];
    for (const [paths, flags, code, text] of cases) {
      const error = await failure(load(paths, flags));
      expect([error.code, error.message]).toEqual([code, expect.stringContaining(text)]);
    }
  });

  it('says that no master answers, and how to start one', async () => {
    const { folder, leftBehind, load } = await setUp();
    const file = write(folder, 'a.data', 'a 1\n');
    const error = await failure(load([file], { master: '127.0.0.1:1' }));
    expect(error.code).toBe('UNAVAILABLE');
    expect(error.message).toBe(
      'No master answers at 127.0.0.1:1; start one with `stele up`, or name its gRPC port with --master.',
    );
    expect(leftBehind()).toEqual([]);
  });

  it('comes again as itself where the master may have noted the load and its answer was lost', async () => {
    const { folder, leftBehind, load } = await setUp();
    const file = write(folder, 'a.data', 'a 1\n');
    const tokens: string[] = [];
    const failing = (error: SteleError): LoadHooks => ({
      master: {
        beginLoad: ({ workToken }) => {
          tokens.push(workToken);
          return Promise.reject(error);
        },
        reportProgress: neverCalled,
        commitLoad: neverCalled,
        abortLoad: neverCalled,
        wasReached: () => true,
        close: () => {},
      },
    });
    const lost = new SteleError('UNAVAILABLE', 'Connection dropped.');
    await failure(load([file], {}, failing(lost)));
    expect(leftBehind()).toHaveLength(1);
    await failure(load([file], {}, failing(lost)));
    expect(tokens[1]).toBe(tokens[0]);
    // What the master itself refuses, it has not begun.
    await failure(load([file], {}, failing(new SteleError('LOAD_IN_PROGRESS', 'Another one.'))));
    expect(leftBehind()).toEqual([]);
  });
});

function neverCalled(): Promise<never> {
  return Promise.reject(new Error('Not to be called.'));
}
