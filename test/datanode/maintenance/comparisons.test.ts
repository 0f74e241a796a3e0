import { describe, expect, it } from 'vitest';
import type { Datanode } from '../../../datanode/node.ts';
import { DiffKind } from '../../../proto/gen/stele/v1/diff.ts';
import { orderHeader, openTestNode, pushTo } from '../../support/peers/datanode.ts';
import {
  TEST_UID,
  layeredManifest,
  numberedPairs,
  segmentsOf,
} from '../../support/segments/segments.ts';
import { tempDir } from '../../support/temp-dir.ts';

const SHARDS = 4;
const base = segmentsOf(numberedPairs(200), SHARDS);
const delta = segmentsOf(
  [
    ['key-1', 'changed'],
    ['key-2', 'value of key-2'],
    ['new', 'value'],
  ],
  SHARDS,
);

async function openBoth(tier: 'memory' | 'disk' = 'memory'): Promise<Datanode> {
  const { node } = await openTestNode(tempDir());
  node.holdings.setTier(TEST_UID, tier);
  await pushTo(node, [...base, ...delta]);
  for (const [index, layers] of [[base], [base, delta]].entries()) {
    const manifest = layeredManifest(layers, SHARDS, index + 1);
    await node.putManifest({ header: orderHeader(node), manifest });
  }
  return node;
}

function diff(node: Datanode, fromVersion: number, toVersion: number, signal?: AbortSignal) {
  return node.diffShards(
    {
      expectNode: '',
      expectIncarnation: '',
      keyspaceUid: TEST_UID,
      fromVersion,
      toVersion,
      shards: [0, 1, 2, 3],
      samplesMax: 10,
    },
    signal,
  );
}

describe('two versions on a datanode', () => {
  it.each(['memory', 'disk'] as const)(
    'in tier %s are compared shard by shard, with samples',
    async (tier) => {
      const { diffs } = await diff(await openBoth(tier), 1, 2);
      expect(diffs.map(({ shard }) => shard)).toEqual([0, 1, 2, 3]);
      const sum = (pick: 'added' | 'removed' | 'changed'): number =>
        diffs.reduce((total, { counts }) => total + counts![pick], 0);
      expect([sum('added'), sum('removed'), sum('changed')]).toEqual([1, 0, 1]);
      const samples = diffs.flatMap((one) => one.samples);
      expect(new Set(samples.map(({ kind }) => kind))).toEqual(
        new Set([DiffKind.ADDED, DiffKind.CHANGED]),
      );
      const changed = samples.find(({ kind }) => kind === DiffKind.CHANGED);
      expect(changed?.key.toString()).toBe('key-1');
      expect(changed?.from).toEqual({ bytes: Buffer.from('value of key-1'), byteLength: 14 });
      expect(changed?.to).toEqual({ bytes: Buffer.from('changed'), byteLength: 7 });
    },
  );

  it('are not compared if a shard of one is not here', async () => {
    const node = await openBoth();
    node.holdings.remove(TEST_UID, base[0]!.info.id);
    await expect(diff(node, 1, 2)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining(`Shard ${base[0]!.info.shard} `) as string,
    });
    await expect(diff(node, 1, 7)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  it('stop being compared when the caller has gone', async () => {
    const many = segmentsOf(numberedPairs(5000), SHARDS);
    const { node } = await openTestNode(tempDir());
    await pushTo(node, [...base, ...many]);
    for (const [index, layers] of [[base], [many]].entries()) {
      const manifest = layeredManifest(layers, SHARDS, index + 1);
      await node.putManifest({ header: orderHeader(node), manifest });
    }
    await expect(diff(node, 1, 2, AbortSignal.abort())).rejects.toMatchObject({
      code: 'CANCELLED',
    });
  });
});

describe('deltas on a datanode', () => {
  const refs = delta.map(({ info }) => ({
    segmentId: info.id,
    olderIds: base.filter((one) => one.info.shard === info.shard).map((one) => one.info.id),
  }));
  const measure = (node: Datanode) =>
    node.measureDeltas({ header: orderHeader(node), keyspaceUid: TEST_UID, deltas: refs });

  it.each(['memory', 'disk'] as const)(
    'in tier %s are measured against the segments below',
    async (tier) => {
      const { measures } = await measure(await openBoth(tier));
      expect(measures.map(({ segmentId }) => segmentId)).toEqual(refs.map((ref) => ref.segmentId));
      const sum = (pick: 'added' | 'replaced' | 'unchanged'): number =>
        measures.reduce((total, one) => total + one[pick], 0);
      expect([sum('added'), sum('replaced'), sum('unchanged')]).toEqual([1, 1, 1]);
      const overwritten = measures.reduce((total, one) => total + one.overwritten!.records, 0);
      expect(overwritten).toBe(2);
    },
  );

  it('are reported as not held if a segment is missing, and the others are measured', async () => {
    const node = await openBoth();
    node.holdings.remove(TEST_UID, refs[0]!.olderIds[0]!);
    const { measures } = await measure(node);
    expect(measures.map(({ held }) => held)).toEqual(refs.map((_ref, index) => index > 0));
  });
});
