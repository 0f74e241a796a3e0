// Versions swap again and again under readers of batches: never two versions in one batch.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestCluster } from '../support/cluster.ts';
import { ContinuousReader, stopWithoutFailures } from '../support/continuous-reader.ts';
import { SEED, SHORT } from '../support/faults.ts';
import { VersionedRows } from '../support/rows.ts';
import { connectRedis, postLookup, postLookupSource, respSource } from '../support/sources.ts';

const SWAPS = SHORT ? 20 : 400;
const BATCHES_PER_SWAP = 15;
const KEYSPACE = 'numbers';
const folder = mkdtempSync(join(tmpdir(), 'stele-swaps-'));
const rows = new VersionedRows(5000);
let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.start();
  for (const version of [1, 2]) {
    const file = join(folder, `rows-${version}.data`);
    await rows.write(file, version);
    await cluster.load(KEYSPACE, [file]);
  }
  await cluster.status('green');
});

afterAll(async () => {
  await cluster?.close();
  rmSync(folder, { recursive: true, force: true });
});

async function swapTo(version: number): Promise<void> {
  const response = await fetch(cluster.url(`/v1/keyspaces/${KEYSPACE}/rollback`), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ to: version }),
  });
  expect(response.status).toBe(200);
  const answer = await postLookup(cluster.url(''), KEYSPACE, [rows.key(1)]);
  expect(answer.version).toBe(version);
}

test(`${SWAPS} swaps: no read fails and no batch mixes`, async () => {
  console.log(`  seed ${SEED}`);
  const sources = [
    respSource('MGET through the master', connectRedis(cluster.master, KEYSPACE)),
    postLookupSource(cluster.url(''), KEYSPACE),
  ];
  const readers = sources.map(
    (source, index) =>
      new ContinuousReader(source, {
        keyCount: rows.count,
        keyAt: (at) => rows.key(at),
        keysPerRead: 100,
        check: (keys, values) => {
          const versions = new Set(keys.map((key, at) => rows.versionOf(key, values[at])));
          if (versions.size === 1 && !versions.has(0)) return undefined;
          return `versions ${[...versions].join(' and ')} in one batch`;
        },
        seed: SEED + index,
      }),
  );
  try {
    for (let swap = 0; swap < SWAPS; swap++) {
      await swapTo(1 + (swap % 2));
      await Promise.all(readers.map((reader) => reader.progress(BATCHES_PER_SWAP)));
    }
  } finally {
    await stopWithoutFailures(readers);
  }
});
