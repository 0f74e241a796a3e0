// The cache of records of the disk tier: the hit ratios of policies on traces, and of the product's
// cache with all its bookkeeping within the same bytes; the time that a lookup takes that it answers,
// beside one in the memory tier.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemEnv } from '../../base/env.ts';
import { diskSegment, residentOf } from '../../datanode/disk/disk-segment.ts';
import { FileSource } from '../../datanode/disk/file-source.ts';
import { RecordCache } from '../../datanode/disk/record-cache.ts';
import { KeyspaceReads } from '../../datanode/read-stats/keyspace-reads.ts';
import { DiskAnswers } from '../../datanode/reads/disk-answers.ts';
import { DiskReads } from '../../datanode/reads/disk-reads.ts';
import { lookupInShard } from '../../datanode/reads/lookup.ts';
import type { VersionTable } from '../../datanode/storage/version-tables.ts';
import { LookupStatus } from '../../proto/gen/stele/v1/lookup.ts';
import { SegmentBuilder } from '../../segment/builder.ts';
import { openSegment } from '../../segment/reader.ts';
import { recordBytes, writeRecord } from '../../segment/record.ts';
import { defineBench } from '../bench.ts';
import type { Table } from '../bench.ts';
import { POLICIES } from '../support/cache-policies.ts';
import type { Policy, SimulatedCache } from '../support/cache-policies.ts';
import { randomOf, tracesOf } from '../support/cache-traces.ts';
import type { Trace } from '../support/cache-traces.ts';
import { median } from '../support/measure.ts';

const KEY_BYTES = 36;
/** Of which the values of simulated records have 0.5 to 1.5 times as many. */
const VALUE_BYTES = 70;
const CACHE_PART = 0.05;
const KEYSPACE_UID = '0123456789abcdef';

const WHOLE_MEMORY = { lend: () => () => undefined };

class ProductCache implements SimulatedCache {
  readonly #cache: RecordCache;
  readonly #sizes: Uint16Array;
  readonly #record = Buffer.alloc(KEY_BYTES + 2 * VALUE_BYTES);

  constructor(capacityBytes: number, sizes: Uint16Array) {
    this.#cache = new RecordCache(capacityBytes, WHOLE_MEMORY);
    this.#sizes = sizes;
  }

  read(record: number): boolean {
    const start = record * 128;
    if (this.#cache.find(1, start)) return true;
    this.#cache.add(1, start, this.#record, 0, this.#sizes[record] as number);
    return false;
  }
}

const CONTENDERS: Readonly<Record<string, Policy>> = {
  ...POLICIES,
  "the product's, overhead included": (capacityBytes, sizes) =>
    new ProductCache(capacityBytes, sizes),
};

function hitRatio(policy: Policy, capacityBytes: number, sizes: Uint16Array, trace: Trace): number {
  const cache = policy(capacityBytes, sizes, trace.reads);
  let hits = 0;
  let counted = 0;
  for (const [at, record] of trace.reads.entries()) {
    const isHit = cache.read(record);
    if (!trace.isCounted(at)) continue;
    counted++;
    if (isHit) hits++;
  }
  return (100 * hits) / counted;
}

function ratios(records: number, reads: number): Table {
  const random = randomOf(1);
  const sizes = Uint16Array.from({ length: records }, () =>
    recordBytes(KEY_BYTES, Math.floor(VALUE_BYTES * (0.5 + random()))),
  );
  const capacityBytes = CACHE_PART * sizes.reduce((sum, size) => sum + size, 0);
  const traces = tracesOf(records, reads);
  return {
    caption: `Hits in %, of a cache with ${CACHE_PART * 100}% of the bytes of the records.`,
    labels: ['policy'],
    columns: traces.map(({ name }) => ({ title: name, digits: 1, better: 'higher' })),
    rows: Object.entries(CONTENDERS).map(([name, policy]) => ({
      what: [name],
      figures: traces.map((trace) => hitRatio(policy, capacityBytes, sizes, trace)),
    })),
  };
}

/** Random keys, one after the other, and a segment that has them. */
function segmentOf(records: number): { readonly keys: Buffer; readonly bytes: Buffer } {
  const random = randomOf(2);
  const keys = Buffer.from(Uint8Array.from({ length: records * KEY_BYTES }, () => random() * 256));
  const part = Buffer.alloc(records * recordBytes(KEY_BYTES, VALUE_BYTES));
  const value = Buffer.alloc(VALUE_BYTES, 1);
  for (let row = 0, at = 0; row < records; row++) {
    const key = row * KEY_BYTES;
    at = writeRecord(part, at, keys, key, key + KEY_BYTES, value, 0, VALUE_BYTES);
  }
  const { segment } = new SegmentBuilder().build({
    ...{ keyspaceUid: KEYSPACE_UID, shard: 0, shardCount: 1, onConflict: 'error' },
    parts: [part],
  });
  if (segment === undefined) throw new Error('the segment has no rows');
  return { keys, bytes: segment.bytes };
}

async function times(records: number, rounds: number): Promise<Table> {
  const folder = mkdtempSync(join(tmpdir(), 'stele-disk-cache-'));
  try {
    const { bytes, keys } = segmentOf(records);
    const path = join(folder, 'one.seg');
    writeFileSync(path, bytes);
    const inMemory = openSegment(bytes);
    const source = new FileSource(systemEnv);
    const onDisk = diskSegment(residentOf(inMemory), await source.open(path));
    const table: VersionTable = {
      ...{ keyspaceUid: KEYSPACE_UID, version: 1, shards: [[inMemory]], diskShards: [[onDisk]] },
      ...{ isAnyOnDisk: true, recordsByShard: [records], records, reads: new KeyspaceReads() },
    };
    const cache = new RecordCache(bytes.length * 2, WHOLE_MEMORY);
    const onDamage = (_: unknown, error: Error): never => {
      throw error;
    };
    const disk = new DiskReads({ source, cache, tables: { get: () => table }, onDamage });
    await fill(disk, { ...table, shards: [undefined] }, keys);
    const order = shuffled(records);
    const timed = (look: (start: number) => LookupStatus | undefined): number => {
      const beganMs = performance.now();
      for (const row of order) {
        if (look(row * KEY_BYTES) !== LookupStatus.OK) throw new Error('a record was not there');
      }
      return ((performance.now() - beganMs) * 1e6) / records;
    };
    const [memoryNs, cacheNs]: [number[], number[]] = [[], []];
    for (let round = 0; round < rounds; round++) {
      memoryNs.push(timed((start) => lookupInShard(table, 0, keys, start, start + KEY_BYTES)));
      cacheNs.push(timed((start) => disk.lookUpNow(table, 0, keys, start, start + KEY_BYTES)));
    }
    onDisk.file.close();
    cache.clear();
    return {
      caption: `A lookup of one of ${records.toLocaleString('en')} keys, in random order, without a protocol.`,
      labels: ['where the record is'],
      columns: [{ title: 'ns', digits: 0, better: 'lower' }],
      rows: [
        { what: ['memory tier'], figures: [median(memoryNs)] },
        { what: ['disk tier, cached'], figures: [median(cacheNs)] },
      ],
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Reads every key once, so that the cache has its record. */
async function fill(disk: DiskReads, table: VersionTable, keys: Buffer): Promise<void> {
  const keysAtOnce = 1000 * KEY_BYTES;
  for (let from = 0; from < keys.length; from += keysAtOnce) {
    await new Promise<void>((resolve) => {
      const answers = new DiskAnswers(resolve);
      for (let at = from; at < Math.min(keys.length, from + keysAtOnce); at += KEY_BYTES) {
        answers.ask(disk, table, keys, at, at + KEY_BYTES);
      }
      answers.start();
    });
  }
}

function shuffled(count: number): Int32Array {
  const random = randomOf(3);
  const order = Int32Array.from({ length: count }, (_, at) => at);
  for (let at = count - 1; at > 0; at--) {
    const other = Math.floor(random() * (at + 1));
    [order[at], order[other]] = [order[other] as number, order[at] as number];
  }
  return order;
}

export const bench = defineBench({
  about: 'The cache of the disk tier: hit ratios of policies, and the time of a hit',
  settings: {
    records: { whole: 1_000_000, short: 200_000 },
    reads: { whole: 5_000_000, short: 200_000 },
    keys: { whole: 500_000, short: 20_000 },
    rounds: { whole: 9, short: 2 },
  },
  async run({ keys, reads, records, rounds }) {
    return [ratios(records, reads), await times(keys, rounds)];
  },
});
