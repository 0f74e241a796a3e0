// The contenders of the segment benchmark: segments, a Map<string, Buffer> and lmdb, each with the
// same keys, each in its own process (bench/peers/segment-contender.ts) with --expose-gc.
//
// Keys are 36 bytes in the form of a UUID, values 70 bytes. Rows are looked up in random order, by
// keys that lie one after the other in one Buffer, as bytes, because a server has bytes.

import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open } from 'lmdb';
import { SegmentBuilder } from '../../segment/builder.ts';
import { findRecord, openSegment } from '../../segment/reader.ts';
import type { Segment } from '../../segment/reader.ts';
import { recordBytes, writeRecord } from '../../segment/record.ts';
import { median } from './measure.ts';

export const KEY_BYTES = 36;
export const VALUE_BYTES = 70;
export const SHARDS = 128;
const LOOKUPS_MAX = 1_000_000;

export interface Figures {
  readonly rowsPerSecond: number;
  readonly hitNs: number;
  readonly missNs: number;
  readonly indexBytes: number | null;
  readonly overheadBytes: number;
}

interface Keys {
  readonly keys: Buffer;
  /** The value of a key; valid until the next call. */
  readonly value: (index: number) => Buffer;
}

/** Looks up the i-th key of a buffer. */
type Find = (from: Buffer, i: number, shard: number) => boolean;

export const CONTENDERS = { segment: ofSegments, Map: ofMap, lmdb: ofLmdb };

/** Row i belongs to shard i mod 128. */
function shardParts(keyCount: number, { keys, value }: Keys): Buffer[] {
  return Array.from({ length: SHARDS }, (_, shard) => {
    const rows = Math.ceil((keyCount - shard) / SHARDS);
    const part = Buffer.alloc(rows * recordBytes(KEY_BYTES, VALUE_BYTES));
    let at = 0;
    for (let i = shard; i < keyCount; i += SHARDS) {
      const key = i * KEY_BYTES;
      at = writeRecord(part, at, keys, key, key + KEY_BYTES, value(i), 0, VALUE_BYTES);
    }
    return part;
  });
}

/**
 * The build time is 128 times that of the median shard. The first shard is built several times
 * before, for the compiler.
 */
async function ofSegments(keyCount: number, rounds: number): Promise<Figures> {
  const made = makeKeys(keyCount);
  const parts = shardParts(keyCount, made);
  const builder = new SegmentBuilder();
  const build = (shard: number): Buffer => {
    const { segment } = builder.build({
      ...{ keyspaceUid: '0123456789abcdef', shard, shardCount: SHARDS, onConflict: 'error' },
      parts: parts.slice(shard, shard + 1),
    });
    if (segment === undefined) throw new Error('the shard has no rows');
    return segment.bytes;
  };
  for (let round = 0; round < 10; round++) build(0);
  const buildTimesMs: number[] = [];
  const segments = parts.map((_, shard) => {
    const startMs = performance.now();
    const bytes = build(shard);
    buildTimesMs.push(performance.now() - startMs);
    return openSegment(bytes);
  });
  const seconds = (median(buildTimesMs) * SHARDS) / 1000;
  const find: Find = (from, i, shard) =>
    findRecord(segments[shard] as Segment, from, i * KEY_BYTES, (i + 1) * KEY_BYTES) >= 0;
  const total = (field: (segment: Segment) => number): number =>
    segments.reduce((sum, segment) => sum + field(segment), 0);
  const fileBytes = total((segment) => segment.meta.fileBytes);
  return {
    rowsPerSecond: keyCount / seconds,
    ...timeLookups(keyCount, made.keys, rounds, find, (i) => i % SHARDS),
    indexBytes: total((segment) => segment.lines.byteLength) / keyCount,
    overheadBytes: fileBytes / keyCount - KEY_BYTES - VALUE_BYTES,
  };
}

async function ofMap(keyCount: number, rounds: number): Promise<Figures> {
  const { keys, value } = makeKeys(keyCount);
  const text = (from: Buffer, i: number): string =>
    from.toString('latin1', i * KEY_BYTES, (i + 1) * KEY_BYTES);
  const before = memoryBytes();
  const startMs = performance.now();
  const map = new Map<string, Buffer>();
  for (let i = 0; i < keyCount; i++) map.set(text(keys, i), Buffer.from(value(i)));
  const seconds = (performance.now() - startMs) / 1000;
  const held = memoryBytes() - before;
  return {
    rowsPerSecond: keyCount / seconds,
    ...timeLookups(keyCount, keys, rounds, (from, i) => map.get(text(from, i)) !== undefined),
    indexBytes: null,
    overheadBytes: held / keyCount - KEY_BYTES - VALUE_BYTES,
  };
}

async function ofLmdb(keyCount: number, rounds: number): Promise<Figures> {
  const { keys, value } = makeKeys(keyCount);
  const folder = mkdtempSync(join(tmpdir(), 'stele-segment-bench-'));
  const path = join(folder, 'data.mdb');
  const store = open<Buffer, Buffer>({
    ...{ path, keyEncoding: 'binary', encoding: 'binary', noSync: true },
  });
  try {
    const keyAt = (from: Buffer, i: number): Buffer =>
      from.subarray(i * KEY_BYTES, (i + 1) * KEY_BYTES);
    const startMs = performance.now();
    for (let from = 0; from < keyCount; from += 100_000) {
      store.transactionSync(() => {
        const end = Math.min(keyCount, from + 100_000);
        for (let i = from; i < end; i++) store.putSync(keyAt(keys, i), value(i));
      });
    }
    const seconds = (performance.now() - startMs) / 1000;
    const find: Find = (from, i) => store.getBinaryFast(keyAt(from, i)) !== undefined;
    return {
      rowsPerSecond: keyCount / seconds,
      ...timeLookups(keyCount, keys, rounds, find),
      indexBytes: null,
      overheadBytes: statSync(path).size / keyCount - KEY_BYTES - VALUE_BYTES,
    };
  } finally {
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Best ns of a hit and of a miss, because other load on the machine can only add time. The keys
 * asked for lie in the order of asking, as in received messages; the rows that they hit are spread
 * over memory.
 */
function timeLookups(
  keyCount: number,
  keys: Buffer,
  rounds: number,
  find: Find,
  shardOf: (row: number) => number = () => 0,
): { hitNs: number; missNs: number } {
  const lookups = Math.min(LOOKUPS_MAX, keyCount);
  const random = xorshift(4711);
  const places = Uint32Array.from({ length: lookups }, () => random() % keyCount);
  const asked = Buffer.alloc(lookups * KEY_BYTES);
  const shards = Uint8Array.from(places, shardOf);
  places.forEach((place, n) => {
    keys.copy(asked, n * KEY_BYTES, place * KEY_BYTES, (place + 1) * KEY_BYTES);
  });
  const absent = makeKeys(lookups, 77).keys;
  const hits: number[] = [];
  const misses: number[] = [];
  for (let round = 0; round < rounds; round++) {
    hits.push(nsPerLookup(asked, shards, find, lookups));
    misses.push(nsPerLookup(absent, shards, find, 0));
  }
  return { hitNs: Math.min(...hits), missNs: Math.min(...misses) };
}

function nsPerLookup(asked: Buffer, shards: Uint8Array, find: Find, expected: number): number {
  const lookups = shards.length;
  let found = 0;
  const startMs = performance.now();
  for (let n = 0; n < lookups; n++) if (find(asked, n, shards[n] as number)) found++;
  const ns = ((performance.now() - startMs) * 1e6) / lookups;
  if (found !== expected) throw new Error(`${found} found instead of ${expected}`);
  return ns;
}

/** `keyCount` different keys in one Buffer. */
function makeKeys(keyCount: number, seed = 1): Keys {
  const random = xorshift(seed);
  const keys = Buffer.alloc(keyCount * KEY_BYTES, '-');
  const digits = Buffer.from('0123456789abcdef');
  for (let i = 0; i < keyCount; i++) {
    let word = 0;
    for (let at = 0, count = 0; at < KEY_BYTES; at++) {
      if (at === 8 || at === 13 || at === 18 || at === 23) continue;
      if (count++ % 8 === 0) word = random();
      keys[i * KEY_BYTES + at] = digits[word & 15] as number;
      word >>>= 4;
    }
  }
  const scratch = Buffer.alloc(VALUE_BYTES, 'abcdefghijklmnopqrstuvwxyz');
  const value = (i: number): Buffer => {
    scratch.writeUInt32LE(i, 0);
    return scratch;
  };
  return { keys, value };
}

function xorshift(seed: number): () => number {
  let x = seed;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  };
}

function memoryBytes(): number {
  globalThis.gc?.();
  const { external, heapUsed } = process.memoryUsage();
  return heapUsed + external;
}
