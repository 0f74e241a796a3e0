// Segments into an object store, and back from it.

import { existsSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it } from 'vitest';
import { segmentObject } from '../../../archive/layout.ts';
import type { Datanode } from '../../../datanode/node.ts';
import type { Tier } from '../../../datanode/storage/holdings.ts';
import { ArchiveState } from '../../../proto/gen/stele/v1/datanode.ts';
import type { ArchiveStatus } from '../../../proto/gen/stele/v1/datanode.ts';
import type { BuiltSegment } from '../../../segment/builder.ts';
import { openTestNode, orderHeader } from '../../support/peers/datanode.ts';
import { TEST_UID, infoOf, numberedPairs, segmentsOf } from '../../support/segments/segments.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { fillTarget } from '../../../transport/fetch-target.ts';

const HOUR_MS = 3_600_000;
const SEGMENTS = segmentsOf(numberedPairs(200), 4);

interface Archive {
  readonly url: string;
  pathOf(segment: BuiltSegment): string;
}

function newArchive(): Archive {
  const folder = tempDir();
  return {
    url: pathToFileURL(folder).href,
    pathOf: ({ info }) => join(folder, segmentObject(TEST_UID, info.id)),
  };
}

async function holding(
  segments: readonly BuiltSegment[],
  tier: Tier = 'memory',
): Promise<Datanode> {
  const { node } = await openTestNode(tempDir());
  node.holdings.setTier(TEST_UID, tier);
  for (const { bytes, info } of segments) {
    const arrival = await node.receiving.admit({
      keyspaceUid: TEST_UID,
      segmentId: info.id,
      byteLength: bytes.length,
      expectNode: 'n1',
      expectIncarnation: '',
      loadId: '',
    });
    if (arrival === undefined) continue;
    await fillTarget(arrival, bytes);
    await arrival.finish();
  }
  return node;
}

async function ask(
  node: Datanode,
  { url }: Archive,
  segments: readonly BuiltSegment[],
  refreshAfterMs = HOUR_MS,
): Promise<readonly ArchiveStatus[]> {
  const { statuses } = await node.archiveSegments({
    header: orderHeader(node),
    store: { url, s3Endpoint: '', s3Region: '' },
    segments: segments.map(({ info }) => ({ keyspaceUid: TEST_UID, segmentId: info.id })),
    bytesPerSecondMax: 0,
    refreshAfterMs,
  });
  return statuses;
}

/** Asks until no segment waits any more. */
async function archived(
  node: Datanode,
  archive: Archive,
  segments: readonly BuiltSegment[],
  refreshAfterMs?: number,
): Promise<readonly ArchiveStatus[]> {
  const outcomes = new Map<BuiltSegment, ArchiveStatus>();
  await expect
    .poll(
      async () => {
        const open = segments.filter((segment) => !outcomes.has(segment));
        const statuses = await ask(node, archive, open, refreshAfterMs);
        for (const [at, status] of statuses.entries()) {
          const segment = open[at];
          if (segment && status.state !== ArchiveState.WAITING) outcomes.set(segment, status);
        }
        return outcomes.size;
      },
      { timeout: 10_000, interval: 5 },
    )
    .toBe(segments.length);
  return segments.map((segment) => outcomes.get(segment) as ArchiveStatus);
}

const states = (statuses: readonly ArchiveStatus[]): ArchiveState[] =>
  statuses.map(({ state }) => state);

async function copy(node: Datanode, { url }: Archive, segment: BuiltSegment): Promise<void> {
  await node.copySegments({
    header: orderHeader(node),
    orders: [
      {
        keyspaceUid: TEST_UID,
        segment: infoOf(segment),
        sources: [],
        store: { url, s3Endpoint: '', s3Region: '' },
      },
    ],
    bytesPerSecondMax: 0,
  });
}

it.each(['memory', 'disk', 'none'] as const)(
  'writes segments of tier %s, byte for byte, and only once',
  async (tier) => {
    const archive = newArchive();
    const node = await holding(SEGMENTS, tier);
    expect(new Set(states(await archived(node, archive, SEGMENTS)))).toEqual(
      new Set([ArchiveState.DONE]),
    );
    for (const segment of SEGMENTS) {
      expect(readFileSync(archive.pathOf(segment)).equals(segment.bytes)).toBe(true);
    }
    const [first] = SEGMENTS as [BuiltSegment];
    const { ino } = statSync(archive.pathOf(first));
    expect(states(await archived(node, archive, [first]))).toEqual([ArchiveState.DONE]);
    expect(statSync(archive.pathOf(first)).ino).toBe(ino);
  },
);

it('writes again what has been there for long, and what has another size', async () => {
  const archive = newArchive();
  const node = await holding(SEGMENTS);
  const [old, torn] = SEGMENTS as [BuiltSegment, BuiltSegment];
  await archived(node, archive, [old, torn]);
  const before = new Date(Date.now() - 2 * HOUR_MS);
  utimesSync(archive.pathOf(old), before, before);
  writeFileSync(archive.pathOf(torn), torn.bytes.subarray(0, 100));
  expect(states(await archived(node, archive, [old, torn]))).toEqual([
    ArchiveState.DONE,
    ArchiveState.DONE,
  ]);
  expect(statSync(archive.pathOf(old)).mtimeMs).toBeGreaterThan(Date.now() - HOUR_MS);
  expect(readFileSync(archive.pathOf(torn)).equals(torn.bytes)).toBe(true);
});

it('says why a segment could not be written, and tries again when asked again', async () => {
  const archive = newArchive();
  const [held, missing] = SEGMENTS as [BuiltSegment, BuiltSegment];
  const node = await holding([held]);
  const [, status] = await archived(node, archive, [held, missing]);
  expect(status).toEqual({
    state: ArchiveState.FAILED,
    reason: `Segment ${missing.info.id} is not held here.`,
  });
  await expect(
    ask(node, { ...archive, url: 'http://somewhere' }, [held]).then(() =>
      archived(node, { ...archive, url: 'http://somewhere' }, [held]),
    ),
  ).resolves.toMatchObject([{ state: ArchiveState.FAILED }]);
  expect(existsSync(archive.pathOf(missing))).toBe(false);
});

it('fetches a segment from the store if no peer has it', async () => {
  const archive = newArchive();
  const [segment] = SEGMENTS as [BuiltSegment];
  await archived(await holding([segment]), archive, [segment]);
  const node = await holding([]);
  await copy(node, archive, segment);
  await expect.poll(() => node.holdings.has(TEST_UID, segment.info.id)).toBe(true);
  const held = node.holdings.get(TEST_UID, segment.info.id);
  expect(held?.bytes.equals(segment.bytes)).toBe(true);
});

it('holds no segment that is damaged in the store, and reports it', async () => {
  const archive = newArchive();
  const [segment] = SEGMENTS as [BuiltSegment];
  await archived(await holding([segment]), archive, [segment]);
  const bytes = readFileSync(archive.pathOf(segment));
  const at = Math.floor(bytes.length / 2);
  bytes[at] = (bytes[at] as number) ^ 1;
  writeFileSync(archive.pathOf(segment), bytes);
  const node = await holding([]);
  await copy(node, archive, segment);
  const failures = async (): Promise<string[]> => {
    const header = orderHeader(node);
    const { copyFailures } = await node.heartbeat({ header }, performance.now());
    return copyFailures.map(({ reason }) => reason);
  };
  await expect.poll(failures).toEqual([expect.stringMatching(/^from file:.*damaged/)]);
  expect(node.holdings.has(TEST_UID, segment.info.id)).toBe(false);
});
