// Stage 2: for each shard, build its segment in a worker and deliver it to the owners. Bounded in
// bytes: a segment counts from before it is built until every owner has it.

import { SteleError } from '../../base/errors.ts';
import type { SegmentInfo } from '../../proto/gen/stele/v1/segment.ts';
import { Budget, forEachBounded } from '../bytes/bounded.ts';
import type { BuildOutcome, BuiltSegmentBytes } from '../threads/build-task.ts';
import type { ShardDone } from '../work/checkpoint.ts';
import { Conflicts } from './conflicts.ts';
import type { Delivery } from '../push/delivery.ts';
import { workFolderFull } from '../bytes/disk-reserve.ts';
import type { LoadState, ParseStageResult, ShardStageResult } from './load-state.ts';
import { refuseTooLarge, shardCost, shardRoom, skewedShard } from '../plan/memory-plan.ts';
import type { ShardCost } from '../plan/memory-plan.ts';
import { parseAgain } from './parse-stage.ts';
import { SegmentMemory } from '../threads/segment-memory.ts';

/** Segments being built or delivered at once; small ones reach this bound before that of bytes. */
const SHARDS_IN_FLIGHT_MAX = 64;
/** A damaged run is parsed again this often before the disk is held to be broken. */
const REPAIRS_MAX = 3;

/** Who takes the segments. */
export type SegmentTaker = Pick<Delivery, 'deliver'>;

/**
 * Once two values of one key are found, nothing more is delivered: what is left is only looked through
 * for further ones. `before` is what is done already, each as far as `stillHeld` finds. Throws REPLICAS_MISSING, CANCELLED, and what a worker reports.
 */
export async function runShardStage(
  state: LoadState,
  parsed: ParseStageResult,
  delivery: SegmentTaker,
  before: ReadonlyMap<number, ShardDone>,
  stillHeld: (done: ShardDone) => Promise<ShardDone | undefined>,
): Promise<ShardStageResult> {
  const { pool, progress, settings, shardCount, stop } = state;
  const done: ShardDone[] = [];
  const room = roomFor(parsed, settings.memoryMax, pool.threads);
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
      done[shard] = await buildAndDeliver(state, parsed, delivery, room, conflicts, shard);
      if (conflicts.count === 0) noteDone(state, done[shard]);
    }
    progress.shardsDone++;
  });
  if (!isComplete) throw new SteleError('CANCELLED', 'The load was stopped.');
  return { shards: done, shardsResumed, conflicts };
}

function noteDone({ checkpoint, folder }: LoadState, done: ShardDone): void {
  try {
    checkpoint.shardDone(done);
  } catch (thrown) {
    throw workFolderFull(thrown, folder.path);
  }
}

/** What bounds the stage: bytes in flight, and the memory they are in. */
interface Room {
  /** Per shard. */
  readonly costs: readonly ShardCost[];
  readonly budget: Budget;
  readonly memory: SegmentMemory;
  readonly scratchKeptBytes: number;
  /** Of the largest shard whose scratch is kept: made so large at once, it never grows. */
  readonly sectionBytesMost: number;
}

/** Throws LOAD_REJECTED or MEMORY_LIMIT for a shard that cannot be built. */
function roomFor(
  { shardBytes, shardRows }: ParseStageResult,
  memoryMax: number,
  threads: number,
): Room {
  const skewed = skewedShard(shardBytes, shardRows)?.shard;
  const costs = Array.from(shardBytes, (recordBytes, shard) => {
    const records = shardRows[shard] as number;
    refuseTooLarge(shard, { recordBytes, records }, memoryMax, threads, 1, shard === skewed);
    return shardCost(recordBytes, records);
  });
  const largest = costs.reduce(dearer, shardCost(0, 0));
  const { inFlightBytes, scratchKeptBytes, spareBytes } = shardRoom(memoryMax, threads, largest);
  const kept = shardBytes.filter(
    (_, shard) => (costs[shard] as ShardCost).scratchBytes <= scratchKeptBytes,
  );
  return {
    costs,
    budget: new Budget(inFlightBytes),
    memory: new SegmentMemory(spareBytes),
    scratchKeptBytes,
    sectionBytesMost: kept.reduce((most, byteCount) => Math.max(most, byteCount), 0),
  };
}

function dearer(one: ShardCost, other: ShardCost): ShardCost {
  return one.scratchBytes >= other.scratchBytes ? one : other;
}

async function buildAndDeliver(
  state: LoadState,
  parsed: ParseStageResult,
  delivery: SegmentTaker,
  room: Room,
  conflicts: Conflicts,
  shard: number,
): Promise<ShardDone> {
  const recordBytes = parsed.shardBytes[shard] as number;
  const nothing = { shard, rows: 0, duplicates: 0, overruled: 0, nodes: [] };
  if (recordBytes === 0 || conflicts.isFull) return nothing;
  const { budget, memory } = room;
  const { scratchBytes, segmentBytes } = room.costs[shard] as ShardCost;
  let taken = scratchBytes + segmentBytes;
  await budget.take(taken);
  try {
    if (state.stop.signal.aborted) throw new SteleError('CANCELLED', 'The load was stopped.');
    const outcome = await buildShard(state, parsed, shard, memory.take(segmentBytes), room);
    budget.giveBack(scratchBytes);
    taken -= scratchBytes;
    const { duplicates, overruled, rowCount: rows, segment } = outcome;
    conflicts.add(outcome);
    const counts = { shard, rows, duplicates, overruled };
    if (segment === undefined) return { ...counts, nodes: [] };
    const { bytes } = segment;
    const isWanted = conflicts.count === 0;
    const info = segmentInfo(shard, segment);
    const nodes = isWanted ? await delivery.deliver({ info, bytes }) : [];
    memory.giveBack(bytes);
    return { ...counts, segment: segmentRecord(segment), nodes };
  } finally {
    budget.giveBack(taken);
  }
}

/** Builds one shard; a run found damaged on the way is made again from its chunk. */
async function buildShard(
  state: LoadState,
  parsed: ParseStageResult,
  shard: number,
  memory: SharedArrayBuffer,
  { costs, scratchKeptBytes, sectionBytesMost }: Room,
): Promise<BuildOutcome> {
  const { binding, folder, keyspaceUid, log, pool, settings, shardCount } = state;
  for (let repairs = 0; ; repairs++) {
    const outcome = await pool.build({
      shard,
      shardCount,
      keyspaceUid,
      onConflict: settings.onConflict,
      runFolder: folder.runs,
      binding,
      runCount: parsed.chunks.length,
      sectionBytes: Math.max(sectionBytesMost, parsed.shardBytes[shard] as number),
      givesBack: (costs[shard] as ShardCost).scratchBytes > scratchKeptBytes,
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
    log.warn({ chunk: damaged, shard }, 'a run file is damaged; its chunk is parsed again');
    await parseAgain(state, parsed.chunks[damaged]?.portion);
  }
}

function segmentInfo(shard: number, segment: BuiltSegmentBytes): SegmentInfo {
  const { id, keyBytes, records, valueBytes } = segment;
  const digest = Buffer.from(segment.digest);
  return { id, shard, fileBytes: segment.bytes.length, records, keyBytes, valueBytes, digest };
}

function segmentRecord(segment: BuiltSegmentBytes): NonNullable<ShardDone['segment']> {
  const { id, keyBytes, records, valueBytes } = segment;
  const digest = Buffer.from(segment.digest).toString('hex');
  return { id, fileBytes: segment.bytes.length, records, keyBytes, valueBytes, digest };
}
