// Real datasets through `stele load` into a cluster of processes, every value read back.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestCluster } from '../support/cluster.ts';
import { REAL_INPUTS } from '../support/real-data.ts';
import { connectRedis, postLookup } from '../support/sources.ts';
import { flags } from '../support/stele-process.ts';

const MGET_KEYS = 5000;
/** HTTP is asked for every so many batches: it gives the same bytes at ten times the price. */
const HTTP_EVERY = 10;
const folder = mkdtempSync(join(tmpdir(), 'stele-real-'));
let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.start();
}, 60_000);

afterAll(async () => {
  await cluster?.close();
  rmSync(folder, { recursive: true, force: true });
}, 30_000);

test.for(REAL_INPUTS)('every value of $name comes back as it was written', async (real) => {
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
    for (let from = 0, batch = 0; from < pairs.length; from += MGET_KEYS, batch++) {
      const some = pairs.slice(from, from + MGET_KEYS);
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
