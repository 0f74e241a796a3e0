// The entries of a catalog with many keyspaces, as the metadata store has them. Its digests are
// random, as real ones are: they are what does not compress.

import { parseKeyspaceUid } from '../../base/ids.ts';
import type { KeyspaceUid } from '../../base/ids.ts';
import { segmentId } from '../../base/segment-name.ts';
import { encodeRecord, keyOf, versionId } from '../../master/catalog/records.ts';
import type {
  KeyspaceRecord,
  ManifestRecord,
  SegmentRecord,
  VersionRecord,
} from '../../master/catalog/records.ts';
import type { Entry } from '../../master/metadata/port.ts';

const SEGMENT_RECORDS = 1000;

/** `versionCount` versions of each keyspace, with one segment per shard. */
export function* catalogEntries(
  keyspaceCount: number,
  versionCount: number,
  shardCount: number,
): Generator<Entry> {
  const hex = randomHex();
  yield entry('cluster', { id: hex(16), shardCount, createdAt: '' });
  yield entry('epoch', { epoch: 1, term: hex(16) });
  yield entry('counters', { nextIndex: keyspaceCount + 1, skips: 0 });
  for (let index = 1; index <= keyspaceCount; index++) {
    const uid = parseKeyspaceUid(hex(16));
    yield entry(keyOf('keyspace', uid), keyspaceOf(uid, index, versionCount));
    for (let number = 1; number <= versionCount; number++) {
      const id = versionId(uid, number);
      yield entry(keyOf('version', id), versionOf(uid, number, shardCount, hex(32)));
      const segments = Array.from({ length: shardCount }, (_, shard) => segmentOf(shard, hex));
      const manifest: ManifestRecord = { uid, version: number, segments };
      yield entry(keyOf('manifest', id), manifest);
    }
  }
}

export function keyspaceName(index: number): string {
  return `keyspace-${index}`;
}

function entry(key: string, record: object): Entry {
  return { key, value: encodeRecord(record), revision: 1 };
}

function keyspaceOf(uid: KeyspaceUid, index: number, current: number): KeyspaceRecord {
  return {
    ...{ uid, index, name: keyspaceName(index), createdAt: '', state: 'RUNNING' },
    desired: { currentVersion: current, replication: 0 },
    nextVersion: current + 1,
  };
}

function versionOf(
  uid: KeyspaceUid,
  number: number,
  shardCount: number,
  digest: string,
): VersionRecord {
  const records = shardCount * SEGMENT_RECORDS;
  const bytes = { keyBytes: records * 16, valueBytes: records * 100, segmentBytes: records * 126 };
  const origin = { source: '', inputFingerprint: '', loadId: digest.slice(16) };
  const committed = { state: 'COMMITTED', committedAt: '', follows: number - 1 } as const;
  return { uid, number, records, ...bytes, digest, ...origin, ...committed };
}

function segmentOf(shard: number, hex: (digits: number) => string): SegmentRecord {
  const digest = hex(32);
  const records = SEGMENT_RECORDS + (shard % 100);
  const totals = { records, keyBytes: records * 16, valueBytes: records * 100, digest };
  return { ...totals, id: segmentId(shard, digest, hex(32)), shard, fileBytes: records * 126 };
}

/** Returns a function that makes a text of so many hex digits, the same ones in each run. */
function randomHex(): (digits: number) => string {
  let state = 1;
  const word = (): string => {
    // Weyl's sequence, mixed as in MurmurHash3.
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return ((mixed ^ (mixed >>> 16)) >>> 0).toString(16).padStart(8, '0');
  };
  return (digits) => Array.from({ length: digits / 8 }, word).join('');
}
