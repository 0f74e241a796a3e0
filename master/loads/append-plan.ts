// The segments of an append's version, and what must be measured before its totals are known. Pure.
//
//     base      shard 0: [b0, d1]     shard 1: [b1]     shard 2: (nothing)
//     input     shard 0: x            shard 1: (none)   shard 2: y
//     version   shard 0: [b0, d1, x]  shard 1: [b1]     shard 2: [y]
//     measured  x over (d1, b0)
//
// A segment's name is its content, so the shard's chain may contain a delta already (the same rows
// were appended before). It then moves to the end, where its records are the newest again. A delta
// that is the newest already changes nothing.

import { SteleError } from '../../base/errors.ts';
import { DELTAS_WAITING_MAX } from '../../base/limits.ts';
import type { DeltaMeasure, DeltaRef } from '../../proto/gen/stele/v1/datanode.ts';
import type { AppendRecord, ManifestRecord, SegmentRecord } from '../catalog/records.ts';
import { addTotals, totalsRecord } from '../catalog/totals.ts';
import type { TotalsRecord } from '../catalog/totals.ts';

export interface AppendPlan {
  /** All segments of the version, by shard, oldest first. */
  readonly segments: readonly SegmentRecord[];
  /** The deltas to measure. */
  readonly wanted: readonly Wanted[];
  /** Overwritten totals of segments whose older segments have not changed. */
  readonly overwritten: Readonly<Record<string, TotalsRecord>>;
  /** Number of added keys that is known without measuring. */
  readonly added: number;
  readonly unchanged: number;
}

/** A delta over older segments, and the purposes of its measure. */
export interface Wanted {
  readonly ref: DeltaRef;
  readonly delta: SegmentRecord;
  /** True if its `overwritten` is part of the manifest. */
  readonly isInVersion: boolean;
  /** True if its counts are part of the append's result. */
  readonly isCounted: boolean;
}

/**
 * `base`: the manifest appended to, if any; `deltas`: at most one per shard. Throws OVERLOADED if a
 * shard has as many deltas as may wait to be merged.
 */
export function planAppend(
  base: Pick<ManifestRecord, 'segments' | 'overwritten'> | undefined,
  deltas: readonly SegmentRecord[],
  shardCount: number,
): AppendPlan {
  const chains = Array.from({ length: shardCount }, (): SegmentRecord[] => []);
  for (const segment of base?.segments ?? []) chains[segment.shard]?.push(segment);
  const deltaOf = new Map(deltas.map((delta) => [delta.shard, delta]));
  const wanted: Wanted[] = [];
  let added = 0;
  let unchanged = 0;
  const segments = chains.flatMap((chain, shard) => {
    const delta = deltaOf.get(shard);
    if (delta === undefined) return chain;
    if (chain.length === 0) {
      added += delta.records;
      return [delta];
    }
    if (chain.at(-1)?.id === delta.id) {
      unchanged += delta.records;
      return chain;
    }
    const rest = chain.filter(({ id }) => id !== delta.id);
    if (rest.length > DELTAS_WAITING_MAX) throw tooManyDeltas(shard);
    wanted.push(...measuresOf(chain, rest, delta));
    return [...rest, delta];
  });
  const isOther = new Set<string>(wanted.map(({ delta }) => delta.id));
  // A segment that has become the base of its shard overwrites nothing.
  segments.forEach(({ id, shard }, index) => {
    if (segments[index - 1]?.shard !== shard) isOther.add(id);
  });
  const overwritten = Object.fromEntries(
    Object.entries(base?.overwritten ?? {}).filter(([id]) => !isOther.has(id)),
  );
  return { segments, wanted, overwritten, added, unchanged };
}

function tooManyDeltas(shard: number): SteleError {
  return new SteleError(
    'OVERLOADED',
    `Shard ${shard} has ${DELTAS_WAITING_MAX} deltas that wait to be merged, and takes no more before they are; the datanodes merge them while all owners serve and have room (\`stele nodes\`, their logs). Run the same command again later, or append less often.`,
  );
}

/** What must be measured of a whole version: each delta over the older segments of its shard. */
export function planWhole(segments: readonly SegmentRecord[]): AppendPlan {
  let first = 0;
  const wanted = segments.flatMap((delta, index): Wanted[] => {
    if (segments[first]?.shard !== delta.shard) first = index;
    if (first === index) return [];
    const older = segments.slice(first, index);
    const ref = { segmentId: delta.id, olderIds: older.map(({ id }) => id).reverse() };
    return [{ ref, delta, isInVersion: true, isCounted: false }];
  });
  return { segments, wanted, overwritten: {}, added: 0, unchanged: 0 };
}

/** `rest`: the chain without the delta, if that was in it. */
function measuresOf(
  chain: readonly SegmentRecord[],
  rest: readonly SegmentRecord[],
  delta: SegmentRecord,
): Wanted[] {
  const over = (one: SegmentRecord, older: readonly SegmentRecord[]): DeltaRef => ({
    segmentId: one.id,
    olderIds: older.map(({ id }) => id).reverse(),
  });
  if (rest.length === chain.length) {
    return [{ ref: over(delta, rest), delta, isInVersion: true, isCounted: true }];
  }
  // The segments after it have other segments below them now, but the changes are reported relative
  // to the old chain.
  const from = chain.findIndex(({ id }) => id === delta.id);
  const moved = [...rest, delta].map((one, index, all): Wanted => {
    const ref = over(one, all.slice(0, index));
    return { ref, delta: one, isInVersion: true, isCounted: false };
  });
  const counted = { ref: over(delta, chain), delta, isInVersion: false, isCounted: true };
  return [...moved.slice(Math.max(1, from)), counted];
}

export interface AppendTotals {
  readonly totals: TotalsRecord;
  readonly overwritten: Readonly<Record<string, TotalsRecord>>;
  readonly outcome: Omit<AppendRecord, 'base'>;
}

/** `measures`: in the order of `plan.wanted`. */
export function appendTotals(plan: AppendPlan, measures: readonly DeltaMeasure[]): AppendTotals {
  const overwritten: Record<string, TotalsRecord> = { ...plan.overwritten };
  let { added, unchanged } = plan;
  let replaced = 0;
  plan.wanted.forEach(({ delta, isCounted, isInVersion }, index) => {
    const measure = measures[index];
    if (measure === undefined) return;
    if (isInVersion && (measure.overwritten?.records ?? 0) > 0) {
      overwritten[delta.id] = totalsRecord(measure.overwritten);
    }
    if (!isCounted) return;
    added += measure.added;
    replaced += measure.replaced;
    unchanged += measure.unchanged;
  });
  const totals = addTotals(plan.segments, Object.values(overwritten));
  return { totals, overwritten, outcome: { added, replaced, unchanged } };
}
