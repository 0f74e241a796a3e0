// Appends as a user sees them: gates, conflicts, dry runs, a version that changes in the meantime,
// a loader that is killed.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestCluster, summaryOf } from '../../support/process/cluster.ts';
import type { LoadSummary } from '../../support/process/cluster.ts';
import { steleShared } from '../../support/process/shared-process.ts';
import type { Done } from '../../support/process/shared-process.ts';
import { SteleProcess, until } from '../../support/process/stele-process.ts';

const ROWS = 4000;
const folder = mkdtempSync(join(tmpdir(), 'stele-append-load-'));
let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.start({ datanodes: 1, replication: 1, shards: 4 });
}, 60_000);

afterAll(async () => {
  await cluster?.close();
  rmSync(folder, { recursive: true, force: true });
}, 30_000);

/** Rows `from` up to `to`, with values that contain `day`. */
function rows(day: number, from: number, to: number): string {
  const path = join(folder, `${day}-${from}-${to}.data`);
  const lines = Array.from({ length: to - from }, (_, at) => `key-${from + at} ${valueOf(day)}\n`);
  writeFileSync(path, lines.join(''));
  return path;
}

const valueOf = (day: number): string => `day ${day} ${'x'.repeat(60)}`;

const argumentsOf = (keyspace: string, path: string, more: readonly string[]): string[] =>
  cluster.loadArguments(keyspace, [path], ['--mode', 'append', ...more]);

const append = (keyspace: string, path: string, ...more: string[]): Promise<Done> =>
  steleShared(argumentsOf(keyspace, path, more));

async function appended(keyspace: string, path: string, ...more: string[]): Promise<LoadSummary> {
  const done = await append(keyspace, path, ...more);
  if (done.code !== 0) throw new Error(done.stderr);
  return summaryOf(done.stdout);
}

async function value(keyspace: string, key: string): Promise<string> {
  const answer = await fetch(cluster.url(`/v1/keyspaces/${keyspace}/keys/${key}`));
  return answer.ok ? answer.text() : String(answer.status);
}

async function versions(keyspace: string): Promise<string[]> {
  const { versions: all } = (await cluster.json(`/v1/keyspaces/${keyspace}/versions`)) as {
    versions: { version: number; state: string; current: boolean; records: number }[];
  };
  return all.map(({ current, records, state, version }) =>
    [version, state.toLowerCase(), records, ...(current ? ['current'] : [])].join(' '),
  );
}

const run = (...words: string[]): Promise<Done> =>
  steleShared([...words, '--master', cluster.masterGrpc]);

/** An append that takes some seconds to send, and has begun to. */
async function slowAppend(keyspace: string, path: string): Promise<SteleProcess> {
  const process = new SteleProcess(
    argumentsOf(keyspace, path, ['--max-bytes-per-second', '100KiB']),
  );
  await until('the load to send', async () => {
    const { loads } = (await cluster.json(`/v1/loads?keyspace=${keyspace}`)) as {
      loads?: { stage: string }[];
    };
    return loads?.some(({ stage }) => stage === 'build') === true;
  });
  return process;
}

test('the summary counts added, replaced and unchanged keys, in text and JSON', async () => {
  await appended('told', rows(1, 0, 100));
  const path = join(folder, 'mixed.data');
  writeFileSync(path, `key-1 ${valueOf(1)}\nkey-2 ${valueOf(2)}\nnew-1 a\nnew-2 b\nnew-3 c\n`);
  const work = join(folder, 'work');
  const words = ['load', 'told', path, '--mode', 'append', '--work-dir', work];
  expect((await run(...words)).stdout).toMatch(
    /^appended {2}to version 1: 3 keys added, 1 replaced, 1 unchanged; 103 in all$/m,
  );
  expect(await value('told', 'key-2')).toBe(valueOf(2));
});

test('a dry run reports what the file holds, and changes nothing', async () => {
  await appended('dry', rows(1, 0, 100));
  const done = await append('dry', rows(2, 50, 150), '--dry-run');
  expect(done.code).toBe(0);
  expect(summaryOf(done.stdout)).toMatchObject({ rows: 100 });
  const keys = ['--require-key', 'key-7', '--require-key', 'key-149', '--min-rows', '150'];
  const gated = await append('dry', rows(2, 50, 150), '--dry-run', ...keys);
  expect(gated.code).toBe(0);
  expect(summaryOf(gated.stdout)).toMatchObject({
    unchecked: [expect.stringMatching(/^--min-rows .* 100 to 200 rows/)],
  });
  const without = await append('dry', rows(2, 50, 150), '--dry-run', '--require-key', 'key-150');
  expect(without.code).toBe(3);
  expect(await versions('dry')).toEqual(['1 committed 100 current']);
  expect((await append('nowhere', rows(2, 50, 150), '--dry-run')).code).toBe(0);
  expect((await fetch(cluster.url('/v1/keyspaces/nowhere'))).status).toBe(404);
});

test('gates hold for the whole version; one that did not pass can be promoted', async () => {
  await appended('gated', rows(1, 0, 100));
  const refused = await append('gated', rows(2, 50, 150), '--expect-rows', '100');
  expect(refused.code).toBe(3);
  expect(refused.stderr).toMatch(/Version 2 .* did not go live: it has 150 rows.*promote gated 2/s);
  expect(await value('gated', 'key-60')).toBe(valueOf(1));
  expect((await run('promote', 'gated', '2')).code).toBe(0);
  expect(await value('gated', 'key-60')).toBe(valueOf(2));
  expect(await value('gated', 'key-10')).toBe(valueOf(1));
  // A key of the base satisfies it, and so does the new value of a replaced one.
  const gate = ['--expect-rows', '160', '--max-shrink', '0%', '--require-key', 'key-10'];
  const value60 = `key-60=${valueOf(2)}`;
  await appended('gated', rows(3, 150, 160), ...gate, '--require-key', value60);
  expect(await versions('gated')).toContain('3 committed 160 current');
});

test('two values in the delta are a conflict, another value in the base is none', async () => {
  await appended('conflicts', rows(1, 0, 10));
  const path = join(folder, 'conflict.data');
  writeFileSync(path, 'key-1 one\nkey-1 two\n');
  const refused = await append('conflicts', path);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toMatch(/The key 'key-1' has two values/);
  expect(await value('conflicts', 'key-1')).toBe(valueOf(1));
  const { append: outcome } = await appended('conflicts', path, '--on-conflict', 'last');
  expect(outcome).toEqual({ base_version: 1, added: 0, replaced: 1, unchanged: 0 });
  expect(await value('conflicts', 'key-1')).toBe('two');
});

test('an append to a version that is rolled back in the meantime fails, and succeeds when run again', async () => {
  await appended('raced', rows(1, 0, 100));
  await appended('raced', rows(2, 100, 200));
  const path = rows(3, 200, ROWS);
  const running = await slowAppend('raced', path);
  // It is still running, however long the next two commands take.
  running.child.kill('SIGSTOP');
  // A second load is refused.
  const second = await append('raced', rows(4, 0, 10));
  expect(second.stderr).toMatch(
    /"code":"LOAD_IN_PROGRESS","message":"Load .* into keyspace 'raced' .* is under way/,
  );
  expect((await run('rollback', 'raced')).code).toBe(0);
  running.child.kill('SIGCONT');
  const refused = await running.finished();
  expect(refused.code).toBe(1);
  expect(refused.stderr).toMatch(
    /append to version 2, and meanwhile version 1 .* has become current.*run the same command again/s,
  );
  expect(await versions('raced')).toEqual(['1 committed 100 current', '2 committed 200']);
  const done = await appended('raced', path, '--max-bytes-per-second', '100KiB');
  expect(done).toMatchObject({ version: 3, records: ROWS - 100 });
  expect(done.append).toMatchObject({ base_version: 1, added: ROWS - 200 });
  expect(done.chunksResumed).toBeGreaterThan(0);
  expect(await value('raced', 'key-150')).toBe('404');
});

test('a killed append is resumed, with the result of an undisturbed one', async () => {
  const path = rows(2, 50, ROWS);
  for (const keyspace of ['killed', 'undisturbed']) await appended(keyspace, rows(1, 0, 100));
  const expected = await appended('undisturbed', path);
  await (await slowAppend('killed', path)).kill();
  expect(await versions('killed')).toEqual(['1 committed 100 current']);
  const done = await appended('killed', path, '--max-bytes-per-second', '100KiB');
  expect(done.chunksResumed).toBeGreaterThan(0);
  expect(done.append).toEqual(expected.append);
  expect(done.digest).toBe(expected.digest);
  expect(await cluster.digest('killed')).toBe(expected.digest);
});
