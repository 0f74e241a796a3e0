// The contenders of the benchmark of data larger than memory: the reads of a datanode's disk tier,
// within one process, and lmdb. Each measures in its own process, under a limit of memory that counts
// the page cache.
//
// Keys of 16 bytes, values of 1,000. Rows are found by random keys, all of which exist.

import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { open } from 'lmdb';
import { silentLogger } from '../../base/log.ts';
import { diskSegment, readResident } from '../../datanode/disk/disk-segment.ts';
import { threadSource } from '../../datanode/disk/open-source.ts';
import { RecordCache } from '../../datanode/disk/record-cache.ts';
import { DiskReads } from '../../datanode/reads/disk-reads.ts';
import { KeyspaceReads } from '../../datanode/read-stats/keyspace-reads.ts';
import type { ReadableSegment } from '../../datanode/storage/holdings.ts';
import type { VersionTable } from '../../datanode/storage/version-tables.ts';
import { systemFiles } from '../../base/disk/files.ts';
import { LookupStatus } from '../../proto/gen/stele/v1/lookup.ts';
import { shardOfSlot } from '../../ring/shard.ts';
import { slotOfKey } from '../../ring/slot.ts';
import { SegmentBuilder } from '../../segment/builder.ts';
import { recordBytes, writeRecord } from '../../segment/record.ts';
import { ofSorted } from './measure.ts';

export const KEY_BYTES = 16;
export const VALUE_BYTES = 1000;
const SHARDS = 64;
const THREADS = 8;
/** Lookups in progress: one connection with a pipeline of 64. */
const AT_A_TIME = 64;
const UID = '0123456789abcdef';
const WARM_UP_MS = 1000;

export interface Figures {
  readonly readsPerSecond: number;
  /** At half of that rate, from when each was due; null if reads are not concurrent. */
  readonly p99Ms: number | null;
}

interface Measure {
  readonly folder: string;
  readonly rows: number;
  readonly ms: number;
}

/** Makes the data in `folder`, with both engines. */
export async function fill(folder: string, rows: number): Promise<void> {
  mkdirSync(join(folder, 'segments'));
  const key = Buffer.alloc(KEY_BYTES);
  const value = Buffer.alloc(VALUE_BYTES, 'abcdefghijklmnopqrstuvwxyz');
  const shards = Uint8Array.from({ length: rows }, (_, row) => shardOf(keyOf(row, key)));
  const builder = new SegmentBuilder();
  for (let shard = 0; shard < SHARDS; shard++) {
    const count = shards.reduce((sum, one) => sum + (one === shard ? 1 : 0), 0);
    const part = Buffer.alloc(count * recordBytes(KEY_BYTES, VALUE_BYTES));
    let at = 0;
    for (let row = 0; row < rows; row++) {
      if (shards[row] !== shard) continue;
      at = writeRecord(part, at, keyOf(row, key), 0, KEY_BYTES, value, 0, VALUE_BYTES);
    }
    const { segment } = builder.build({
      ...{ keyspaceUid: UID, shard, shardCount: SHARDS, onConflict: 'error' },
      parts: [part],
    });
    if (segment === undefined) throw new Error('The shard has no rows.');
    writeFileSync(join(folder, 'segments', String(shard)), segment.bytes, { flush: true });
  }
  const store = open<Buffer, Buffer>({ path: join(folder, 'data.mdb'), ...LMDB, noSync: true });
  for (let from = 0; from < rows; from += 100_000) {
    store.transactionSync(() => {
      const end = Math.min(rows, from + 100_000);
      for (let row = from; row < end; row++) store.putSync(keyOf(row, key), value);
    });
  }
  await store.close();
}

/** Without reading ahead, as the system would read 32 pages for each. */
const LMDB = { keyEncoding: 'binary', encoding: 'binary', noReadAhead: true } as const;

export const CONTENDERS = {
  'Stele, O_DIRECT': (measure: Measure) => ofSegments(measure, 'direct'),
  'Stele, page cache': (measure: Measure) => ofSegments(measure, 'buffered'),
  lmdb: ofLmdb,
};

async function ofSegments(
  { folder, ms, rows }: Measure,
  io: 'direct' | 'buffered',
): Promise<Figures> {
  const source = threadSource(io, THREADS, silentLogger);
  if (source === undefined) throw new Error('The benchmark needs a build.');
  const diskShards: ReadableSegment[][] = [];
  for (const name of readdirSync(join(folder, 'segments'))) {
    const path = join(folder, 'segments', name);
    const file = await systemFiles.open(path, 'r');
    const { resident } = await readResident(file);
    await file.close();
    diskShards[Number(name)] = [diskSegment(resident, await source.open(path))];
  }
  const table: VersionTable = {
    keyspaceUid: UID,
    version: 1,
    shards: diskShards.map(() => undefined),
    diskShards,
    isAnyOnDisk: true,
    recordsByShard: [],
    records: rows,
    reads: new KeyspaceReads(),
  };
  const reads = new DiskReads({
    source,
    cache: new RecordCache(0, { lend: () => undefined }),
    tables: { get: () => table },
    onDamage: (_, error) => {
      throw error;
    },
  });
  const key = Buffer.alloc(KEY_BYTES);
  const lookUp: LookUp = (row, onDone) => {
    keyOf(row, key);
    if (reads.answerNow(table, key, 0, KEY_BYTES) !== undefined) return onDone();
    reads.lookup(
      key,
      0,
      KEY_BYTES,
      {
        answer: (_, status) => {
          if (status !== LookupStatus.OK) throw new Error(`A lookup ended with ${status}.`);
          onDone();
        },
      },
      0,
    );
  };
  await atFullRate(lookUp, rows, WARM_UP_MS);
  const readsPerSecond = await atFullRate(lookUp, rows, ms);
  const p99Ms = await atRate(lookUp, rows, ms, readsPerSecond / 2);
  await source.close();
  return { readsPerSecond, p99Ms };
}

/** One read at a time: a page that is not in memory stops the thread. */
async function ofLmdb({ folder, ms, rows }: Measure): Promise<Figures> {
  const store = open<Buffer, Buffer>({
    path: join(folder, 'data.mdb'),
    ...LMDB,
    readOnly: true,
  });
  const key = Buffer.alloc(KEY_BYTES);
  const run = (forMs: number): number => {
    const random = xorshift(1234);
    const beganMs = performance.now();
    let count = 0;
    while (performance.now() - beganMs < forMs) {
      for (let n = 0; n < 16; n++) {
        if (store.getBinaryFast(keyOf(random() % rows, key)) === undefined) {
          throw new Error('A key is missing.');
        }
      }
      count += 16;
    }
    return (count * 1000) / (performance.now() - beganMs);
  };
  run(WARM_UP_MS);
  const readsPerSecond = run(ms);
  await store.close();
  return { readsPerSecond, p99Ms: null };
}

type LookUp = (row: number, onDone: () => void) => void;

/** Reads per second, as many at a time as are always in progress. */
function atFullRate(lookUp: LookUp, rows: number, ms: number): Promise<number> {
  const random = xorshift(99);
  const beganMs = performance.now();
  return new Promise((resolve) => {
    let done = 0;
    let running = AT_A_TIME;
    const next = (): void => {
      const elapsedMs = performance.now() - beganMs;
      if (elapsedMs < ms) return lookUp(random() % rows, onDone);
      if (--running === 0) resolve((done * 1000) / elapsedMs);
    };
    const onDone = (): void => {
      done++;
      next();
    };
    for (let n = 0; n < AT_A_TIME; n++) next();
  });
}

/** p99 of the time from when a read was due, in ms. */
function atRate(lookUp: LookUp, rows: number, ms: number, perSecond: number): Promise<number> {
  const random = xorshift(7);
  const beganMs = performance.now();
  const latencies: number[] = [];
  return new Promise((resolve) => {
    let sent = 0;
    const tick = (): void => {
      const now = performance.now() - beganMs;
      const due = Math.min((now * perSecond) / 1000, (ms * perSecond) / 1000);
      for (; sent < due; sent++) {
        const dueMs = beganMs + (sent * 1000) / perSecond;
        lookUp(random() % rows, () => {
          latencies.push(performance.now() - dueMs);
        });
      }
      if (now < ms || latencies.length < sent) return void setImmediate(tick);
      latencies.sort((one, other) => one - other);
      resolve(ofSorted(latencies, 0.99));
    };
    tick();
  });
}

/** The key of a row: hexadecimal digits that look random. */
function keyOf(row: number, key: Buffer): Buffer {
  let word = Math.imul(row + 1, 0x9e3779b1) >>> 0;
  key.write(word.toString(16).padStart(8, '0'), 0, 'latin1');
  word = row >>> 0;
  key.write(word.toString(16).padStart(8, '0'), 8, 'latin1');
  return key;
}

function shardOf(key: Buffer): number {
  return shardOfSlot(slotOfKey(key, 0, KEY_BYTES), SHARDS);
}

function xorshift(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}
