// A drop order, and a load that wants the same segment again, in every order.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Datanode } from '../../datanode/node.ts';
import { openSegment } from '../../segment/reader.ts';
import type { BuiltSegment } from '../../segment/builder.ts';
import { openTestNode, orderHeader } from '../support/peers/datanode.ts';
import {
  TEST_UID,
  infoOf,
  manifestOf,
  numberedPairs,
  segmentsOf,
} from '../support/segments/segments.ts';
import { tempDir } from '../support/temp-dir.ts';
import { fillTarget } from '../../transport/fetch-target.ts';

interface TestNode {
  readonly node: Datanode;
  readonly hasFile: (segment: BuiltSegment) => boolean;
}

async function openNode(): Promise<TestNode> {
  const folder = tempDir();
  const { node } = await openTestNode(folder);
  const hasFile = ({ info }: BuiltSegment): boolean =>
    existsSync(join(folder, 'segments', TEST_UID, `${info.id}.seg`));
  return { node, hasFile };
}

/** Like a loader: offers the segment, and sends it unless it is already here. */
async function push(node: Datanode, { bytes, info }: BuiltSegment): Promise<'sent' | 'was here'> {
  const arrival = await node.receiving.admit({
    keyspaceUid: TEST_UID,
    segmentId: info.id,
    byteLength: bytes.length,
    expectNode: 'n1',
    expectIncarnation: '',
    loadId: '',
  });
  if (arrival === undefined) return 'was here';
  await fillTarget(arrival, bytes);
  await arrival.finish();
  return 'sent';
}

const drop = (
  node: Datanode,
  segments: readonly BuiltSegment[],
  holdingsRevision: number,
): Promise<{ dropped: number }> =>
  node.dropSegments({
    header: orderHeader(node),
    segments: segments.map(({ info }) => ({ keyspaceUid: TEST_UID, segmentId: info.id })),
    versions: [],
    holdingsRevision,
  });

const isHeld = (node: Datanode, { info }: BuiltSegment): boolean =>
  node.holdings.get(TEST_UID, info.id) !== undefined;

it('a segment that was reported to a load as already here survives an earlier drop order', async () => {
  const { node, hasFile } = await openNode();
  const [segment, other] = segmentsOf(numberedPairs(100), 4) as [BuiltSegment, BuiltSegment];
  await push(node, segment);
  await push(node, other);
  const decidedAt = node.holdings.revision;
  expect(await push(node, segment)).toBe('was here');
  expect(await drop(node, [segment, other], decidedAt)).toEqual({ dropped: 1 });
  expect([isHeld(node, segment), isHeld(node, other)]).toEqual([true, false]);
  expect([hasFile(segment), hasFile(other)]).toEqual([true, false]);
  expect(await drop(node, [segment], node.holdings.revision)).toEqual({ dropped: 1 });
  expect(hasFile(segment)).toBe(false);
});

it('so does one that a commit has counted, and one that was sent twice', async () => {
  const { node } = await openNode();
  const [counted, sent] = segmentsOf(numberedPairs(100), 4) as [BuiltSegment, BuiltSegment];
  for (const segment of [counted, sent]) await push(node, segment);
  const decidedAt = node.holdings.revision;
  const manifest = manifestOf([counted], 4);
  const answer = await node.putManifest({ header: orderHeader(node), manifest });
  expect(answer.held).toEqual([infoOf(counted)]);
  node.holdings.add(TEST_UID, sent.info.id, openSegment(sent.bytes));
  expect(await drop(node, [counted, sent], decidedAt)).toEqual({ dropped: 0 });
});

it('whatever the order of drops and pushes, exactly the held segments are on disk', async () => {
  const { node, hasFile } = await openNode();
  const segments = segmentsOf(numberedPairs(400), 8);
  for (let round = 0; round < 40; round++) {
    const decidedAt = node.holdings.revision;
    const dropping = drop(node, segments, decidedAt);
    const outcomes = await Promise.all(
      segments.map(async (segment, index) => {
        for (let turn = 0; turn < (round + index) % 12; turn++) await Promise.resolve();
        return push(node, segment);
      }),
    );
    await dropping;
    expect(outcomes).toHaveLength(segments.length);
    expect(segments.map(hasFile)).toEqual(segments.map((segment) => isHeld(node, segment)));
    // A sender that was acknowledged after the order was decided can rely on it.
    expect(segments.every((segment) => isHeld(node, segment))).toBe(true);
  }
});
