// A start serves from disk, and reads what belongs into memory while it does.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Datanode } from '../../../datanode/node.ts';
import { NodeState } from '../../../proto/gen/stele/v1/view.ts';
import { openTestNode, pushTo } from '../../support/peers/datanode.ts';
import type { TestNodeOptions } from '../../support/peers/datanode.ts';
import { TEST_UID, numberedPairs, segmentsOf } from '../../support/segments/segments.ts';
import { tempDir } from '../../support/temp-dir.ts';

const SEGMENTS = segmentsOf(numberedPairs(4000), 4);
const FILE_BYTES = SEGMENTS.reduce((sum, { bytes }) => sum + bytes.length, 0);

/** The data folder of a datanode that has ended. */
async function folderOf(): Promise<string> {
  const { folder, node } = await openTestNode(tempDir());
  await pushTo(node, SEGMENTS);
  await isNoted(folder);
  await node.close();
  return folder;
}

/** The next start must know that the files were verified. */
const isNoted = (folder: string): Promise<void> =>
  expect
    .poll(() => readFileSync(join(folder, 'verified'), 'utf8').split('\n'))
    .toHaveLength(SEGMENTS.length + 1);

/** A start that reads nothing of the memory tier before it serves. */
async function start(folder: string, options: TestNodeOptions = {}): Promise<Datanode> {
  return (await openTestNode(folder, { readAtOnceBytesMax: 0, ...options })).node;
}

const isWarm = ({ storage }: Datanode): Promise<void> =>
  expect.poll(() => storage.tiers.warming(), { timeout: 20_000 }).toBeUndefined();

it('serves every segment from disk at first, says how far it is, and ends in memory', async () => {
  const node = await start(await folderOf());
  const warming = { segmentsTotal: SEGMENTS.length, bytesTotal: FILE_BYTES };
  expect(node.report.heartbeat(0)).toMatchObject({ state: NodeState.SERVING, warming });
  for (const { info } of SEGMENTS) expect(node.holdings.readable(TEST_UID, info.id)).toBeDefined();
  await isWarm(node);
  for (const { info } of SEGMENTS) expect(node.holdings.get(TEST_UID, info.id)).toBeDefined();
  expect(node.report.heartbeat(0)).not.toHaveProperty('warming');
  expect(node.report.heartbeat(0)).toMatchObject({ tierMoves: [], stats: { indexBytes: 0 } });
});

it('fills memory to the last byte, although indexes were in it first', async () => {
  const node = await start(await folderOf(), { memoryMaxBytes: FILE_BYTES });
  await isWarm(node);
  expect(node.storage.notLoadedTotal).toBe(0);
  expect(node.holdings.segmentBytes).toBe(FILE_BYTES);
});

it('leaves on disk what has no room in memory, serves it, and says so', async () => {
  const node = await start(await folderOf(), { memoryMaxBytes: FILE_BYTES * 0.6 });
  await isWarm(node);
  const inMemory = SEGMENTS.filter(({ info }) => node.holdings.get(TEST_UID, info.id));
  expect(inMemory.length).toBeGreaterThan(0);
  expect(node.storage.notLoadedTotal).toBe(SEGMENTS.length - inMemory.length);
  for (const { info } of SEGMENTS) expect(node.holdings.readable(TEST_UID, info.id)).toBeDefined();
  const [move] = node.report.heartbeat(0).tierMoves;
  expect(move?.failure).toMatch(/may hold .* more, and .* are free; .*stele tier KEYSPACE disk/);
});

it('sets a segment aside whose records turn out damaged while it is read', async () => {
  const folder = await folderOf();
  const { id } = SEGMENTS[1]!.info;
  const path = join(folder, 'segments', TEST_UID, `${id}.seg`);
  const bytes = readFileSync(path);
  bytes[Math.floor(bytes.length * 0.8)]! ^= 1;
  writeFileSync(path, bytes);
  const node = await start(folder);
  expect(node.holdings.has(TEST_UID, id)).toBe(true);
  await isWarm(node);
  expect(node.holdings.has(TEST_UID, id)).toBe(false);
  expect(node.holdings.count).toBe(SEGMENTS.length - 1);
  expect(node.report.quarantinedTotal).toBe(1);
});

it('parks suspended segments without room for them in memory', async () => {
  const { folder, node, store } = await openTestNode(tempDir());
  await pushTo(node, SEGMENTS);
  await store.markTier(TEST_UID, 'none');
  await isNoted(folder);
  await node.close();
  const again = await start(folder, { memoryMaxBytes: 1 });
  expect(again.holdings.count).toBe(SEGMENTS.length);
  expect(again.holdings.segmentBytes).toBe(0);
});

it('counts memory by what it is used for, and all of it together', async () => {
  const { node } = await openTestNode(tempDir());
  await pushTo(node, SEGMENTS);
  const { memory } = node.storage;
  const release = memory.reserve(1000);
  expect(memory.inUse).toMatchObject({ segments: FILE_BYTES, indexes: 0, work: 1000, runtime: 0 });
  expect(memory.accountedBytes).toBe(FILE_BYTES + 1000);
  expect(node.holdings.bytesOf(TEST_UID)).toEqual({
    memoryBytes: FILE_BYTES,
    fileBytes: FILE_BYTES,
  });
  release();
});
