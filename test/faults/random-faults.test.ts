// Random datanodes are killed, stopped for a while, or get a flipped bit on their disk, one after
// the other: no read fails, and the cluster becomes GREEN with the same data each time.

import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestCluster } from '../support/process/cluster.ts';
import { Reader, stopWithoutFailures } from '../support/readers/reader.ts';
import { handOver } from '../support/faults/fault-table.ts';
import { SEED, SHORT } from '../support/faults/faults.ts';
import { seededRandom, VersionedRows } from '../support/inputs/rows.ts';
import { flipBit, segmentFiles, segmentNames } from '../support/segments/segment-files.ts';
import { connectRedis, expectAllRows, httpSource, respSource } from '../support/readers/sources.ts';
import { flags, stele, until } from '../support/process/stele-process.ts';

const ROUNDS = SHORT ? 3 : 60;
const READS_PER_PHASE = 300;
const NODES = ['node-0', 'node-1', 'node-2'] as const;
const KEYSPACE = 'numbers';
const folder = mkdtempSync(join(tmpdir(), 'stele-random-'));
const rows = new VersionedRows(20_000);
const random = seededRandom(SEED);
let cluster: TestCluster;
let readers: Reader[] = [];

beforeAll(async () => {
  // No cache, so every read needs a datanode. A long delay, so only corrupt segments are copied.
  cluster = await TestCluster.start({
    masterFlags: flags({ 'repair-delay': '10m', 'cache-max': 0 }),
  });
  const file = join(folder, 'rows.data');
  await rows.write(file, 1);
  await cluster.load(KEYSPACE, [file]);
  await cluster.status('green');
});

afterAll(async () => {
  await Promise.all(readers.map((reader) => reader.stop()));
  await cluster?.close();
  rmSync(folder, { recursive: true, force: true });
});

const dataDir = (id: string): string => join(cluster.folder, id);
const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
const progress = (): Promise<unknown> =>
  Promise.all(readers.map((reader) => reader.progress(READS_PER_PHASE)));

const FAULTS = {
  async killed(id: string): Promise<void> {
    await cluster.kill(id);
    await cluster.status('yellow');
    await progress();
    await cluster.startNode(id);
  },
  async stopped(id: string): Promise<void> {
    cluster.pause(id);
    await progress();
    await cluster.status('yellow');
    cluster.resume(id);
  },
  async rotten(id: string): Promise<void> {
    await cluster.kill(id, 'SIGTERM');
    const victim = pick(segmentFiles(dataDir(id)));
    flipBit(
      victim.path,
      Math.floor(random() * statSync(victim.path).size),
      Math.floor(random() * 8),
    );
    await cluster.startNode(id);
    await until('the segment to be fetched again', () =>
      segmentFiles(dataDir(id)).some(
        ({ name, identity }) => name === victim.name && identity !== victim.identity,
      ),
    );
  },
};

test(`${ROUNDS} random faults: no read fails, the same files are there in the end`, async () => {
  console.log(`  seed ${SEED}`);
  const sources = [
    respSource('master RESP', connectRedis(cluster.master, KEYSPACE)),
    httpSource(cluster.url(''), KEYSPACE),
  ];
  readers = sources.map(
    (source, index) =>
      new Reader([source], {
        rows,
        version: 1,
        seed: SEED + index,
        restMs: 0,
      }),
  );
  const names = NODES.map((id) => segmentNames(dataDir(id)));
  for (let round = 0; round < ROUNDS; round++) {
    // In turn, so that a short run has each kind.
    const kinds = Object.keys(FAULTS) as (keyof typeof FAULTS)[];
    const fault = kinds[round % kinds.length] ?? 'killed';
    const id = pick(NODES);
    console.log(`  round ${round}: ${id} is ${fault}`);
    await FAULTS[fault](id);
    await cluster.nodesServing(3);
    await cluster.status('green');
    await progress();
  }
  const running = readers;
  readers = [];
  await stopWithoutFailures(running);
  handOver({
    row: '15',
    fault: 'datanodes killed, stopped, and with a flipped bit on disk, in turn',
    trials: ROUNDS,
    reads: running.reduce((sum, { reads }) => sum + reads, 0),
    failed: 0,
    seen: 'each bad file fetched again; the same files in the end, and all verify',
  });
  await expectAllRows(cluster.url(''), KEYSPACE, rows, 1);
  expect(NODES.map((id) => segmentNames(dataDir(id)))).toEqual(names);
  for (const id of NODES) {
    expect((await stele(['verify', '--data-dir', dataDir(id)])).code).toBe(0);
  }
});
