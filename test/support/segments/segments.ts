// Segments and manifests for tests, built by the real builder.

import type { Manifest, RecordTotals, SegmentInfo } from '../../../proto/gen/stele/v1/segment.ts';
import { shardOfSlot } from '../../../ring/shard.ts';
import { slotOfKey } from '../../../ring/slot.ts';
import { buildSegment } from '../../../segment/builder.ts';
import type { BuiltSegment } from '../../../segment/builder.ts';
import { Digest } from '../../../segment/digest.ts';
import { overlaySteps } from '../../../segment/overlay.ts';
import { openSegment } from '../../../segment/reader.ts';
import { windowed } from '../../../segment/record-window.ts';
import { recordBytes, writeRecord } from '../../../segment/record.ts';
import { finish } from '../../segment/chains.ts';

export const TEST_UID = '0123456789abcdef';

export type Pairs = Iterable<readonly [string, string]>;

/** The segments of `pairs`, one per shard that has any. */
export function segmentsOf(
  pairs: Pairs,
  shardCount: number,
  keyspaceUid = TEST_UID,
): BuiltSegment[] {
  const parts = new Map<number, Buffer[]>();
  for (const [keyText, valueText] of pairs) {
    const key = Buffer.from(keyText);
    const value = Buffer.from(valueText);
    const record = Buffer.alloc(recordBytes(key.length, value.length));
    writeRecord(record, 0, key, 0, key.length, value, 0, value.length);
    const shard = shardOfSlot(slotOfKey(key, 0, key.length), shardCount);
    const records = parts.get(shard);
    if (records === undefined) parts.set(shard, [record]);
    else records.push(record);
  }
  return [...parts].map(([shard, records]) => {
    const { segment } = buildSegment({
      keyspaceUid,
      shard,
      shardCount,
      parts: [Buffer.concat(records)],
      onConflict: 'error',
    });
    if (segment === undefined) throw new Error('The pairs of a test have a conflict.');
    return segment;
  });
}

export type RawRow = readonly [key: Uint8Array, value: Uint8Array];

/** One segment of one shard of one, so that any key fits; the last value of a key counts. */
export function segmentOfRows(rows: readonly RawRow[]): BuiltSegment {
  const parts = rows.map(([key, value]) => {
    const record = Buffer.alloc(recordBytes(key.length, value.length));
    writeRecord(record, 0, key, 0, key.length, value, 0, value.length);
    return record;
  });
  const input = { keyspaceUid: TEST_UID, shard: 0, shardCount: 1, onConflict: 'last' } as const;
  const { segment } = buildSegment({ ...input, parts });
  if (segment === undefined) throw new Error('The rows of a test have a conflict.');
  return segment;
}

export function infoOf(segment: BuiltSegment): SegmentInfo {
  const { id, shard, fileBytes, records, keyBytes, valueBytes, digest } = segment.info;
  return { id, shard, fileBytes, records, keyBytes, valueBytes, digest };
}

export function manifestOf(
  segments: readonly BuiltSegment[],
  shardCount: number,
  version = 1,
  keyspaceUid = TEST_UID,
): Manifest {
  const sum = (pick: (info: SegmentInfo) => number): number =>
    segments.reduce((total, segment) => total + pick(infoOf(segment)), 0);
  return {
    keyspaceUid,
    keyspace: 'test',
    version,
    fingerprint: '',
    shardCount,
    segments: segments.map(infoOf),
    records: sum((info) => info.records),
    keyBytes: sum((info) => info.keyBytes),
    valueBytes: sum((info) => info.valueBytes),
    digest: Buffer.alloc(16),
    revision: 0,
    overwritten: [],
  };
}

/**
 * A version of a base and deltas, each with its segments by shard, oldest first, with the totals
 * that a master would compute.
 */
export function layeredManifest(
  layers: readonly (readonly BuiltSegment[])[],
  shardCount: number,
  version = 1,
): Manifest {
  const segments = layers.flat().sort((left, right) => left.info.shard - right.info.shard);
  const overwritten = segments.flatMap((segment, index) => {
    const older = segments
      .slice(0, index)
      .filter(({ info }) => info.shard === segment.info.shard)
      .map(({ bytes }) => windowed(openSegment(bytes)))
      .reverse();
    if (older.length === 0) return [];
    const { overwritten: totals } = finish(
      overlaySteps(windowed(openSegment(segment.bytes)), older),
    );
    return totals.records === 0 ? [] : [{ segmentId: segment.info.id, totals }];
  });
  const digest = new Digest();
  for (const { info } of segments) digest.add(Digest.fromBytes(info.digest));
  for (const { totals } of overwritten) digest.subtract(Digest.fromBytes(totals.digest));
  const whole = manifestOf(segments, shardCount, version);
  const less = (pick: (totals: RecordTotals) => number): number =>
    overwritten.reduce((sum, { totals }) => sum + pick(totals), 0);
  return {
    ...whole,
    records: whole.records - less((totals) => totals.records),
    keyBytes: whole.keyBytes - less((totals) => totals.keyBytes),
    valueBytes: whole.valueBytes - less((totals) => totals.valueBytes),
    digest: digest.toBytes(),
    overwritten,
  };
}

/** `count` pairs with unique keys, and values that contain their key. */
export function numberedPairs(count: number, suffix = ''): [string, string][] {
  return Array.from({ length: count }, (_, index) => [
    `key-${index}`,
    `value of key-${index}${suffix}`,
  ]);
}
