// From an empty keyspace to a version that is read: created, built by tasks that are killed, merged,
// and committed. It has the digest of one load.

import { readdirSync } from 'node:fs';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { csvFile, CHUNKED, killOnce } from '../../support/process/builds.ts';
import { TestCluster } from '../../support/process/cluster.ts';
import { SteleProcess, stele } from '../../support/process/stele-process.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { pathToFileURL } from 'node:url';
import { join } from 'node:path';

vi.setConfig({ testTimeout: 240_000 });

const ROWS = 10_000;
const TASKS = 2;

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.borrow(1);
});
afterAll(() => cluster?.close());

test('a build whose tasks were killed is committed, and is what one load makes', async () => {
  const folder = tempDir();
  const input = csvFile(folder, ROWS);
  const out = pathToFileURL(join(folder, 'store')).href;
  const own = ['--master', cluster.masterGrpc, '-o', 'json'];
  const run = async (...args: readonly string[]): Promise<Record<string, unknown>> => {
    const { code, stderr, stdout } = await stele(args, { cwd: folder });
    expect({ args, code, stderr }).toMatchObject({ code: 0 });
    return JSON.parse(stdout.trim()) as Record<string, unknown>;
  };
  await run('keyspace', 'create', 'built', '--out', out, ...own);
  for (let task = 1; task <= TASKS; task++) {
    const args = ['build', 'built', input, '--task', `${task}/${TASKS}`, '--out', out, ...CHUNKED];
    if (task % 2 === 0) {
      const running = new SteleProcess(args, { cwd: folder });
      await killOnce(running, () => readdirSync(folder).includes('.stele'));
    }
    await run(...args, '-o', 'json');
  }
  const early = await stele(['commit', 'built', out, ...own], { cwd: folder });
  expect(early.code).toBe(4);
  expect(early.stderr).toContain('"BUILD_INCOMPLETE"');
  const merged = await run('build', 'built', '--merge', '--out', out, '-o', 'json');
  const committed = await run('commit', 'built', out, ...own);
  const loaded = await run('load', 'loaded', input, ...own);
  expect(committed).toMatchObject({
    version: 1,
    records: ROWS,
    duplicates: 0,
    digest: loaded['digest'],
  });
  expect(merged['digest']).toBe(loaded['digest']);
  const [built, other] = await Promise.all(
    ['built', 'loaded'].map(async (keyspace) =>
      (
        await fetch(cluster.url(`/v1/keyspaces/${keyspace}/keys/cfcd208495d565ef66e7dff9f98764da`))
      ).text(),
    ),
  );
  expect(built).toBe('name "0"\nof ');
  expect(built).toBe(other);
  expect(await run('commit', 'built', out, ...own)).toMatchObject({ alreadyCurrent: true });
});
