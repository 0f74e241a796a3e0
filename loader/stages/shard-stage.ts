// Stage 2: builds the segment of each shard in a worker thread and delivers it to its owners. The
// bytes in flight are bounded: a segment counts from before it is built until every owner has it.

import { SteleError } from '../../base/errors.ts';
import type { SegmentInfo } from '../../proto/gen/stele/v1/segment.ts';
import { Semaphore, forEachBounded } from '../bytes/bounded.ts';
import type { BuildOutcome, BuiltSegmentBytes } from '../threads/build-task.ts';
import type { ShardDone } from '../work/checkpoint.ts';
import { Conflicts } from './conflicts.ts';
import type { Delivery } from '../push/delivery.ts';
import { workFolderFull } from '../bytes/disk-reserve.ts';
import { checkStopped } from './load-job.ts';
import type { LoadJob } from './load-job.ts';
import { refuseTooLarge, shardCost, shardLimits, skewedShard } from '../plan/memory-plan.ts';
import type { ShardCost } from '../plan/memory-plan.ts';
import { parseAgain } from './parse-stage.ts';
import type { ParseStageResult } from './parse-stage.ts';

/**
 * Segments that are built or delivered at once; small ones reach this bound before the one in
 * bytes.
 */
const SHARDS_IN_FLIGHT_MAX = 64;
/** Times that a damaged run is parsed again before the disk counts as broken. */
const REPAIRS_MAX = 3;

/** Pieces of memory that are kept for reuse. */
const SPARES_MAX = 64;
/** A piece may be this many times larger than what is asked for. */
const WASTE_FACTOR_MAX = 2;

export interface ShardStageResult {
  readonly shards: readonly ShardDone[];
  readonly shardsResumed: number;
  /** Empty in a load that can be committed. */
  readonly conflicts: Conflicts;
}

/** Receives the built segments. */
export type SegmentTaker = Pick<Delivery, 'deliver'>;

/** The rows that the shards are built of. */
export interface ShardRows extends Pick<ParseStageResult, 'shardBytes' | 'shardRows'> {
  /** Runs in the work folder, in the order that decides between two values of a key. */
  readonly runCount: number;
  /** Makes a run again that is damaged. */
  repair(run: number): Promise<void>;
}

/** What the stage needs of a load, or of a merge of runs. */
export type ShardJob = Pick<
  LoadJob,
  | 'binding'
  | 'checkpoint'
  | 'folder'
  | 'keyspaceUid'
  | 'log'
  | 'pool'
  | 'progress'
  | 'shardCount'
  | 'stop'
> & {
  readonly settings: Pick<LoadJob['settings'], 'memoryMax' | 'onConflict'>;
  /** Whether `ShardDone.dropped` is wanted. */
  readonly countsDropped?: boolean;
};

/** The rows that the parse stage has read. */
export function parsedRows(job: LoadJob, { chunks, ...parsed }: ParseStageResult): ShardRows {
  return {
    ...parsed,
    runCount: chunks.length,
    repair: (run) => parseAgain(job, chunks[run]?.portion),
  };
}

/**
 * Shards in `before` are done already if `stillHeld` returns them. When a conflict is found (two
 * values of one key), nothing more is delivered, and the remaining shards are only searched for
 * further conflicts. Throws REPLICAS_MISSING, CANCELLED, and the errors of the workers.
 */
export async function runShardStage(
  job: ShardJob,
  rows: ShardRows,
  delivery: SegmentTaker,
  before: ReadonlyMap<number, ShardDone>,
  stillHeld: (done: ShardDone) => Promise<ShardDone | undefined>,
): Promise<ShardStageResult> {
  const { pool, progress, settings, shardCount, stop } = job;
  const done: ShardDone[] = [];
  const limits = buildLimits(rows, settings.memoryMax, pool.threads);
  const conflicts = new Conflicts();
  let shardsResumed = 0;
  progress.beginShards(shardCount);
  const shards = Array.from({ length: shardCount }, (_, shard) => shard);
  const isComplete = await forEachBounded(shards, SHARDS_IN_FLIGHT_MAX, stop, async (shard) => {
    const earlier = before.get(shard);
    const held = earlier && (await stillHeld(earlier));
    if (held !== undefined) {
      shardsResumed++;
      done[shard] = held;
      held.nodes.forEach((node) => progress.acknowledge(node));
    } else {
      done[shard] = await buildAndDeliver(job, rows, delivery, limits, conflicts, shard);
      if (conflicts.count === 0) noteDone(job, done[shard]);
    }
    progress.shardsDone++;
  });
  if (!isComplete) throw new SteleError('CANCELLED', 'The load was stopped.');
  return { shards: done, shardsResumed, conflicts };
}

function noteDone({ checkpoint, folder }: ShardJob, done: ShardDone): void {
  try {
    checkpoint.shardDone(done);
  } catch (thrown) {
    throw workFolderFull(thrown, folder.path);
  }
}

/** Bounds of the stage: bytes in flight, and the memory that is kept for reuse. */
interface BuildLimits {
  /** By shard. */
  readonly costs: readonly ShardCost[];
  readonly budget: Semaphore;
  readonly memory: SegmentMemory;
  readonly scratchKeptBytes: number;
  /** Bytes of the largest shard whose scratch is kept. Scratch of that size never has to grow. */
  readonly sectionBytesMost: number;
}

/** Throws LOAD_REJECTED or MEMORY_LIMIT for a shard that cannot be built. */
function buildLimits(
  { shardBytes, shardRows }: ShardRows,
  memoryMax: number,
  threads: number,
): BuildLimits {
  const skewed = skewedShard(shardBytes, shardRows)?.shard;
  const costs = Array.from(shardBytes, (recordBytes, shard) => {
    const records = shardRows[shard] as number;
    refuseTooLarge(shard, { recordBytes, records }, memoryMax, threads, 1, shard === skewed);
    return shardCost(recordBytes, records);
  });
  const largest = costs.reduce(larger, shardCost(0, 0));
  const { inFlightBytes, scratchKeptBytes, spareBytes } = shardLimits(memoryMax, threads, largest);
  const kept = shardBytes.filter(
    (_, shard) => (costs[shard] as ShardCost).scratchBytes <= scratchKeptBytes,
  );
  return {
    costs,
    budget: new Semaphore(inFlightBytes),
    memory: new SegmentMemory(spareBytes),
    scratchKeptBytes,
    sectionBytesMost: kept.reduce((most, byteCount) => Math.max(most, byteCount), 0),
  };
}

function larger(one: ShardCost, other: ShardCost): ShardCost {
  return one.scratchBytes >= other.scratchBytes ? one : other;
}

async function buildAndDeliver(
  job: ShardJob,
  rows: ShardRows,
  delivery: SegmentTaker,
  limits: BuildLimits,
  conflicts: Conflicts,
  shard: number,
): Promise<ShardDone> {
  const recordBytes = rows.shardBytes[shard] as number;
  const nothing = { shard, rows: 0, duplicates: 0, overruled: 0, nodes: [] };
  if (recordBytes === 0 || conflicts.isFull) return nothing;
  const { budget, memory } = limits;
  const { scratchBytes, segmentBytes } = limits.costs[shard] as ShardCost;
  let taken = scratchBytes + segmentBytes;
  await budget.acquire(taken);
  try {
    checkStopped(job);
    const outcome = await buildShard(job, rows, shard, memory.take(segmentBytes), limits);
    budget.release(scratchBytes);
    taken -= scratchBytes;
    const { dropped, duplicates, overruled, rowCount, segment } = outcome;
    conflicts.add(outcome);
    const more = dropped && { dropped: { ...dropped, digest: hexOf(dropped.digest) } };
    const counts = { shard, rows: rowCount, duplicates, overruled, ...more };
    if (segment === undefined) return { ...counts, nodes: [] };
    const { bytes } = segment;
    const isWanted = conflicts.count === 0;
    const info = segmentInfo(shard, segment);
    const nodes = isWanted ? await delivery.deliver({ info, bytes }) : [];
    memory.release(bytes);
    return { ...counts, segment: segmentRecord(segment), nodes };
  } finally {
    budget.release(taken);
  }
}

/** Builds one shard. A run that is found damaged is made again from its chunk. */
async function buildShard(
  job: ShardJob,
  rows: ShardRows,
  shard: number,
  memory: SharedArrayBuffer,
  { costs, scratchKeptBytes, sectionBytesMost }: BuildLimits,
): Promise<BuildOutcome> {
  const { binding, folder, keyspaceUid, log, pool, settings, shardCount } = job;
  for (let repairs = 0; ; repairs++) {
    const outcome = await pool.build({
      shard,
      shardCount,
      keyspaceUid,
      onConflict: settings.onConflict,
      runFolder: folder.runs,
      binding,
      runCount: rows.runCount,
      countsDropped: job.countsDropped === true,
      sectionBytes: Math.max(sectionBytesMost, rows.shardBytes[shard] as number),
      releasesMemory: (costs[shard] as ShardCost).scratchBytes > scratchKeptBytes,
      memory,
    });
    const damaged = outcome.damagedRun;
    if (damaged === undefined) return outcome;
    if (repairs === REPAIRS_MAX) {
      throw new SteleError(
        'IO',
        `Run ${damaged} in ${folder.runs} does not keep what is written to it; check that disk, or use another --work-dir.`,
      );
    }
    log.warn({ chunk: damaged, shard }, 'a run file is damaged; it is made again');
    await rows.repair(damaged);
  }
}

function segmentInfo(shard: number, segment: BuiltSegmentBytes): SegmentInfo {
  const { id, keyBytes, records, valueBytes } = segment;
  const digest = Buffer.from(segment.digest);
  return { id, shard, fileBytes: segment.bytes.length, records, keyBytes, valueBytes, digest };
}

function segmentRecord(segment: BuiltSegmentBytes): NonNullable<ShardDone['segment']> {
  const { id, keyBytes, records, valueBytes } = segment;
  const digest = hexOf(segment.digest);
  return { id, fileBytes: segment.bytes.length, records, keyBytes, valueBytes, digest };
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/**
 * Reuses the memory of segments that are built and sent: fresh memory costs the kernel more (a page
 * fault and 4 KiB of zeros per page) than building the segment in it. The caller bounds what is in
 * flight; what waits here is bounded in bytes and in pieces.
 */
export class SegmentMemory {
  readonly #spares: SharedArrayBuffer[] = [];
  readonly #spareBytesMax: number;
  #spareBytes = 0;

  /** `spareBytesMax` bounds what is kept for reuse. */
  constructor(spareBytesMax = Infinity) {
    this.#spareBytesMax = spareBytesMax;
  }

  /** A piece of at least `byteCount`: the smallest spare one that fits, or a new one. */
  take(byteCount: number): SharedArrayBuffer {
    let best = -1;
    for (let at = 0; at < this.#spares.length; at++) {
      const size = this.#spares[at]?.byteLength ?? 0;
      if (size < byteCount || size > byteCount * WASTE_FACTOR_MAX) continue;
      if (best < 0 || size < (this.#spares[best]?.byteLength ?? 0)) best = at;
    }
    const [spare] = best < 0 ? [] : this.#spares.splice(best, 1);
    this.#spareBytes -= spare?.byteLength ?? 0;
    return spare ?? new SharedArrayBuffer(roundUp(byteCount));
  }

  /** Keeps the memory of a segment for reuse; nothing may read the segment any more. */
  release(bytes: Uint8Array): void {
    if (!(bytes.buffer instanceof SharedArrayBuffer)) return;
    const { buffer } = bytes;
    this.#spares.push(buffer);
    this.#spareBytes += buffer.byteLength;
    while (this.#spares.length > SPARES_MAX || this.#spareBytes > this.#spareBytesMax) {
      this.#spareBytes -= this.#spares.shift()?.byteLength ?? 0;
    }
  }
}

/**
 * Rounds up by an eighth at most, so that a piece fits the next segment, too. Untouched pages cost
 * nothing.
 */
function roundUp(byteCount: number): number {
  const step = 2 ** Math.max(12, Math.floor(Math.log2(byteCount)) - 3);
  return Math.ceil(byteCount / step) * step;
}
