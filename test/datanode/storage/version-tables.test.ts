import { describe, expect, it } from 'vitest';
import { LookupStatus } from '../../../proto/gen/stele/v1/lookup.ts';
import type { BuiltSegment } from '../../../segment/builder.ts';
import { mergeSegments } from '../../../segment/merge.ts';
import { openSegment } from '../../../segment/reader.ts';
import { orderHeader, lookUpIn, openTestNode, pushTo } from '../../support/peers/datanode.ts';
import {
  TEST_UID,
  layeredManifest,
  manifestOf,
  numberedPairs,
  segmentsOf,
} from '../../support/segments/segments.ts';
import { tempDir } from '../../support/temp-dir.ts';

const SHARDS = 4;
const BASE = numberedPairs(300);
const FIRST: [string, string][] = [
  ['key-1', 'first'],
  ['key-2', 'first'],
  ['new-1', 'first'],
];
const SECOND: [string, string][] = [
  ['key-2', 'second'],
  ['new-2', 'second'],
];
const LAYERS = [BASE, FIRST, SECOND];
const segments = LAYERS.map((pairs) => segmentsOf(pairs, SHARDS));
const expected = new Map(LAYERS.flat());
const keys = [...expected.keys()];
const values = [...expected.values()];

const put = (
  node: Awaited<ReturnType<typeof openTestNode>>['node'],
  manifest: ReturnType<typeof manifestOf>,
) => node.putManifest({ header: orderHeader(node), manifest });

describe('a version of a base and deltas', () => {
  it('answers with the newest value of each key, and counts each key once', async () => {
    const { node } = await openTestNode(tempDir());
    await pushTo(node, segments.flat());
    await put(node, layeredManifest(segments, SHARDS));
    expect(await lookUpIn(node, keys)).toEqual(values);
    expect(await lookUpIn(node, ['key-2', 'absent'])).toEqual(['second', LookupStatus.NOT_FOUND]);
    const table = node.tables.get(TEST_UID, 1)!;
    expect(table.records).toBe(expected.size);
    const counted = segmentsOf([...expected], SHARDS).map(({ info }) => [info.shard, info.records]);
    expect([...table.recordsByShard.entries()]).toEqual(expect.arrayContaining(counted));
  });

  it('answers UNAVAILABLE for a shard of which one delta is not here, and counts nothing of it', async () => {
    const { node } = await openTestNode(tempDir());
    const [missing, ...rest] = segments[2]!;
    await pushTo(node, [...segments[0]!, ...segments[1]!, ...rest]);
    await put(node, layeredManifest(segments, SHARDS));
    const answers = await lookUpIn(node, keys);
    const shardKeys = keys.filter((_key, index) => answers[index] === LookupStatus.UNAVAILABLE);
    const ofShard = segmentsOf([...expected], SHARDS).find(
      ({ info }) => info.shard === missing!.info.shard,
    );
    expect(shardKeys).toHaveLength(ofShard!.info.records);
    expect(node.tables.get(TEST_UID, 1)?.records).toBe(expected.size - shardKeys.length);
  });

  it('is answered from its old segments until the merged ones are here', async () => {
    const { node } = await openTestNode(tempDir());
    await pushTo(node, segments.flat());
    const before = layeredManifest(segments, SHARDS);
    await put(node, before);
    const merged = mergedSegments();
    const after = { ...manifestOf(merged, SHARDS), digest: before.digest, revision: 1 };
    const [last, ...first] = merged;
    await put(node, after);
    await pushTo(node, first);
    expect(await lookUpIn(node, keys)).toEqual(values);
    await pushTo(node, [last!]);
    const lengths = (): number[] =>
      node.tables.get(TEST_UID, 1)!.shards.map((shard) => shard?.length ?? -1);
    expect(lengths()).toEqual([1, 1, 1, 1]);
    // A late manifest of an earlier revision changes nothing.
    await put(node, before);
    expect(lengths()).toEqual([1, 1, 1, 1]);
    const kept = new Set(merged.map(({ info }) => info.id));
    for (const { info } of segments.flat()) {
      if (!kept.has(info.id)) node.holdings.remove(TEST_UID, info.id);
    }
    expect(await lookUpIn(node, keys)).toEqual(values);
    expect(node.tables.get(TEST_UID, 1)?.records).toBe(expected.size);
  });

  it('with other records is not answered from the old segments', async () => {
    const { node } = await openTestNode(tempDir());
    await pushTo(node, segments[0]!);
    await put(node, layeredManifest([segments[0]!], SHARDS));
    await put(node, { ...layeredManifest(segments, SHARDS), revision: 1 });
    const answers = await lookUpIn(node, ['key-2', 'new-2']);
    expect(answers).toEqual([LookupStatus.UNAVAILABLE, LookupStatus.UNAVAILABLE]);
  });
});

function mergedSegments(): BuiltSegment[] {
  return Array.from({ length: SHARDS }, (_unused, shard) =>
    mergeSegments(
      segments.flatMap((layer) =>
        layer.filter(({ info }) => info.shard === shard).map(({ bytes }) => openSegment(bytes)),
      ),
    ),
  );
}

describe('other content under a number that is known', () => {
  it('replaces the known one, whatever its revision', async () => {
    const { node } = await openTestNode(tempDir());
    const lost = segmentsOf([['key-1', 'lost']], SHARDS);
    const now = segmentsOf([['key-1', 'now']], SHARDS);
    await pushTo(node, [...lost, ...now]);
    await put(node, { ...manifestOf(lost, SHARDS), fingerprint: 'aa', revision: 7 });
    expect(await lookUpIn(node, ['key-1'])).toEqual(['lost']);
    const answer = await put(node, { ...manifestOf(now, SHARDS), fingerprint: 'bb' });
    expect(answer).toMatchObject({ fingerprint: 'bb', revision: 0 });
    expect(await lookUpIn(node, ['key-1'])).toEqual(['now']);
  });

  it('is requested once a view names it, and nothing is answered until it is there', async () => {
    const { node } = await openTestNode(tempDir());
    const lost = segmentsOf([['key-1', 'lost']], SHARDS);
    await pushTo(node, lost);
    await put(node, { ...manifestOf(lost, SHARDS), fingerprint: 'aa' });
    expect(node.tables.has(TEST_UID, 1, 'aa')).toBe(true);
    expect(node.tables.has(TEST_UID, 1, 'bb')).toBe(false);
    expect(await lookUpIn(node, ['key-1'])).toEqual([LookupStatus.UNAVAILABLE]);
  });

  it('of the same content, the answer names the newest manifest and what is held of it', async () => {
    const { node } = await openTestNode(tempDir());
    const merged = segmentsOf([['key-1', 'x']], SHARDS);
    await pushTo(node, merged);
    await put(node, { ...manifestOf(merged, SHARDS), fingerprint: 'aa', revision: 2 });
    const answer = await put(node, { ...manifestOf([], SHARDS), fingerprint: 'aa', revision: 1 });
    expect(answer).toMatchObject({ fingerprint: 'aa', revision: 2 });
    expect(answer.heldSegmentIds).toEqual(merged.map(({ info }) => info.id));
  });
});
