// Segments of a simulation: real ones, of the few keys and values that a simulated shard may have.
// A segment's file says whose keyspace it is, so each is built, once, for the keyspace that it is
// loaded into.

import { buildSegment } from '../../../segment/builder.ts';
import { findRecord, openSegment, valueEnd, valueStart } from '../../../segment/reader.ts';
import type { Segment } from '../../../segment/reader.ts';
import { recordBytes, writeRecord } from '../../../segment/record.ts';
import { verifySegment } from '../../../segment/verify.ts';
import type { SegmentInfo } from '../../../proto/gen/stele/v1/segment.ts';
import { segmentRecord } from '../../../master/catalog/messages.ts';
import { addTotals } from '../../../master/catalog/totals.ts';
import type { TotalsRecord } from '../../../master/catalog/totals.ts';
import { shardOfSlot } from '../../../ring/shard.ts';
import { slotOfText } from '../../../ring/slot.ts';

export const SHARDS = 4;
const KEYS_PER_SHARD = 3;
/** Few, so that versions have segments in common, and deltas say again what is there. */
export const VALUES = ['1', '22'] as const;

/** Of each shard, the keys that there may be, and at the end one that no segment has. */
const KEYS: readonly (readonly string[])[] = keysByShard();

/** What a shard holds: key -> value. */
export type Rows = ReadonlyMap<string, string>;

function keysByShard(): string[][] {
  const keys: string[][] = Array.from({ length: SHARDS }, () => []);
  for (let number = 0; keys.some((own) => own.length <= KEYS_PER_SHARD); number++) {
    const own = keys[shardOfSlot(slotOfText(`k${number}`), SHARDS)];
    if (own !== undefined && own.length <= KEYS_PER_SHARD) own.push(`k${number}`);
  }
  return keys;
}

export function keysOf(shard: number): readonly string[] {
  return (KEYS[shard] ?? []).slice(0, KEYS_PER_SHARD);
}

export function absentKeyOf(shard: number): string {
  return KEYS[shard]?.[KEYS_PER_SHARD] ?? '';
}

/** `a=1 b=2`, whatever the order of the rows. */
export function textOf(rows: Rows): string {
  return [...rows]
    .map(([key, value]) => `${key}=${value}`)
    .sort()
    .join(' ');
}

/** Later ones win. */
export function overlaid(layers: readonly Rows[]): Rows {
  return new Map(layers.flatMap((rows) => [...rows]));
}

export interface Built {
  readonly bytes: Buffer;
  readonly info: SegmentInfo;
}

/** The segments that a simulation has seen, and what is in them. */
export class SegmentBook {
  /** `<uid> <shard> <rows>` -> the segment. */
  readonly #built = new Map<string, Built>();
  /** `<uid> <id>` -> the bytes that a file of the name must have, and its rows. */
  readonly #known = new Map<string, { readonly bytes: Buffer; readonly rows: Rows }>();
  readonly #intact = new WeakMap<Buffer, string>();

  /** The segment of these rows; undefined where there are none. */
  build(uid: string, shard: number, rows: Rows): Built | undefined {
    if (rows.size === 0) return undefined;
    const name = `${uid} ${shard} ${textOf(rows)}`;
    let built = this.#built.get(name);
    if (built === undefined) {
      built = buildOne(uid, shard, rows);
      this.#built.set(name, built);
      this.#known.set(`${uid} ${built.info.id}`, { bytes: built.bytes, rows });
    }
    return built;
  }

  /** The rows of a segment that has been built; undefined: it has not. */
  rowsOf(name: string): Rows | undefined {
    return this.#known.get(name)?.rows;
  }

  /** A merge has made this segment. */
  note(name: string, segment: Segment): Rows {
    const { shard } = segment.meta;
    const rows = new Map<string, string>();
    for (const key of keysOf(shard)) {
      const value = valueIn(segment, key);
      if (value !== undefined) rows.set(key, value);
    }
    this.#known.set(name, { bytes: segment.bytes, rows });
    return rows;
  }

  /** Whether a file of this name (`<uid> <id>`) has the bytes that it must have. */
  isIntact(name: string, bytes: Buffer): boolean {
    if (this.#intact.get(bytes) === name) return true;
    const known = this.#known.get(name);
    const isGood = known === undefined ? isWhole(name, bytes) : known.bytes.equals(bytes);
    if (isGood) this.#intact.set(bytes, name);
    return isGood;
  }

  /** As of one load of the same rows. */
  totalsOf(uid: string, content: readonly Rows[]): TotalsRecord {
    const built = content.flatMap((rows, shard) => this.build(uid, shard, rows) ?? []);
    return addTotals(built.map(({ info }) => segmentRecord(info)));
  }
}

function isWhole(name: string, bytes: Buffer): boolean {
  try {
    const segment = openSegment(bytes);
    verifySegment(segment);
    return name === `${segment.meta.keyspaceUid} ${segment.meta.id}`;
  } catch {
    return false;
  }
}

function buildOne(keyspaceUid: string, shard: number, rows: Rows): Built {
  const parts = [...rows].map(([key, value]) => encoded(Buffer.from(key), Buffer.from(value)));
  const { segment } = buildSegment({
    ...{ keyspaceUid, shard, shardCount: SHARDS, parts, onConflict: 'error' },
  });
  if (segment === undefined) throw new Error('A key is there twice.');
  const { digest, fileBytes, id, keyBytes, records, valueBytes } = segment.info;
  const info = { id, shard, fileBytes, records, keyBytes, valueBytes, digest };
  return { bytes: segment.bytes, info };
}

function encoded(key: Buffer, value: Buffer): Buffer {
  const record = Buffer.alloc(recordBytes(key.length, value.length));
  writeRecord(record, 0, key, 0, key.length, value, 0, value.length);
  return record;
}

/** The value of `key`; undefined where the segment has none. */
function valueIn(segment: Segment, key: string): string | undefined {
  const bytes = Buffer.from(key);
  const at = findRecord(segment, bytes, 0, bytes.length);
  if (at < 0) return undefined;
  return segment.bytes.toString('utf8', valueStart(segment, at), valueEnd(segment, at));
}
