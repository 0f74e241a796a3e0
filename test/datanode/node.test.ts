import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { directLink } from '../../datanode/endpoints/direct-link.ts';
import type { Datanode } from '../../datanode/node.ts';
import type { SegmentAnnouncement } from '../../proto/segment-transfer.ts';
import { LookupStatus } from '../../proto/gen/stele/v1/lookup.ts';
import { NodeState } from '../../proto/gen/stele/v1/view.ts';
import type { DatanodeLink } from '../../proto/ports.ts';
import type { BuiltSegment } from '../../segment/builder.ts';
import { openTestNode, orderHeader } from '../support/peers/datanode.ts';
import { askFor } from '../support/peers/lookups.ts';
import {
  TEST_UID,
  infoOf,
  manifestOf,
  numberedPairs,
  segmentsOf,
} from '../support/segments/segments.ts';
import { tempDir } from '../support/temp-dir.ts';
import { fillTarget } from '../../transport/fetch-target.ts';

const SHARDS = 4;

function announcement(segment: BuiltSegment, expectIncarnation = ''): SegmentAnnouncement {
  const { id } = segment.info;
  const byteLength = segment.bytes.length;
  const expected = { expectNode: 'n1', expectIncarnation };
  return { keyspaceUid: TEST_UID, segmentId: id, byteLength, ...expected, loadId: '' };
}

/**
 * Pushes segments like a loader, in pieces of `pieceBytes`; returns the ids that had to be sent.
 */
async function push(
  node: Datanode,
  segments: readonly BuiltSegment[],
  pieceBytes = 1000,
): Promise<string[]> {
  const sent: string[] = [];
  for (const segment of segments) {
    const arrival = await node.receiving.admit(announcement(segment));
    if (arrival === undefined) continue;
    sent.push(segment.info.id);
    for (let at = 0; at < segment.bytes.length; at += pieceBytes) {
      await fillTarget(arrival, segment.bytes.subarray(at, at + pieceBytes));
    }
    await arrival.finish();
  }
  return sent;
}

async function lookup(node: Datanode, keys: readonly string[]): Promise<(string | LookupStatus)[]> {
  return askFor(directLink(node).lookups, keys, { keyspaceUid: TEST_UID, version: 1 });
}

describe('a datanode', () => {
  it('stores what is pushed, answers it, and has it again after a restart', async () => {
    const pairs = numberedPairs(500);
    const segments = segmentsOf(pairs, SHARDS);
    const { node, folder } = await openTestNode(tempDir());
    expect(await push(node, segments)).toEqual(segments.map((segment) => segment.info.id));

    for (const run of [node, (await openTestNode(folder)).node]) {
      const manifest = manifestOf(segments, SHARDS);
      const { heldSegmentIds } = await run.putManifest({ header: orderHeader(run), manifest });
      expect(heldSegmentIds).toHaveLength(segments.length);
      const keys = pairs.map(([key]) => key);
      expect(await lookup(run, keys)).toEqual(pairs.map(([, value]) => value));
      expect(await lookup(run, ['absent'])).toEqual([LookupStatus.NOT_FOUND]);
    }
  });

  it('needs no bytes of a segment that is already here', async () => {
    const segments = segmentsOf(numberedPairs(20), SHARDS);
    const { node } = await openTestNode(tempDir());
    await push(node, segments);
    const revision = node.holdings.revision;
    expect(await push(node, segments)).toEqual([]);
    expect(node.holdings.list(revision)).toMatchObject({ full: false, added: [], removed: [] });
  });

  it('answers UNAVAILABLE, never NOT_FOUND, for a shard whose segment is not here', async () => {
    const pairs = numberedPairs(200);
    const segments = segmentsOf(pairs, SHARDS);
    const { node } = await openTestNode(tempDir());
    const [missing, ...held] = segments;
    await push(node, held);
    await node.putManifest({ header: orderHeader(node), manifest: manifestOf(segments, SHARDS) });
    const answers = await lookup(
      node,
      pairs.map(([key]) => key),
    );
    const unknown = answers.filter((answer) => answer === LookupStatus.UNAVAILABLE);
    expect(unknown).toHaveLength(missing?.info.records ?? -1);
    expect(answers).not.toContain(LookupStatus.NOT_FOUND);
  });

  it.each([
    ['records', (length: number) => length >> 1],
    ['magic', () => 0],
    ['format version', () => 8],
  ])('quarantines a file with a flipped byte (%s), holds the others', async (_name, offsetIn) => {
    const segments = segmentsOf(numberedPairs(300), SHARDS);
    const { node, folder } = await openTestNode(tempDir());
    await push(node, segments);
    const keyspaceFolder = join(folder, 'segments', TEST_UID);
    const victim = join(keyspaceFolder, readdirSync(keyspaceFolder).sort()[0] ?? '');
    const bytes = readFileSync(victim);
    bytes[offsetIn(bytes.length)]! ^= 1;
    writeFileSync(victim, bytes);

    const { node: again } = await openTestNode(folder);
    expect(again.holdings.count).toBe(segments.length - 1);
    expect(again.report.quarantinedTotal).toBe(1);
    expect(existsSync(victim)).toBe(false);
    expect(readdirSync(join(folder, 'quarantine'))).toHaveLength(1);
  });

  it('refuses bytes that are not the segment offered, and keeps none of them', async () => {
    const [segment] = segmentsOf(numberedPairs(50), 1);
    if (segment === undefined) throw new Error('no segment');
    const broken = { ...segment, bytes: Buffer.from(segment.bytes) };
    broken.bytes[200]! ^= 1;
    const { node, folder } = await openTestNode(tempDir());
    await expect(push(node, [broken])).rejects.toMatchObject({ code: 'CORRUPT' });
    expect(node.holdings.count).toBe(0);
    expect(readdirSync(join(folder, 'incoming'))).toEqual([]);
    expect(readdirSync(join(folder, 'segments'))).toEqual([]);
  });

  it('refuses a segment over its memory limit before any byte of it', async () => {
    const [segment] = segmentsOf(numberedPairs(500), 1);
    if (segment === undefined) throw new Error('no segment');
    const limit = { memoryMaxBytes: segment.bytes.length - 1 };
    const { node } = await openTestNode(tempDir(), limit);
    await expect(push(node, [segment])).rejects.toMatchObject({ code: 'MEMORY_LIMIT' });
    expect(node.holdings.count).toBe(0);
  });

  it('refuses a segment that would leave less disk than its reserve', async () => {
    const { node } = await openTestNode(tempDir(), { diskReserveBytes: 2 ** 52 });
    await expect(push(node, segmentsOf([['a', 'b']], 1))).rejects.toMatchObject({
      code: 'DISK_FULL',
    });
  });

  it('releases its reservation when a sender disconnects', async () => {
    const [segment] = segmentsOf(numberedPairs(500), 1);
    if (segment === undefined) throw new Error('no segment');
    const { node } = await openTestNode(tempDir(), { memoryMaxBytes: segment.bytes.length });
    const arrival = await node.receiving.admit(announcement(segment));
    await fillTarget(arrival!, segment.bytes.subarray(0, 100));
    await expect(arrival?.finish()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(await push(node, [segment])).toHaveLength(1);
    expect(node.holdings.count).toBe(1);
  });

  it('refuses a sender that means an earlier incarnation', async () => {
    const [segment] = segmentsOf(numberedPairs(50), 1);
    if (segment === undefined) throw new Error('no segment');
    const { node } = await openTestNode(tempDir());
    await expect(node.receiving.admit(announcement(segment, 'earlier'))).rejects.toMatchObject({
      code: 'WRONG_NODE',
    });
  });

  it('lets at most 64 segments arrive at a time, the others in their turn', async () => {
    const segments = segmentsOf(numberedPairs(3000), 128);
    const { node } = await openTestNode(tempDir());
    const admitted = segments
      .slice(0, 65)
      .map((segment) => node.receiving.admit(announcement(segment)));
    const isLastIn = await Promise.race([
      admitted[64]?.then(() => true),
      Promise.all(admitted.slice(0, 64)).then(() => false),
    ]);
    expect(isLastIn).toBe(false);
    (await admitted[0])?.abandon();
    const last = await admitted[64];
    await fillTarget(last!, segments[64]!.bytes);
    await last?.finish();
    expect(node.holdings.count).toBe(1);
  });

  it('copies a segment from the first source that has it', async () => {
    const [segment] = segmentsOf(numberedPairs(500), 1);
    if (segment === undefined) throw new Error('no segment');
    const source = await openTestNode(tempDir());
    await push(source.node, [segment]);
    const empty = await openTestNode(tempDir());
    const peers = new Map([
      ['empty', anyNode(empty.node)],
      ['source', anyNode(source.node)],
    ]);
    const { node } = await openTestNode(tempDir(), { peers });
    const changed = new Promise<void>((resolve) => node.holdings.onChange(() => resolve()));
    const address = { host: 'h', httpPort: 0, respPort: 0, grpcPort: 1 };
    const sources = ['gone', 'empty', 'source'].map((nodeId) => ({ nodeId, address }));
    await node.copySegments({
      header: orderHeader(node),
      orders: [{ keyspaceUid: TEST_UID, segment: infoOf(segment), sources }],
      bytesPerSecondMax: 0,
    });
    await changed;
    expect(node.holdings.get(TEST_UID, segment.info.id)?.bytes.equals(segment.bytes)).toBe(true);
  });

  it('lists what changed since a revision, or everything if its journal does not reach back', async () => {
    const { node } = await openTestNode(tempDir());
    const segments = segmentsOf(numberedPairs(100), SHARDS);
    await push(node, segments.slice(0, 1));
    const before = node.holdings.list(0);
    expect(before.full).toBe(true);
    await push(node, segments.slice(1));
    const gone = { keyspaceUid: TEST_UID, segmentId: segments[0]?.info.id ?? '' };
    await node.dropSegments({
      header: orderHeader(node),
      segments: [gone],
      versions: [],
      holdingsRevision: node.holdings.revision,
    });
    const changes = node.holdings.list(before.revision);
    expect(changes.full).toBe(false);
    expect(changes.removed).toEqual([gone]);
    expect(changes.added).toHaveLength(segments.length - 1);
    expect(node.holdings.list(before.revision + 100).full).toBe(true);
  });

  it('asks for the manifests of a view that it does not have, and serves once it has', async () => {
    const { node } = await openTestNode(tempDir());
    expect(node.state).toBe(NodeState.SERVING);
    const view = {
      epoch: 1,
      revision: 1,
      shardCount: SHARDS,
      replication: 1,
      nodes: [],
      routes: [],
      keyspaces: [
        {
          uid: TEST_UID,
          name: 'test',
          index: 1,
          currentVersion: 1,
          versions: [1],
          fingerprints: [''],
          records: 0,
        },
      ],
      health: 1,
      ready: true,
    } as const;
    const order = { header: orderHeader(node), view: structuredClone(view) as never };
    expect((await node.applyView(order)).missingManifests).toEqual([
      { keyspaceUid: TEST_UID, version: 1 },
    ]);
    for (const shardCount of [0, 3, 2 ** 31]) {
      const manifest = { ...manifestOf([], SHARDS), shardCount };
      const put = node.putManifest({ header: orderHeader(node), manifest });
      await expect(put).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    }
    await node.putManifest({ header: orderHeader(node), manifest: manifestOf([], SHARDS) });
    expect((await node.applyView(order)).missingManifests).toEqual([]);
    expect(await lookup(node, ['x'])).toEqual([LookupStatus.NOT_FOUND]);
  });
});

/** All test nodes have the same id; as a peer each answers under any name. */
function anyNode(node: Datanode): DatanodeLink {
  const link = directLink(node);
  return {
    ...link,
    fetchSegment: (wish, into, options) =>
      link.fetchSegment({ ...wish, expectNode: '' }, into, options),
  };
}
