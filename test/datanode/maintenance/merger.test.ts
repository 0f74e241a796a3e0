import type { OrderHeader } from '../../../proto/gen/stele/v1/datanode.ts';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Datanode } from '../../../datanode/node.ts';
import { MergeState } from '../../../proto/gen/stele/v1/datanode.ts';
import type { MergeOrder, MergeStatus } from '../../../proto/gen/stele/v1/datanode.ts';
import type { BuiltSegment } from '../../../segment/builder.ts';
import { orderHeader, eventually, openTestNode, pushTo } from '../../support/peers/datanode.ts';
import {
  TEST_UID,
  layeredManifest,
  numberedPairs,
  segmentsOf,
} from '../../support/segments/segments.ts';
import { tempDir } from '../../support/temp-dir.ts';

const layers = [
  segmentsOf(numberedPairs(400), 1),
  segmentsOf(numberedPairs(50, ' again'), 1),
  segmentsOf([['other', 'key']], 1),
];
const segments = layers.flat();
const [rebuilt] = segmentsOf(
  new Map([...numberedPairs(400), ...numberedPairs(50, ' again'), ['other', 'key']]),
  1,
);

function order(of: readonly BuiltSegment[] = segments): MergeOrder {
  const { digest, keyBytes, records, valueBytes } = layeredManifest([of], 1);
  return {
    keyspaceUid: TEST_UID,
    shard: 0,
    segmentIds: of.map(({ info }) => info.id),
    totals: { records, keyBytes, valueBytes, digest },
  };
}

async function ask(node: Datanode, ...orders: MergeOrder[]): Promise<MergeStatus[]> {
  const { statuses } = await node.mergeSegments({
    header: orderHeader(node),
    orders,
    bytesPerSecondMax: 0,
    segmentFormat: 1,
  });
  return statuses;
}

const done = (node: Datanode) => (): boolean =>
  node.holdings.get(TEST_UID, rebuilt!.info.id) !== undefined;

describe('a merge order for a keyspace on disk', () => {
  // Long values, so that indexes are a small part of them.
  const base = numberedPairs(400, 'x'.repeat(300));
  const delta = numberedPairs(50, 'y'.repeat(300));
  const inputs = [...segmentsOf(base, 1), ...segmentsOf(delta, 1)];
  const [merged] = segmentsOf(new Map([...base, ...delta]), 1);
  const inputBytes = inputs.reduce((sum, segment) => sum + segment.bytes.length, 0);

  async function openDiskNode(memoryMaxBytes: number) {
    const opened = await openTestNode(tempDir(), { memoryMaxBytes });
    opened.node.holdings.setTier(TEST_UID, 'disk');
    await pushTo(opened.node, inputs);
    return opened;
  }

  it('produces the same segment, in a file, with no more memory than indexes take', async () => {
    const { folder, node } = await openDiskNode(inputBytes / 2);
    expect(await ask(node, order(inputs))).toMatchObject([{ state: MergeState.WAITING }]);
    const { digest, fileBytes, id, records } = merged!.info;
    await eventually('merged', () => node.holdings.has(TEST_UID, id));
    expect(await ask(node, order(inputs))).toMatchObject([
      { state: MergeState.DONE, segment: { id, shard: 0, fileBytes, records, digest } },
    ]);
    const file = readFileSync(join(folder, 'segments', TEST_UID, `${id}.seg`));
    expect(file.equals(merged!.bytes)).toBe(true);
    expect(node.holdings.get(TEST_UID, id)).toBe(undefined);
    expect(node.holdings.diskBytes).toBe(inputBytes + fileBytes);
    await eventually('idle', () => node.merger.waiting === 0);
    expect(readdirSync(join(folder, 'incoming'))).toEqual([]);
  });

  it('fails with the reason if an input is damaged, or the totals are wrong, and leaves nothing', async () => {
    const { folder, node, store } = await openDiskNode(inputBytes);
    const wrong = order(inputs);
    wrong.totals!.digest = Buffer.alloc(16, 7);
    await ask(node, wrong);
    await eventually('idle', () => node.merger.waiting === 0);
    expect((await ask(node, wrong))[0]?.reason).toMatch(/not to what the master expects/);
    await eventually('idle', () => node.merger.waiting === 0);
    const { path } = store.fileOf(TEST_UID, inputs[0]!.info.id);
    const bytes = Buffer.from(inputs[0]!.bytes);
    bytes[inputs[0]!.bytes.length - 4000]! ^= 1;
    writeFileSync(path, bytes);
    await ask(node, order(inputs));
    await eventually('idle', () => node.merger.waiting === 0);
    expect((await ask(node, order(inputs)))[0]?.reason).toMatch(/the checksum of block/);
    expect(node.holdings.count).toBe(inputs.length);
    await eventually('swept', () => readdirSync(join(folder, 'incoming')).length === 0);
  });
});

describe('a merge order', () => {
  it('produces the segment that the merged rows would be built to, and keeps the old ones', async () => {
    const folder = tempDir();
    const { node } = await openTestNode(folder);
    await pushTo(node, segments);
    expect(await ask(node, order())).toMatchObject([{ state: MergeState.WAITING }]);
    await eventually('merged', done(node));
    const { digest, fileBytes, id, records } = rebuilt!.info;
    expect(await ask(node, order())).toMatchObject([
      { state: MergeState.DONE, segment: { id, shard: 0, fileBytes, records, digest } },
    ]);
    expect(node.holdings.get(TEST_UID, id)?.bytes.equals(rebuilt!.bytes)).toBe(true);
    expect(existsSync(join(folder, 'segments', TEST_UID, `${id}.seg`))).toBe(true);
    expect(node.holdings.count).toBe(segments.length + 1);
    expect(node.merger.doneTotal).toBe(1);
  });

  it('is known to be done after a restart, and when the segment came from elsewhere', async () => {
    const { node } = await openTestNode(tempDir());
    await pushTo(node, [rebuilt!]);
    expect(await ask(node, order())).toMatchObject([{ state: MergeState.DONE }]);
    expect(node.merger.doneTotal).toBe(0);
  });

  it('given twice is carried out once', async () => {
    const { node } = await openTestNode(tempDir());
    await pushTo(node, segments);
    await ask(node, order(), order());
    await ask(node, order());
    await eventually('merged', done(node));
    await eventually('idle', () => node.merger.waiting === 0);
    expect(node.merger.doneTotal).toBe(1);
  });

  it('that lacks a segment fails with the reason, and is tried again when asked again', async () => {
    const { node } = await openTestNode(tempDir());
    await pushTo(node, segments.slice(1));
    await ask(node, order());
    await eventually('idle', () => node.merger.waiting === 0);
    const [status] = await ask(node, order());
    expect(status).toMatchObject({ state: MergeState.FAILED });
    expect(status?.reason).toContain(segments[0]!.info.id);
    await pushTo(node, segments.slice(0, 1));
    expect(await ask(node, order())).toMatchObject([{ state: MergeState.WAITING }]);
    await eventually('merged', done(node));
  });

  it('whose result is not what the master expects leaves nothing', async () => {
    const folder = tempDir();
    const { node } = await openTestNode(folder);
    await pushTo(node, segments);
    const wrong = order();
    wrong.totals!.digest = Buffer.alloc(16, 7);
    await ask(node, wrong);
    await eventually('idle', () => node.merger.waiting === 0);
    const [status] = await ask(node, wrong);
    expect(status).toMatchObject({ state: MergeState.FAILED });
    expect(status?.reason).toMatch(/not to what the master expects/);
    expect(readdirSync(join(folder, 'segments', TEST_UID))).toHaveLength(segments.length);
  });

  it('that does not fit into memory fails, and the segments stay', async () => {
    const bytes = segments.reduce((sum, segment) => sum + segment.bytes.length, 0);
    const { node } = await openTestNode(tempDir(), { memoryMaxBytes: bytes + 100 });
    await pushTo(node, segments);
    await ask(node, order());
    await eventually('idle', () => node.merger.waiting === 0);
    const [status] = await ask(node, order());
    expect(status?.reason).toMatch(/memory-max/);
    expect(node.holdings.count).toBe(segments.length);
  });

  it('of an older epoch or for another node is refused', async () => {
    const { node } = await openTestNode(tempDir());
    await ask(node, order());
    const merge = (header: Partial<OrderHeader>) =>
      node.mergeSegments({
        header: orderHeader(node, header),
        orders: [],
        bytesPerSecondMax: 0,
        segmentFormat: 1,
      });
    await expect(merge({ epoch: 0 })).rejects.toMatchObject({ code: 'STALE_EPOCH' });
    await expect(merge({ nodeId: 'other' })).rejects.toMatchObject({ code: 'WRONG_NODE' });
  });
});
