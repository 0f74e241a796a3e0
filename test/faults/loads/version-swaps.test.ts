// Versions are swapped repeatedly under readers of batches: no batch ever has two versions.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SteleClient } from '../../../client/stele-client.ts';
import { TestCluster } from '../../support/process/cluster.ts';
import type { Source } from '../../support/readers/read-attempt.ts';
import { Reader, stopWithoutFailures } from '../../support/readers/reader.ts';
import type { RunningReader } from '../../support/readers/reader.ts';
import { handOver } from '../../support/faults/fault-table.ts';
import { SEED, SHORT } from '../../support/faults/faults.ts';
import { MgetStream, mgetBatch } from '../../support/readers/mget-stream.ts';
import type { MgetBatch } from '../../support/readers/mget-stream.ts';
import { seededRandom, VersionedRows } from '../../support/inputs/rows.ts';
import { flags } from '../../support/process/stele-process.ts';
import {
  connectCluster,
  connectRedis,
  postLookup,
  postLookupSource,
  respSource,
} from '../../support/readers/sources.ts';

/** Batches that all readers together, and each of them, must have read before the test ends. */
const BATCHES = SHORT ? 4_000 : 1_000_000;
const BATCHES_EACH = SHORT ? 150 : 5000;
const KEYS_PER_READ = 100;
const BATCHES_PER_SWAP = 15;
/** In the long form versions are swapped every second. */
const SWAP_EVERY_MS = SHORT ? 0 : 1000;
/** In the long form the client libraries rest, so that the raw connections have the machine. */
const REST_MS = SHORT ? 0 : 20;
const READ_MS_MAX = 30_000;
/** Limit for one swap and the following reads, on a machine with occasional stalls. */
const SWAP_MS_MAX = 300_000;
const TEST_MS_MAX = SHORT ? 300_000 : 3_000_000;
const KEYSPACE = 'numbers';
const NODES = ['node-0', 'node-1', 'node-2'];
const VERSIONS = [1, 2];
const GREETINGS = [['AUTH', KEYSPACE, 'any']];
/** Different MGETs per raw connection. */
const RAW_BATCHES = 256;
const RAW_TO_MASTER = SHORT ? 2 : 6;
const folder = mkdtempSync(join(tmpdir(), 'stele-swaps-'));

/**
 * Groups of keys, each in one slot, so that a datanode accepts an MGET of any keys of one group.
 */
class GroupedRows extends VersionedRows {
  readonly groupCount = 64;

  override key(index: number): string {
    return this.keyOf(index % this.groupCount, Math.floor(index / this.groupCount));
  }

  keyOf(group: number, index: number): string {
    return `{group-${group}}-${index}`;
  }
}

const rows = new GroupedRows(64 * 200);
const random = seededRandom(SEED);
let cluster: TestCluster;

beforeAll(async () => {
  console.log(`  seed ${SEED}`);
  // This test is not about latency, and no datanode must be declared dead.
  const masterFlags = flags({ 'lookup-deadline': '30s', 'heartbeat-deadline': '10s' });
  cluster = await TestCluster.start({ masterFlags });
  for (const version of VERSIONS) {
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
  const answer = await postLookup(cluster.url(''), KEYSPACE, [rows.key(1)], SWAP_MS_MAX);
  expect(answer.version).toBe(version);
}

/** Popular client libraries, one after the other. */
function libraryReaders(): RunningReader[] {
  const client = new SteleClient({ seeds: [cluster.masterGrpc], deadlineMs: READ_MS_MAX });
  const nodes = NODES.map((id) => cluster.node(id));
  const ofAllSlots = (at: number): string => rows.key(at);
  const ofOneSlot = (at: number): string => rows.keyOf(0, at % 200);
  const sources: [Source, (at: number) => string][] = [
    [respSource('MGET through the master', connectRedis(cluster.master, KEYSPACE)), ofAllSlots],
    [respSource('MGET straight from the datanodes', connectCluster(nodes, KEYSPACE)), ofOneSlot],
    [postLookupSource(cluster.url(''), KEYSPACE), ofAllSlots],
    [
      {
        name: 'getMany of the library',
        read: async (keys) => (await client.getMany(KEYSPACE, keys)).values,
        close: () => client.close(),
      },
      ofAllSlots,
    ],
  ];
  return sources.map(
    ([source, keyAt], index) =>
      new Reader([source], {
        ...{ rows, keys: { count: rows.count, at: keyAt }, keysPerRead: KEYS_PER_READ },
        restMs: REST_MS,
        budgetMs: READ_MS_MAX,
        seed: SEED + index,
      }),
  );
}

/** RAW_BATCHES MGETs of keys that `keyAt` returns for random numbers. */
function batchesOf(keyAt: (batch: number, random: number) => string): MgetBatch[] {
  return Array.from({ length: RAW_BATCHES }, (_, batch) => {
    const keys = Array.from({ length: KEYS_PER_READ }, () => keyAt(batch, random()));
    return mgetBatch(rows, keys, VERSIONS);
  });
}

/**
 * Raw connections: to the master for keys of all slots, to each datanode for those of one slot at a
 * time.
 */
async function rawReaders(): Promise<RunningReader[]> {
  const ofAllSlots = (_: number, at: number): string => rows.key(Math.floor(at * rows.count));
  const masters = Array.from({ length: RAW_TO_MASTER }, (_, number) =>
    MgetStream.open(
      `raw MGET ${number + 1} through the master`,
      cluster.master,
      GREETINGS,
      batchesOf(ofAllSlots),
    ),
  );
  const datanodes = NODES.map(async (id) => {
    const groups = await groupsOf(id);
    const ofOneSlot = (batch: number, at: number): string =>
      rows.keyOf(groups[batch % groups.length] ?? 0, Math.floor(at * 200));
    const greetings = [...GREETINGS, ['READONLY']];
    return MgetStream.open(`raw MGET of ${id}`, cluster.node(id), greetings, batchesOf(ofOneSlot));
  });
  return Promise.all([...masters, ...datanodes]);
}

/** The groups of keys that a datanode serves. */
async function groupsOf(id: string): Promise<number[]> {
  const client = connectRedis(cluster.node(id), KEYSPACE);
  await client.readonly();
  const groups = await Promise.all(
    Array.from({ length: rows.groupCount }, async (_, group) => {
      const isHere = await client.get(rows.keyOf(group, 0)).catch(() => null);
      return isHere === null ? [] : [group];
    }),
  );
  client.disconnect();
  expect(groups.flat().length).toBeGreaterThan(0);
  return groups.flat();
}

test(
  `${BATCHES} batches of ${KEYS_PER_READ} while versions swap: none fails, none mixes`,
  async () => {
    const readers = [...(await rawReaders()), ...libraryReaders()];
    const total = (): number => readers.reduce((sum, { reads }) => sum + reads, 0);
    let swaps = 0;
    try {
      while (total() < BATCHES || readers.some(({ reads }) => reads < BATCHES_EACH)) {
        const nextMs = performance.now() + SWAP_EVERY_MS;
        await swapTo(1 + (swaps++ % 2));
        await Promise.all(readers.map((reader) => reader.progress(BATCHES_PER_SWAP, SWAP_MS_MAX)));
        await pause(Math.max(0, nextMs - performance.now()));
        if (readers.some(({ failures }) => failures.length > 0)) break;
      }
    } finally {
      await stopWithoutFailures(readers);
    }
    console.log(`  ${swaps} swaps`);
    expect(swaps).toBeGreaterThan(SHORT ? 5 : 10);
    handOver({
      row: '17',
      fault: `versions that swap under readers of ${KEYS_PER_READ} keys at a time`,
      trials: swaps,
      reads: total(),
      failed: 0,
      seen: 'the version asked for answers after each swap; every value of every batch compared, no batch mixes two',
    });
  },
  TEST_MS_MAX,
);
