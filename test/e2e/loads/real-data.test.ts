// Real datasets through `stele load` into a cluster of processes, and values read back.
// test/loader/real-values.ts compares every value that the loader reads, and a commit compares
// digests of what was read and what datanodes hold; so a sample of the batches suffices for large
// sets here.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestCluster } from '../../support/process/cluster.ts';
import { REAL_INPUTS } from '../../support/inputs/real-data.ts';
import { connectRedis, postLookup } from '../../support/readers/sources.ts';
import { flags } from '../../support/process/stele-process.ts';

const MGET_KEYS_MAX = 2000;
const MGET_CHARACTERS_MAX = 1_000_000;
/**
 * Every so many batches are also read by HTTP, which returns the same bytes at ten times the cost.
 */
const HTTP_EVERY = 10;
/** Of larger sets, every third batch is read. */
const ALL_KEYS_MAX = 100_000;
const folder = mkdtempSync(join(tmpdir(), 'stele-real-'));
let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.borrow();
}, 60_000);

afterAll(async () => {
  await cluster?.close();
  rmSync(folder, { recursive: true, force: true });
}, 30_000);

test.for(REAL_INPUTS)('values of $name are read back as they were written', async (real) => {
  const file = join(folder, real.fileName);
  const bytes = real.bytes();
  writeFileSync(file, bytes);
  const expected = real.expected(bytes);
  const summary = await cluster.load(real.name, [file], flags(real.choice));
  expect(summary).toMatchObject({ loaded: expected.size, duplicates: 0, rejected: 0 });
  await expectPairs(real.name, [...expected]);
});

async function expectPairs(keyspace: string, pairs: readonly [string, string][]): Promise<void> {
  const client = connectRedis(cluster.master, keyspace);
  const wrong: string[] = [];
  const compare = (keys: readonly [string, string][], values: readonly (Buffer | null)[]): void => {
    for (const [at, [key, value]] of keys.entries()) {
      if (values[at]?.toString('utf8') !== value) wrong.push(key);
    }
  };
  try {
    const every = pairs.length > ALL_KEYS_MAX ? 3 : 1;
    const batches = batchesOf(pairs).filter((_, number) => number % every === 0);
    for (const [batch, some] of batches.entries()) {
      const keys = some.map(([key]) => key);
      compare(some, await client.mgetBuffer(keys));
      if (batch % HTTP_EVERY !== 0) continue;
      compare(some, (await postLookup(cluster.url(''), keyspace, keys, 20_000)).values);
    }
  } finally {
    client.disconnect();
  }
  expect(wrong.slice(0, 10)).toEqual([]);
}

function batchesOf(pairs: readonly [string, string][]): [string, string][][] {
  const batches: [string, string][][] = [[]];
  let characters = 0;
  for (const pair of pairs) {
    const last = batches.at(-1)!;
    characters += pair[1].length;
    if (last.length < MGET_KEYS_MAX && characters < MGET_CHARACTERS_MAX) {
      last.push(pair);
      continue;
    }
    batches.push([pair]);
    characters = pair[1].length;
  }
  return batches;
}
