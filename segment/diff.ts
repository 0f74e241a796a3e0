// The difference between two states of a shard, each a base segment with deltas.
//
//     from   base d1 d2          both share base and d1, which say the same on both sides:
//     to     base d1 d3 d4       only keys of d2, d3 and d4 can differ
//
// One merge pass over the segments that are not shared. A key that only one side has there is
// looked up in the shared ones. So comparing a delta on a large base costs as much as the delta,
// and comparing two unrelated versions costs one pass over both.

import { newRecordBounds } from './record.ts';
import type { RecordBounds } from './record.ts';
import { findIn } from './record-window.ts';
import type { WindowedSegment } from './record-window.ts';
import { isSameValue, newWalk, nextKey } from './walk.ts';
import type { Walk } from './walk.ts';

export type ChangeKind = 'added' | 'removed' | 'changed';

/**
 * One key that differs. A value is cut to SAMPLE_VALUE_BYTES_MAX, and missing if that side lacks
 * the key.
 */
export interface DiffSample {
  readonly kind: ChangeKind;
  readonly key: Uint8Array;
  readonly from: SampleValue | undefined;
  readonly to: SampleValue | undefined;
}

export interface SampleValue {
  readonly bytes: Uint8Array;
  /** Length of the whole value. */
  readonly byteLength: number;
}

export interface ShardDiff {
  readonly added: number;
  readonly removed: number;
  readonly changed: number;
  /** The first ones of each kind, in the order of the file. */
  readonly samples: readonly DiffSample[];
}

const SAMPLE_VALUE_BYTES_MAX = 256;
/** Limit for all samples of one shard, for long keys. */
const SAMPLES_BYTES_MAX = 1024 * 1024;
const STEP_KEYS = 1024;

/**
 * Compares `from` with `to`: segments, newest first, of one shard of one keyspace. Returns up to
 * `samplesMax` samples of each kind. Yields after every thousand keys or so; the result is the
 * generator's return value.
 */
export function* diffSteps(
  from: readonly WindowedSegment[],
  to: readonly WindowedSegment[],
  samplesMax: number,
): Generator<void, ShardDiff, void> {
  const shared = sharedTail(from, to);
  const ownOfFrom = from.slice(0, from.length - shared.length);
  const ownOfTo = to.slice(0, to.length - shared.length);
  const walk = newWalk([...ownOfFrom, ...ownOfTo]);
  const state: DiffState = {
    walk,
    ownOfFromCount: ownOfFrom.length,
    shared,
    left: newSide(),
    right: newSide(),
  };
  const tally = newTally(samplesMax);
  for (let keys = 1; nextKey(walk); keys++) {
    compareKey(state, tally);
    if (keys % STEP_KEYS === 0) yield;
  }
  const { added, changed, removed, samples } = tally;
  return { added, removed, changed, samples };
}

/** The oldest segments, as far as both lists have the same ones. */
function sharedTail(
  from: readonly WindowedSegment[],
  to: readonly WindowedSegment[],
): readonly WindowedSegment[] {
  let count = 0;
  const most = Math.min(from.length, to.length);
  while (count < most && from.at(-1 - count)?.meta.id === to.at(-1 - count)?.meta.id) count++;
  return from.slice(from.length - count);
}

/** The record of the current key on one side. */
interface Side {
  segment: WindowedSegment | undefined;
  /** Bounds of the record: those of a cursor, or `found`. */
  bounds: RecordBounds;
  readonly found: RecordBounds;
}

function newSide(): Side {
  const found = newRecordBounds();
  return { segment: undefined, bounds: found, found };
}

interface DiffState {
  readonly walk: Walk;
  /** The cursors begin with the segments that only `from` has. */
  readonly ownOfFromCount: number;
  readonly shared: readonly WindowedSegment[];
  readonly left: Side;
  readonly right: Side;
}

interface Tally {
  added: number;
  removed: number;
  changed: number;
  samplesMax: number;
  sampleBytes: number;
  readonly sampled: Record<ChangeKind, number>;
  readonly samples: DiffSample[];
}

function newTally(samplesMax: number): Tally {
  const sampled = { added: 0, removed: 0, changed: 0 };
  return { added: 0, removed: 0, changed: 0, samplesMax, sampleBytes: 0, sampled, samples: [] };
}

function compareKey(state: DiffState, tally: Tally): void {
  const { left, right, walk } = state;
  findOwn(walk, 0, state.ownOfFromCount, left);
  findOwn(walk, state.ownOfFromCount, walk.cursors.length, right);
  if (left.segment === undefined) findShared(state, left);
  if (right.segment === undefined) findShared(state, right);
  const a = left.segment;
  const b = right.segment;
  if (a === undefined) tally.added++;
  else if (b === undefined) tally.removed++;
  else {
    const { valueStart, end } = left.bounds;
    const other = right.bounds;
    if (isSameValue(a.window.bytes, valueStart, end, b.window.bytes, other.valueStart, other.end))
      return;
    tally.changed++;
  }
  addSample(
    tally,
    a === undefined ? 'added' : b === undefined ? 'removed' : 'changed',
    left,
    right,
  );
}

/** Takes the record from the newest of the cursors `[start, end)` that are at the current key. */
function findOwn(walk: Walk, start: number, end: number, side: Side): void {
  side.segment = undefined;
  for (let index = start; index < end; index++) {
    const cursor = walk.cursors[index];
    if (cursor === undefined || !cursor.isAtKey) continue;
    side.segment = cursor.segment;
    side.bounds = cursor.bounds;
    return;
  }
}

function findShared({ shared, walk }: DiffState, side: Side): void {
  const key = walk.first;
  if (key === undefined || shared.length === 0) return;
  const { keyStart, valueStart } = key.bounds;
  for (const segment of shared) {
    const { bytes } = key.window;
    if (!findIn(segment, bytes, keyStart, valueStart, key.h1, key.h2, side.found)) continue;
    side.segment = segment;
    side.bounds = side.found;
    return;
  }
}

function addSample(tally: Tally, kind: ChangeKind, left: Side, right: Side): void {
  if (tally.sampled[kind] >= tally.samplesMax || tally.sampleBytes >= SAMPLES_BYTES_MAX) return;
  const { bounds, segment } = left.segment === undefined ? right : left;
  if (segment === undefined) return;
  const key = Uint8Array.from(segment.window.bytes.subarray(bounds.keyStart, bounds.valueStart));
  tally.sampled[kind]++;
  tally.sampleBytes += key.length + 2 * SAMPLE_VALUE_BYTES_MAX;
  tally.samples.push({ kind, key, from: sampleValue(left), to: sampleValue(right) });
}

function sampleValue({ bounds, segment }: Side): SampleValue | undefined {
  if (segment === undefined) return undefined;
  const { end, valueStart } = bounds;
  const cutAt = Math.min(end, valueStart + SAMPLE_VALUE_BYTES_MAX);
  return {
    bytes: Uint8Array.from(segment.window.bytes.subarray(valueStart, cutAt)),
    byteLength: end - valueStart,
  };
}
