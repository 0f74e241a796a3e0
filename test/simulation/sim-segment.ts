// Segments of a simulation: real ones, of the few keys and values that a simulated shard may have, each built
// once by the real builder. So deltas are laid over one another, merged and read by the real code.
//
// A file on a simulated disk is a text that only says which segment it is: whole, or torn.

import { segmentRecord } from '../../master/catalog/records.ts';
import type { SegmentRecord } from '../../master/catalog/records.ts';
import type { SegmentInfo } from '../../proto/gen/stele/v1/segment.ts';
import { buildSegment } from '../../segment/builder.ts';
import { mergeSegments } from '../../segment/merge.ts';
import { segmentIdPrefix } from '../../segment/name.ts';
import { findRecord, openSegment, valueEnd, valueStart } from '../../segment/reader.ts';
import type { Segment } from '../../segment/reader.ts';
import { recordBytes, writeRecord } from '../../segment/record.ts';

export const SHARDS = 4;
/** Of every shard. */
export const KEYS = ['a', 'b', 'c'] as const;
/** A key that no segment has. */
export const ABSENT = 'z';
/** Few, so that versions have segments in common, and deltas say again what is there. */
export const VALUES = ['1', '22'] as const;
/** All keyspaces of a simulation have one seed, so that each segment is built once. */
const SEED = '0123456789abcdef';

/** What a shard holds: key -> value. */
export type Rows = ReadonlyMap<string, string>;

/** What tables and lookups see of a segment. */
export interface SimSegment extends Segment {
  /** Of its file, as it was read. */
  readonly content: string;
}

interface Known {
  readonly rows: Rows;
  readonly segment: Segment;
  readonly info: SegmentInfo;
  readonly record: SegmentRecord;
}

const byId = new Map<string, Known>();
const byRows = new Map<string, string>();
const byPrefix = new Map<string, string>();
for (let shard = 0; shard < SHARDS; shard++) for (const rows of allRows()) addKnown(shard, rows);

/** Every key with each value, or without. */
function allRows(): Rows[] {
  let all: Rows[] = [new Map()];
  for (const key of KEYS) {
    all = all.flatMap((rows) => [rows, ...VALUES.map((value) => new Map([...rows, [key, value]]))]);
  }
  return all.filter(({ size }) => size > 0);
}

function addKnown(shard: number, rows: Rows): void {
  const parts = [...rows].map(([key, value]) => encoded(Buffer.from(key), Buffer.from(value)));
  const { segment: built } = buildSegment({
    ...{ keyspaceUid: SEED, shard, shardCount: SHARDS, parts, onConflict: 'error' },
  });
  if (built === undefined) throw new Error('A key is there twice.');
  const segment = openSegment(built.bytes);
  const { digest, fileBytes, id, keyBytes, records, valueBytes } = segment.meta;
  const info = { id, shard, fileBytes, records, keyBytes, valueBytes, digest };
  byId.set(id, { rows, segment, info, record: segmentRecord(info) });
  byRows.set(`${shard} ${textOf(rows)}`, id);
  byPrefix.set(segmentIdPrefix(shard, digest.toString('hex')), id);
}

function encoded(key: Buffer, value: Buffer): Buffer {
  const record = Buffer.alloc(recordBytes(key.length, value.length));
  writeRecord(record, 0, key, 0, key.length, value, 0, value.length);
  return record;
}

/** `a=1 b=2`, whatever the order of the rows. */
export function textOf(rows: Rows): string {
  return KEYS.flatMap((key) => (rows.has(key) ? [`${key}=${rows.get(key)}`] : [])).join(' ');
}

function known(id: string): Known {
  const found = byId.get(id);
  if (found === undefined) throw new Error(`Nobody made a segment ${id}.`);
  return found;
}

/** The segment of these rows; undefined where there are none. */
export function segmentIdOf(shard: number, rows: Rows): string | undefined {
  return byRows.get(`${shard} ${textOf(rows)}`);
}

/** What the real merge makes of these, oldest first. */
export function mergedIdOf(ids: readonly string[]): string {
  return mergeSegments(ids.map((id) => known(id).segment)).info.id;
}

/** The segment whose records have this digest. */
export function segmentIdOfDigest(shard: number, digestHex: string): string | undefined {
  return byPrefix.get(segmentIdPrefix(shard, digestHex));
}

export function rowsOfId(id: string): Rows {
  return known(id).rows;
}

export function infoOfId(id: string): SegmentInfo {
  return known(id).info;
}

export function recordOfId(id: string): SegmentRecord {
  return known(id).record;
}

/** What a file of this name (`<uid> <segmentId>`) must hold. */
export function contentOf(name: string): string {
  return `content of ${name}`;
}

export function isIntact(name: string, content: string): boolean {
  return content === contentOf(name);
}

/** The segment in memory that a file of this content was read to. */
export function segmentOf(uid: string, id: string, content: string): SimSegment {
  const { segment } = known(id);
  return { ...segment, meta: { ...segment.meta, keyspaceUid: uid }, content };
}

/** The value of `key`; undefined where the segment has none. */
export function valueIn(segment: SimSegment, key: string): string | undefined {
  const bytes = Buffer.from(key);
  const at = findRecord(segment, bytes, 0, bytes.length);
  if (at < 0) return undefined;
  return segment.bytes.toString('utf8', valueStart(segment, at), valueEnd(segment, at));
}

/** Later ones win. */
export function overlaid(layers: readonly Rows[]): Rows {
  return new Map(layers.flatMap((rows) => [...rows]));
}
