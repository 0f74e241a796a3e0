// Segments of the disk tier that arrive at a datanode, from every kind of sender, where there is
// memory for their indexes only.

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { systemEnv } from '../../../base/env.ts';
import type { Files } from '../../../base/disk/files.ts';
import type { Datanode } from '../../../datanode/node.ts';
import { directLink } from '../../../datanode/endpoints/direct-link.ts';
import { isInMemory } from '../../../datanode/storage/holdings.ts';
import type { BuiltSegment } from '../../../segment/builder.ts';
import { orderHeader, eventually, openTestNode } from '../../support/peers/datanode.ts';
import { TEST_UID, infoOf, numberedPairs, segmentsOf } from '../../support/segments/segments.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { fillTarget } from '../../../transport/fetch-target.ts';

const [SEGMENT] = segmentsOf(
  numberedPairs(20_000, ' of which there is a lot, so that the index is a small part of it'),
  1,
) as [BuiltSegment];
const INDEX_BYTES = SEGMENT.bytes.length / 4;

/** A node of the disk tier that could not hold the segment in memory. */
async function openDiskNode(more: Parameters<typeof openTestNode>[1] = {}) {
  const opened = await openTestNode(tempDir(), { memoryMaxBytes: INDEX_BYTES, ...more });
  opened.node.holdings.setTier(TEST_UID, 'disk');
  return opened;
}

const announced = (byteLength = SEGMENT.bytes.length) => ({
  ...{ keyspaceUid: TEST_UID, segmentId: SEGMENT.info.id, byteLength },
  ...{ expectNode: '', expectIncarnation: '', loadId: '' },
});

async function send(node: Datanode, bytes: Buffer, pieceBytes = bytes.length): Promise<void> {
  const arrival = (await node.receiving.admit(announced()))!;
  try {
    for (let at = 0; at < bytes.length; at += pieceBytes) {
      await fillTarget(arrival, bytes.subarray(at, at + pieceBytes));
    }
    await arrival.finish();
  } finally {
    arrival.abandon();
  }
}

function expectOnDisk({ holdings }: Datanode, folder: string): void {
  const held = holdings.readable(TEST_UID, SEGMENT.info.id)!;
  expect(isInMemory(held)).toBe(false);
  expect(held.meta).toEqual(SEGMENT.info);
  expect(holdings.segmentBytes).toBeLessThan(INDEX_BYTES);
  const file = join(folder, 'segments', TEST_UID, `${SEGMENT.info.id}.seg`);
  expect(readFileSync(file).equals(SEGMENT.bytes)).toBe(true);
}

const incoming = (folder: string): string[] =>
  readdirSync(join(folder, 'incoming')).filter((name) => name !== 'write-probe');

/** Nothing is left of an arrival, neither on disk nor of what was reserved. */
async function expectNothingLeft(node: Datanode, folder: string): Promise<void> {
  await eventually('swept', () => incoming(folder).length === 0);
  expect(node.holdings.count).toBe(0);
  expect(readdirSync(join(folder, 'segments'))).toEqual([]);
  await send(node, SEGMENT.bytes);
  expectOnDisk(node, folder);
}

describe('a segment of the disk tier', () => {
  it.each([1000, 4096, 128 * 1024, 1_000_000])(
    'arrives in pieces of %i bytes, and is never in memory as a whole',
    async (pieceBytes) => {
      const { folder, node } = await openDiskNode();
      await send(node, SEGMENT.bytes, pieceBytes);
      expectOnDisk(node, folder);
      await eventually('swept', () => incoming(folder).length === 0);
    },
  );

  it('is refused once its header has come if there is no memory for its index', async () => {
    const { folder, node } = await openDiskNode({ memoryMaxBytes: 50_000 });
    const arrival = (await node.receiving.admit(announced()))!;
    arrival.room.set(SEGMENT.bytes.subarray(0, 1000));
    expect(() => arrival.filled(1000)).toThrow(/memory-max/);
    arrival.abandon();
    await eventually('swept', () => incoming(folder).length === 0);
  });

  it.each([
    ['flipped in its records', (bytes: Buffer) => void (bytes[bytes.length - 90_000]! ^= 1)],
    ['flipped in its index', (bytes: Buffer) => void (bytes[5000]! ^= 1)],
    ['flipped in its header', (bytes: Buffer) => void (bytes[40]! ^= 1)],
    ['flipped in its footer', (bytes: Buffer) => void (bytes[bytes.length - 100]! ^= 1)],
  ])('with a bit %s is refused, and leaves nothing', async (_, change) => {
    const { folder, node } = await openDiskNode();
    const bytes = Buffer.from(SEGMENT.bytes);
    change(bytes);
    await expect(send(node, bytes)).rejects.toMatchObject({ code: 'CORRUPT' });
    await expectNothingLeft(node, folder);
  });

  it('of another keyspace or under another name is refused', async () => {
    const { node } = await openDiskNode();
    const [other] = segmentsOf(numberedPairs(10), 1) as [BuiltSegment];
    const arrival = (await node.receiving.admit(announced(other.bytes.length)))!;
    await fillTarget(arrival, other.bytes);
    await expect(arrival.finish()).rejects.toThrow(/is segment .* according to its header/);
  });

  it('whose sender goes away in the middle leaves nothing', async () => {
    const { folder, node } = await openDiskNode();
    const arrival = (await node.receiving.admit(announced()))!;
    await fillTarget(arrival, SEGMENT.bytes.subarray(0, 700_000));
    expect(incoming(folder)).toHaveLength(1);
    arrival.abandon();
    await expectNothingLeft(node, folder);
  });

  it('is refused when the disk takes no more, and the disk is in trouble from then on', async () => {
    const files: Files = {
      ...systemEnv.files,
      open: async (path, flags, mode) => {
        const file = await systemEnv.files.open(path, flags, mode);
        const write: typeof file.write = (buffer, offset, length) =>
          path.includes('write-probe')
            ? file.write(buffer, offset, length)
            : Promise.resolve({ bytesWritten: 0 });
        return {
          read: (...args) => file.read(...args),
          ...{ write, sync: () => file.sync(), stat: () => file.stat(), close: () => file.close() },
        };
      },
    };
    const { folder, node } = await openDiskNode({ env: { ...systemEnv, files } });
    await expect(send(node, SEGMENT.bytes, 100_000)).rejects.toMatchObject({ code: 'DISK_FULL' });
    expect(node.report.diskTrouble(performance.now())).toMatchObject({ full: true });
    await eventually('swept', () => incoming(folder).length === 0);
    expect(node.holdings.count).toBe(0);
  });

  it('that was arriving when the process died is swept at the next start', async () => {
    const { folder, node } = await openDiskNode();
    const arrival = (await node.receiving.admit(announced()))!;
    await fillTarget(arrival, SEGMENT.bytes.subarray(0, 700_000));
    const again = await openTestNode(folder);
    expect(incoming(folder)).toEqual([]);
    expect(again.node.holdings.count).toBe(0);
    arrival.abandon();
  });

  it('is copied from a peer and pulled out of a store the same way', async () => {
    const peer = await openDiskNode();
    await send(peer.node, SEGMENT.bytes);
    const { folder, node } = await openDiskNode({
      peers: new Map([['n1', directLink(peer.node)]]),
    });
    const address = { host: 'peer', httpPort: 1, respPort: 2, grpcPort: 3 };
    await node.copySegments({
      header: orderHeader(node),
      bytesPerSecondMax: 0,
      orders: [
        {
          keyspaceUid: TEST_UID,
          segment: infoOf(SEGMENT),
          sources: [{ nodeId: 'n1', address }],
        },
      ],
    });
    await eventually('copied', () => node.holdings.has(TEST_UID, SEGMENT.info.id));
    expectOnDisk(node, folder);

    const store = tempDir();
    const path = join(store, 'a/b.seg');
    mkdirSync(dirname(path));
    writeFileSync(path, SEGMENT.bytes);
    const puller = await openDiskNode();
    const origin = { url: pathToFileURL(store).href, s3Endpoint: '', s3Region: '', shardCount: 1 };
    await puller.node.pull(
      announced(),
      { ...origin, object: 'a/b.seg', bytesPerSecondMax: 0 },
      { onBytes: () => undefined, signal: new AbortController().signal },
    );
    expectOnDisk(puller.node, puller.folder);
  });

  it('goes to disk if the load says so before the view does, and into memory if neither does', async () => {
    for (const [tier, isOnDisk] of [
      ['disk', true],
      [undefined, false],
    ] as const) {
      const { node } = await openTestNode(tempDir());
      const arrival = (await node.receiving.admit({ ...announced(), tier }))!;
      await fillTarget(arrival, SEGMENT.bytes);
      await arrival.finish();
      const held = node.holdings.readable(TEST_UID, SEGMENT.info.id)!;
      // Without a view, this node takes the keyspace for one in memory, and moves it there.
      if (isOnDisk)
        await eventually('moved', () => node.holdings.get(TEST_UID, held.meta.id) !== undefined);
      expect(isInMemory(held)).toBe(!isOnDisk);
    }
  });
});
