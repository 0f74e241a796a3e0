// Loads of files over HTTP.

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { SteleError } from '../../../base/errors.ts';
import { openHttpFile } from '../../../loader/remote/http-file.ts';
import { duckdb } from '../../support/inputs/duckdb.ts';
import { HttpFiles } from '../../support/inputs/http-files.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { failure, rowsText, setUp, write } from '../../loader/load-setup.ts';
import type { Setup } from '../../loader/load-setup.ts';

const MiB = 1024 * 1024;

async function started(
  count = 150_000,
): Promise<Setup & { server: HttpFiles; content: Buffer; digest: string }> {
  const setup = await setUp();
  const server = await HttpFiles.start();
  const content = Buffer.from(rowsText(count).text);
  server.files.set('a.data', content);
  const { digest } = await setup.load([write(setup.folder, 'local.data', content)]);
  return { ...setup, server, content, digest };
}

it('a file is copied by ranges, and has the digest of the same file here', async () => {
  const { content, digest, load, server } = await started();
  expect(content.length).toBeGreaterThan(8 * MiB);
  const summary = await load([server.url('a.data')]);
  expect(summary).toMatchObject({ digest, bytes: content.length });
  expect(server.ranges.filter((range) => range !== '0-1').length).toBeGreaterThan(2);
  const again = await load([server.url('a.data')], { skipIfCurrent: true });
  expect(again.alreadyCurrent).toBe(true);
});

it('a server that goes away and comes back three times costs time alone', async () => {
  const { digest, load, server } = await started();
  let answers = 0;
  server.breakAfter = () => {
    answers++;
    // Gone in the middle of a block; back a moment later.
    if (answers % 3 !== 0 || answers > 9) return undefined;
    setTimeout(() => void server.down().then(() => setTimeout(() => void server.up(), 100)), 0);
    return 300_000;
  };
  expect((await load([server.url('a.data')])).digest).toBe(digest);
  expect(answers).toBeGreaterThan(9);
});

it('what an interrupted load has copied is not copied again', async () => {
  const { content, digest, load, server } = await started();
  const stop = new AbortController();
  let answers = 0;
  server.breakAfter = () => {
    if (++answers === 6) stop.abort();
    return undefined;
  };
  const error = await failure(load([server.url('a.data')], {}, { signal: stop.signal }));
  expect(error.code).toBe('CANCELLED');
  server.breakAfter = () => undefined;
  server.bytesSent = 0;
  expect((await load([server.url('a.data')])).digest).toBe(digest);
  expect(server.bytesSent).toBeLessThan(content.length);
});

it('a file that changes between two ranges is never mixed', async () => {
  const { content, leftBehind, load, server } = await started();
  let answers = 0;
  server.breakAfter = () => {
    if (++answers === 4) server.files.set('a.data', Buffer.concat([content, Buffer.from('x y\n')]));
    return undefined;
  };
  const error = await failure(load([server.url('a.data')]));
  expect(error.code).toBe('INPUT_CHANGED');
  expect(error.message).toContain(`'${server.url('a.data')}' changed while it was being loaded`);
  server.breakAfter = () => undefined;
  expect((await load([server.url('a.data')])).loaded).toBe(150_001);
  expect(leftBehind()).toEqual([]);
});

it('a server without ranges or versions is read as a stream, compressed or not', async () => {
  const { content, digest, load, server } = await started(5000);
  server.files.set('a.data.gz', gzipSync(content));
  expect((await load([server.url('a.data.gz')])).digest).toBe(digest);
  for (const facts of [{ hasRanges: false }, { hasRanges: true, hasTags: false }]) {
    Object.assign(server, facts);
    const notices: string[] = [];
    const hooks = { onNotice: (sentence: string) => notices.push(sentence) };
    expect((await load([server.url('a.data')], {}, hooks)).digest).toBe(digest);
    expect(notices[0]).toMatch(/is read as a stream: its server knows neither ranges nor versions/);
  }
});

it('Parquet is read over HTTP', async () => {
  const { folder, load, server } = await started(10);
  const path = join(folder, 'a.parquet');
  const query = "select 'k' || i as k, 'v' || i as v from range(3000) r(i)";
  await duckdb(`copy (${query}) to '${path}' (format parquet)`, 'select 1');
  server.files.set('a.parquet', readFileSync(path));
  const { digest } = await load([path]);
  expect((await load([server.url('a.parquet')])).digest).toBe(digest);
});

it('of Parquet, only the columns that are needed are copied', async () => {
  const { folder, load, server } = await started(10);
  const path = join(folder, 'wide.parquet');
  const wide = Array.from({ length: 8 }, (_, at) => `sha256('${at}-' || i) as w${at}`).join(', ');
  const query = `select 'k' || i as k, ${wide}, 'v' || i as v from range(40000) r(i)`;
  await duckdb(`copy (${query}) to '${path}' (format parquet, row_group_size 20480)`, 'select 1');
  const bytes = readFileSync(path);
  server.files.set('wide.parquet', bytes);
  const { digest } = await load([path], { value: 'v' });
  server.bytesSent = 0;
  expect((await load([server.url('wide.parquet')], { value: 'v' })).digest).toBe(digest);
  expect(server.bytesSent).toBeLessThan(bytes.length * 0.7);
  const all = await load([path]);
  expect((await load([server.url('wide.parquet')])).digest).toBe(all.digest);
  server.files.set('cut.parquet', bytes.subarray(0, bytes.length - 10));
  const error = await failure(load([server.url('cut.parquet')]));
  expect(error.message).toMatch(/does not end with PAR1/);
});

it('credentials and signatures are used, and are in no message and no file', async () => {
  const { digest, folder, load, server } = await started(5000);
  server.user = 'me:pass word';
  const url = `${server.url('a.data', 'me:pass%20word@')}?signature=secret`;
  expect((await load([url])).digest).toBe(digest);
  const error = await failure(
    load([`${server.url('a.data', 'me:wrong-secret@')}?signature=secret`]),
  );
  expect(error.code).toBe('PERMISSION_DENIED');
  expect(error.message).toMatch(
    /^'http:\/\/127\.0\.0\.1:\d+\/a\.data' may not be read \(status 401\)/,
  );
  const stop = new AbortController();
  server.breakAfter = () => {
    stop.abort();
    return 10;
  };
  await failure(load([url], {}, { signal: stop.signal }));
  for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.json')) continue;
    expect(readFileSync(join(folder, file), 'utf8')).not.toMatch(/secret|pass/);
  }
});

it('each failure says what to do', async () => {
  const { load, server } = await started(10);
  expect(await failure(load([server.url('nope.data')]))).toMatchObject({
    ...{ code: 'INPUT_NOT_FOUND' },
    message: `There is no file '${server.url('nope.data')}' (status 404).`,
  });
  expect(await failure(load([server.url('a.data'), `${server.url('a.data')}?b`]))).toMatchObject({
    code: 'INVALID_ARGUMENT',
  });
  server.status = 500;
  const thrown = await openHttpFile(server.url('a.data'), { backoffMs: 1 }).catch(
    (e: unknown) => e,
  );
  expect(thrown).toBeInstanceOf(SteleError);
  expect((thrown as SteleError).message).toMatch(
    /^'http:.*a\.data' cannot be read \(status 500, 9 times\); check the server and its address\./,
  );
  expect(tempDir()).toBeDefined();
});
