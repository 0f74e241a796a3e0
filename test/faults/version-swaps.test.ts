// Versions swap again and again under readers of batches: never two versions in one batch.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SteleClient } from '../../client/stele-client.ts';
import { TestCluster } from '../support/cluster.ts';
import type { Source } from '../support/read-attempt.ts';
import { ContinuousReader, stopWithoutFailures } from '../support/continuous-reader.ts';
import { handOver } from '../support/fault-table.ts';
import { SEED, SHORT } from '../support/faults.ts';
import { VersionedRows } from '../support/rows.ts';
import {
  connectCluster,
  connectRedis,
  postLookup,
  postLookupSource,
  respSource,
} from '../support/sources.ts';

/** Answers that each way of reading must have given before the test is over. */
const ANSWERS = SHORT ? 30_000 : 1_000_000;
const KEYS_PER_READ = 100;
const BATCHES_PER_SWAP = 15;
/** In the long form versions swap every second. */
const SWAP_EVERY_MS = SHORT ? 0 : 1000;
const KEYSPACE = 'numbers';
const folder = mkdtempSync(join(tmpdir(), 'stele-swaps-'));

/** All in one slot, so that a datanode takes an MGET of any of them. */
class TaggedRows extends VersionedRows {
  override key(index: number): string {
    return `{one-slot}-${index}`;
  }
}

const rows = new TaggedRows(5000);
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

test(`${ANSWERS} answers by each way of reading while versions swap: none fails, no batch mixes`, async () => {
  console.log(`  seed ${SEED}`);
  const client = new SteleClient({ seeds: [cluster.masterGrpc] });
  const nodes = ['node-0', 'node-1', 'node-2'].map((id) => cluster.node(id));
  const sources: Source[] = [
    respSource('MGET through the master', connectRedis(cluster.master, KEYSPACE)),
    respSource('MGET straight from the datanodes', connectCluster(nodes, KEYSPACE)),
    postLookupSource(cluster.url(''), KEYSPACE),
    {
      name: 'getMany of the library',
      read: async (keys) => (await client.getMany(KEYSPACE, keys)).values,
      close: () => client.close(),
    },
  ];
  const readers = sources.map(
    (source, index) =>
      new ContinuousReader(source, {
        keyCount: rows.count,
        keyAt: (at) => rows.key(at),
        keysPerRead: KEYS_PER_READ,
        restMs: 0,
        check: (keys, values) => {
          const versions = new Set(keys.map((key, at) => rows.versionOf(key, values[at])));
          if (versions.size === 1 && !versions.has(0)) return undefined;
          return `versions ${[...versions].join(' and ')} in one batch`;
        },
        seed: SEED + index,
      }),
  );
  let swaps = 0;
  try {
    while (readers.some(({ reads }) => reads * KEYS_PER_READ < ANSWERS)) {
      const nextMs = performance.now() + SWAP_EVERY_MS;
      await swapTo(1 + (swaps++ % 2));
      await Promise.all(readers.map((reader) => reader.progress(BATCHES_PER_SWAP)));
      await pause(Math.max(0, nextMs - performance.now()));
    }
  } finally {
    await stopWithoutFailures(readers);
  }
  console.log(`  ${swaps} swaps`);
  expect(swaps).toBeGreaterThan(SHORT ? 5 : 10);
  handOver({
    row: '17',
    fault: 'versions that swap under readers of 100 keys at a time',
    trials: swaps,
    reads: readers.reduce((sum, { reads }) => sum + reads, 0),
    failed: 0,
    seen: 'the version asked for answers after each swap; no batch mixes two',
  });
});
