// Manifests and snapshots for tests.

import type { ArchivedManifest, ArchivedSegment, Snapshot } from '../../archive/archived.ts';

export const UID = '0123456789abcdef';

function segment(shard: number, fill: string, records: number): ArchivedSegment {
  const digest = fill.repeat(32).slice(0, 32);
  const id = `${String(shard).padStart(5, '0')}-${digest}-${'c'.repeat(32)}`;
  return {
    id,
    shard,
    fileBytes: 1000,
    records,
    keyBytes: records,
    valueBytes: 2 * records,
    digest,
  };
}

/** A base in shard 0, a base and a delta that overwrites one record in shard 1. */
export function someManifest(): ArchivedManifest {
  const [base, other] = [segment(0, '01000000', 3), segment(1, '02000000', 4)];
  const delta = segment(1, '04000000', 2);
  const digest = '06000000'.repeat(4);
  const totals = { records: 1, keyBytes: 1, valueBytes: 2, digest: '01000000'.repeat(4) };
  return {
    keyspaceUid: UID,
    shardCount: 4,
    version: {
      ...{ number: 7, records: 8, keyBytes: 8, valueBytes: 16, digest, isRejected: false },
      ...{ source: 'prices.csv', input: 'csv', inputFingerprint: '' },
      committedAt: '2026-12-01T00:00:00.000Z',
    },
    segments: [base, other, delta],
    overwritten: { [delta.id]: totals },
  };
}

export function someSnapshot(manifest: string): Snapshot {
  const version = { number: 7, segmentBytes: 3000, records: 8, manifest };
  return {
    clusterId: 'fedcba9876543210',
    shardCount: 4,
    createdAt: '2026-12-01T07:30:00.123Z',
    keyspaces: [{ uid: UID, name: 'prices', currentVersion: 7, keep: 3, versions: [version] }],
  };
}
