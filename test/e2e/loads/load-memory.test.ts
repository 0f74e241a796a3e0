// --memory-max: a loader's memory, as counted by Linux, stays below it for any input.

import { sentencesOf } from '../../support/process/stele-process.ts';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestCluster, summaryOf } from '../../support/process/cluster.ts';
import { steleMeasured } from '../../support/process/peak-memory.ts';

const MiB = 1024 * 1024;
const folder = mkdtempSync(join(tmpdir(), 'stele-memory-'));
let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.borrow(1);
}, 60_000);

afterAll(async () => {
  await cluster?.close();
  rmSync(folder, { recursive: true, force: true });
}, 30_000);

function inputFile(name: string, parts: readonly string[]): string {
  const path = join(folder, name);
  writeFileSync(path, parts.join(''));
  return path;
}

describe('a load within --memory-max', () => {
  // Without the budget of a task this takes 600 MiB, without that of threads 900.
  test('of rows that cost much more than the first ones, with more threads than fit', async () => {
    const usual = Array.from({ length: 20_000 }, (_, row) => `key-${row} ${'value '.repeat(16)}\n`);
    const badRows = 14_000_000;
    const path = inputFile('later.data', [...usual, 'x\n'.repeat(badRows)]);
    const flags = ['--memory-max', '300MiB', '--workers', '8', '--max-rejects', '100000000'];
    const { done, peakBytes } = await steleMeasured(cluster.loadArguments('later', [path], flags));
    expect(sentencesOf(done.stderr)).not.toMatch(/^stele: /m);
    expect(summaryOf(done.stdout)).toMatchObject({ loaded: usual.length, rejected: badRows });
    expect(peakBytes).toBeGreaterThan(100 * MiB);
    expect(peakBytes).toBeLessThan(300 * MiB);
  }, 120_000);

  test('of one large shard: the error names the least limit that works, and it works', async () => {
    const value = 'v'.repeat(1000);
    const rows = Array.from({ length: 80_000 }, (_, row) => `{one}${row} ${value}\n`);
    const path = inputFile('skewed.data', rows);
    await expectLeast('skewed', path, /(?:A s|S)hard .* allow/, rows.length);
  }, 120_000);

  test('of one long row: the error names a sufficient limit, and it is', async () => {
    const value = 'v'.repeat(60 * MiB);
    const path = inputFile('long.jsonl', [
      '{"key":1,"value":"',
      value,
      '"}\n{"key":2,"value":3}\n',
    ]);
    await expectLeast(
      'long-row',
      path,
      /A row of about 60\.0 MiB, '\S*' at byte 0, takes .* allow/,
      2,
    );
  }, 120_000);

  /**
   * With 256 MiB the load is refused with a size; with that size it succeeds, and stays within it.
   */
  async function expectLeast(
    keyspace: string,
    path: string,
    why: RegExp,
    rowCount: number,
  ): Promise<void> {
    const load = (memoryMax: string): ReturnType<typeof steleMeasured> =>
      steleMeasured(cluster.loadArguments(keyspace, [path], ['--memory-max', memoryMax]));
    const refused = await load('256MiB');
    expect(refused.done.code).toBe(1);
    expect(refused.done.stderr).toMatch(why);
    const reported = / --memory-max (\d+)MiB or more \(it is 256\.0 MiB\)/;
    const leastMiB = Number(reported.exec(refused.done.stderr)?.[1]);
    expect(leastMiB).toBeGreaterThan(256);
    expect(leastMiB).toBeLessThan(600);
    const { done, peakBytes } = await load(`${leastMiB}MiB`);
    expect(summaryOf(done.stdout)).toMatchObject({ loaded: rowCount, rejected: 0 });
    expect(peakBytes).toBeLessThan(leastMiB * MiB);
  }

  test('of less than 256 MiB is wrong usage', async () => {
    const path = inputFile('small.data', ['a 1\n']);
    const { done } = await steleMeasured(
      cluster.loadArguments('small', [path], ['--memory-max', '64MiB']),
    );
    expect(sentencesOf(done.stderr)).toMatch(
      /^stele: --memory-max: 64.0 MiB is out of range; use 256.0 MiB or more/,
    );
    expect(done.code).toBe(2);
  });
});
