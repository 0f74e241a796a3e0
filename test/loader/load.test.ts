import {
  appendFileSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { SteleError } from '../../base/errors.ts';
import type { LoadProgress } from '../../loader/load-progress.ts';
import type { LoadHooks } from '../../loader/load.ts';
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

describe('an interrupted load', () => {
  it('goes on from any point, sends again only what was not acknowledged, and ends the same', async () => {
    const { folder, load } = await setUp();
    const { text } = rowsText(ROWS);
    const file = write(folder, 'a.data', text);
    const { digest } = await load([file], { chunkSize: '64KiB' });
    for (const stopAt of [1, 5, 9, 13]) {
      const { load: loadAgain, master } = await setUp();
      let acknowledged = 0;
      const abort = new AbortController();
      for (const node of master.nodes) {
        node.beforeStored = () => {
          if (++acknowledged === stopAt) abort.abort();
        };
      }
      const error = await failure(
        loadAgain([file], { chunkSize: '64KiB' }, { signal: abort.signal }),
      );
      expect(error.code).toBe('CANCELLED');
      expect(error.message).toContain('run the same command again');
      expect(master.version).toBe(0);
      const summary = await loadAgain([file], { chunkSize: '64KiB' });
      expect(summary.digest).toBe(digest);
      expect(summary.chunksResumed).toBeGreaterThan(0);
      const sent = master.nodes.reduce((sum, node) => sum + node.received, 0);
      expect(sent).toBe(2 * master.committed!.shards.length);
      const pairsHeld = master.pairs();
      expect(pairsHeld.size).toBe(ROWS);
    }
  });

  it('uses its parsed chunks even where the master has forgotten the load', async () => {
    const { folder, load, master } = await setUp();
    const file = write(folder, 'a.data', rowsText(5000).text);
    master.beforeCommit = () => {
      throw new SteleError('UNSUPPORTED', 'not now');
    };
    expect((await failure(load([file]))).code).toBe('UNSUPPORTED');
    master.beforeCommit = () => undefined;
    master.forgetLoads();
    const summary = await load([file]);
    expect(summary).toMatchObject({ chunksResumed: 1, shardsResumed: 0, loaded: 5000 });
  });

  it('takes up acknowledged shards too, and none with --no-resume', async () => {
    const { folder, load, master } = await setUp();
    const file = write(folder, 'a.data', rowsText(5000).text);
    const fail = (): void => {
      throw new SteleError('UNSUPPORTED', 'not now');
    };
    master.beforeCommit = fail;
    await failure(load([file]));
    await failure(load([file]));
    expect(master.nodes.reduce((sum, node) => sum + node.received, 0)).toBe(16);
    master.beforeCommit = () => undefined;
    const resumed = await load([file]);
    expect(resumed).toMatchObject({ chunksResumed: 1, shardsResumed: 8 });
    master.beforeCommit = fail;
    await failure(load([file]));
    master.beforeCommit = () => undefined;
    expect(await load([file], { noResume: true })).toMatchObject({
      chunksResumed: 0,
      shardsResumed: 0,
    });
  });

  it('tells what each owner has acknowledged, that of an earlier try included', async () => {
    const { folder, load, master } = await setUp();
    const file = write(folder, 'a.data', rowsText(5000).text);
    master.beforeCommit = () => {
      throw new SteleError('UNSUPPORTED', 'not now');
    };
    const told: LoadProgress[] = [];
    const hooks = { onProgress: (progress: LoadProgress) => told.push(progress) };
    await failure(load([file], {}, hooks));
    const first = told.at(-1)?.acknowledged;
    expect(first?.map(([id]) => id)).toEqual(master.nodes.map(({ id }) => id));
    expect(first?.map(([, segments]) => segments)).toEqual(
      master.nodes.map(({ segments }) => segments.size),
    );
    master.beforeCommit = () => undefined;
    expect(await load([file], {}, hooks)).toMatchObject({ shardsResumed: 8 });
    expect(told.at(-1)).toMatchObject({ stage: 'commit', acknowledged: first });
  });

  it('discards what belongs to other content, even of the same size and time', async () => {
    const { folder, load, master } = await setUp();
    const file = write(folder, 'a.data', 'a 1\nb 2\n');
    utimesSync(file, 1_000_000, 1_000_000);
    master.nodes[0]!.stop();
    await failure(load([file], { minReplicas: 3 }));
    writeFileSync(file, 'a 1\nb 3\n');
    utimesSync(file, 1_000_000, 1_000_000);
    master.replication = 1;
    master.nodes.shift();
    const summary = await load([file], { minReplicas: 1 });
    expect(summary.chunksResumed).toBe(0);
    expect(master.pairs().get('b')).toBe('3');
  });

  it('finds a damaged run and parses its chunk again', async () => {
    const { folder, load, master } = await setUp();
    const { pairs, text } = rowsText(5000);
    const file = write(folder, 'a.data', text);
    const onProgress = (): void => {
      const [work = ''] = readdirSync(join(folder, 'work'));
      const run = join(folder, 'work', work, 'runs', '000000.run');
      const bytes = readFileSync(run);
      bytes[bytes.length - 50] = ~bytes[bytes.length - 50]!;
      writeFileSync(run, bytes);
    };
    let calls = 0;
    const summary = await load([file], {}, { onProgress: () => calls++ === 0 && onProgress() });
    expect(summary).toMatchObject({ rows: 5000, loaded: 5000 });
    expect(master.pairs()).toEqual(pairs);
  });

  it('recognises a commit whose answer was lost', async () => {
    const { folder, load, master } = await setUp();
    const file = write(folder, 'a.data', 'a 1\n');
    master.beforeCommit = () => {
      throw new SteleError('INTERNAL', 'the answer is lost');
    };
    await failure(load([file]));
    // What the master would look like had it carried the commit out before it died.
    master.currentFingerprint = master.begun[0]!.inputFingerprint;
    master.version = 1;
    expect(await load([file])).toMatchObject({ alreadyCurrent: true, version: 1 });
  });
});

describe('datanodes that fail', () => {
  it('are done without where enough replicas remain', async () => {
    const { folder, load, master } = await setUp();
    master.nodes[1]!.stop();
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
    gone!.beforeStored = () => {
      master.nodes.shift();
      gone!.stop();
      gone!.beforeStored = () => undefined;
    };
    const file = write(folder, 'a.data', rowsText(3000).text);
    const summary = await load([file], { replicaWait: '10s' });
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
      [[write(folder, 'x.bin', 'a 1\n')], {}, 'INPUT_INVALID', 'name it with --format'],
      [[write(folder, 'e.data', '')], {}, 'INPUT_INVALID', 'is empty'],
      [[write(folder, 'b.data', '\n\n')], {}, 'INPUT_INVALID', 'no row to load'],
      [[write(folder, 'bom.csv', '\ufeff')], {}, 'INPUT_INVALID', 'no row in it'],
      [[write(folder, 'h.csv', 'id,name\r\n')], {}, 'INPUT_INVALID', 'no row to load'],
      [[write(folder, 'a.jsonl', '{"id":1}\n')], {}, 'INPUT_INVALID', 'no member key in the first'],
      [[write(folder, 'b.jsonl', '\n \n')], {}, 'INPUT_INVALID', 'no row to load'],
      [[write(folder, 'a.csv', 'a\nb\n')], {}, 'INPUT_INVALID', 'only one column'],
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
      'No master answers at 127.0.0.1:1; start one with `stele up`, or name it with --master.',
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
