// Segments that no datanode gives: their versions are asked for again.

import { expect, test } from 'vitest';
import { Archive } from '../../../archive/archive.ts';
import { segmentObject } from '../../../archive/layout.ts';
import type { ArchivedSegment } from '../../../archive/archived.ts';
import { silentLogger } from '../../../base/log.ts';
import { copySegments } from '../../../loader/backup/copy-segments.ts';
import { Semaphore } from '../../../loader/bytes/bounded.ts';
import type { HeldSegment } from '../../../loader/transfer/cluster-client.ts';
import type { Transfer } from '../../../loader/transfer/open-transfer.ts';
import { TransferCounter } from '../../../loader/transfer/transfer-progress.ts';
import { Tier } from '../../../proto/gen/stele/v1/view.ts';
import { someManifest, UID } from '../../support/archives.ts';
import { ownS3 } from '../../support/s3/stores.ts';

const [base, , delta] = someManifest().segments as [
  ArchivedSegment,
  ArchivedSegment,
  ArchivedSegment,
];
const about = { source: '', input: '', inputFingerprint: '', committedAt: '' };
const version = { number: 1, segmentBytes: 0, totals: undefined, ...about };
const keyspace = {
  ...{
    uid: UID,
    name: 'prices',
    currentVersion: 1,
    suspended: false,
    uncached: false,
    tier: Tier.MEMORY,
  },
  versions: [version],
};

function held({ digest, ...counts }: ArchivedSegment): HeldSegment {
  const info = { ...counts, digest: Buffer.from(digest, 'hex') };
  return { info, overwritten: undefined, holders: [] };
}

/** Answers each question for the manifest with the next of `manifests`, and then with the last. */
async function copy(manifests: readonly ArchivedSegment[][], replicaWait: number) {
  const { store } = await ownS3();
  let asked = 0;
  const manifest = async () => {
    const segments = manifests[Math.min(asked++, manifests.length - 1)] ?? [];
    return segments.map(held);
  };
  const transfer = {
    archive: new Archive(store),
    cluster: { manifest },
    memory: new Semaphore(1 << 20),
    progress: new TransferCounter(),
    stop: new AbortController(),
    log: silentLogger,
    settings: { replicaWait, transfers: 2, limitRate: 0 },
  } as unknown as Transfer;
  const present = new Map([[segmentObject(UID, base.id), base.fileBytes]]);
  const collected = [{ keyspace, version, segments: [held(delta)] }];
  return { asked: () => asked, copied: copySegments(transfer, collected, present) };
}

test('deltas that were merged are replaced by what they were merged to', async () => {
  const { asked, copied } = await copy([[delta], [base]], 60_000);
  const [one] = await copied;
  expect(one?.segments.map(({ info }) => info.id)).toEqual([base.id]);
  expect(asked()).toBe(2);
});

test('what no datanode has is given up after --replica-wait', async () => {
  const { copied } = await copy([[delta]], 0);
  await expect(copied).rejects.toMatchObject({
    code: 'REPLICAS_MISSING',
    message: expect.stringContaining('stele nodes'),
  });
});
