import { readFileSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SteleError } from '../../base/errors.ts';
import type { LoadProgress } from '../../loader/stages/progress.ts';
import { failure, rowsText, setUp, write } from './load-setup.ts';

const ROWS = 20_000;

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
    const reports: LoadProgress[] = [];
    const hooks = { onProgress: (progress: LoadProgress) => reports.push(progress) };
    await failure(load([file], {}, hooks));
    const first = reports.at(-1)?.acknowledged;
    expect(first?.map(([id]) => id)).toEqual(master.nodes.map(({ id }) => id));
    expect(first?.map(([, segments]) => segments)).toEqual(
      master.nodes.map(({ segments }) => segments.size),
    );
    master.beforeCommit = () => undefined;
    expect(await load([file], {}, hooks)).toMatchObject({ shardsResumed: 8 });
    expect(reports.at(-1)).toMatchObject({ stage: 'commit', acknowledged: first });
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
    const summary = await load(
      [file],
      {},
      {
        onProgress: ({ stage }) => stage === 'build' && calls++ === 0 && onProgress(),
      },
    );
    expect(summary).toMatchObject({ rows: 5000, loaded: 5000 });
    expect(master.pairs()).toEqual(pairs);
  });

  it('recognises a commit whose answer was lost', async () => {
    const { folder, load, master } = await setUp();
    const file = write(folder, 'a.data', 'a 1\n');
    master.afterCommit = () => {
      throw new SteleError('INTERNAL', 'the answer is lost');
    };
    await failure(load([file]));
    master.afterCommit = () => undefined;
    expect(await load([file])).toMatchObject({ alreadyCurrent: true, version: 1 });
    expect(master.version).toBe(1);
  });

  it('really runs again with other flags, even where its commit was carried out', async () => {
    const { folder, load, master } = await setUp();
    const file = write(folder, 'a.data', 'a 1\na 2\n');
    master.afterCommit = () => {
      throw new SteleError('INTERNAL', 'the answer is lost');
    };
    await failure(load([file], { onConflict: 'first' }));
    master.afterCommit = () => undefined;
    const summary = await load([file], { onConflict: 'last' });
    expect(summary).toMatchObject({ alreadyCurrent: false, version: 2, chunksResumed: 1 });
    expect(master.pairs().get('a')).toBe('2');
  });

  it('really runs again after its gate failed', async () => {
    const { folder, load, master } = await setUp();
    const file = write(folder, 'a.data', 'a 1\n');
    await load([file]);
    master.beforeCommit = () => {
      master.forgetLoads();
      throw new SteleError('GATE_FAILED', 'It has 1 row.');
    };
    await failure(load([file], { expectRows: '9' }));
    const error = await failure(load([file], { requireKey: ['NOPE'] }));
    expect(error.code).toBe('GATE_FAILED');
    master.beforeCommit = () => undefined;
    expect(await load([file])).toMatchObject({ alreadyCurrent: false, version: 2 });
  });

  it('takes up no shard where a chunk has become another, even of the same size and time', async () => {
    const { folder, load, master } = await setUp();
    const file = write(folder, 'a.data', 'a 1\nb 2\n');
    utimesSync(file, 1_000_000, 1_000_000);
    master.beforeCommit = () => {
      throw new SteleError('UNSUPPORTED', 'not now');
    };
    await failure(load([file]));
    writeFileSync(file, 'a 1\nb 3\n');
    utimesSync(file, 1_000_000, 1_000_000);
    master.beforeCommit = () => undefined;
    expect(await load([file])).toMatchObject({ chunksResumed: 0, shardsResumed: 0 });
    expect(master.pairs().get('b')).toBe('3');
  });
});
