// What a backup does with versions that change while it runs.

import { expect, test } from 'vitest';
import { SteleError } from '../../../base/errors.ts';
import { collectManifests } from '../../../loader/backup/collect.ts';
import { missingSegments } from '../../../loader/backup/missing.ts';
import type { HeldSegment } from '../../../loader/transfer/cluster-client.ts';
import type { Transfer } from '../../../loader/transfer/open-transfer.ts';
import { Tier } from '../../../proto/gen/stele/v1/view.ts';
import { someManifest, UID } from '../../support/archives.ts';

const about = { source: '', input: '', inputFingerprint: '', committedAt: '' };
const versions = [1, 2].map((number) => ({ number, segmentBytes: 0, totals: undefined, ...about }));
const keyspace = {
  uid: UID,
  name: 'prices',
  currentVersion: 2,
  suspended: false,
  uncached: false,
  tier: Tier.MEMORY,
  versions,
};

/** A transfer from a cluster that has dropped some versions. */
function transferWithout(...dropped: number[]) {
  const notices: string[] = [];
  const segments = someManifest().segments.map(({ digest, ...counts }) => ({
    info: { ...counts, digest: Buffer.from(digest, 'hex') },
    overwritten: undefined,
    holders: [],
  }));
  const manifest = async (_: unknown, version: number): Promise<HeldSegment[]> => {
    if (dropped.includes(version)) throw new SteleError('VERSION_NOT_FOUND', 'gone');
    return segments;
  };
  const notice = (sentence: string): void => void notices.push(sentence);
  return { transfer: { cluster: { manifest }, notice } as unknown as Transfer, notices };
}

test('a version that was dropped is left out with a notice', async () => {
  const { notices, transfer } = transferWithout(1);
  const collected = await collectManifests(transfer, { keyspaces: [keyspace] });
  expect(collected.map(({ version }) => version.number)).toEqual([2]);
  expect(notices).toEqual(["version 1 of keyspace 'prices' was dropped meanwhile and is left out"]);
});

test('without the current version there is no backup', async () => {
  const { transfer } = transferWithout(2);
  await expect(collectManifests(transfer, { keyspaces: [keyspace] })).rejects.toMatchObject({
    code: 'CONFLICT',
    message: expect.stringContaining('run it again'),
  });
});

test('each segment is copied once, unless it is there in its size', async () => {
  const { transfer } = transferWithout();
  const collected = await collectManifests(transfer, { keyspaces: [keyspace] });
  const all = missingSegments(collected, new Map());
  expect(all).toHaveLength(3);
  const [one, two] = all.map(({ name }) => name);
  const present = new Map([
    [one ?? '', 1000],
    [two ?? '', 999],
  ]);
  expect(missingSegments(collected, present).map(({ name }) => name)).toEqual(
    all.slice(1).map(({ name }) => name),
  );
});
