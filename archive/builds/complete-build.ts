// A complete build: all tasks, and segments of all shards that were made of exactly these tasks.
// `stele commit` takes nothing else.

import { SteleError } from '../../base/errors.ts';
import { listNames } from '../../base/ids.ts';
import type { ArchivedSegment, ArchivedTotals } from '../archived.ts';
import type { StoreCallOptions } from '../object-store.ts';
import type { BuildMark, BuiltMerge, BuiltShard } from './built.ts';
import type { BuildStore, Found } from './build-store.ts';
import { addTotals, isSameTotals, shardTotals } from './layout.ts';
import { readTaskSet } from './task-set.ts';
import type { TaskSet } from './task-set.ts';

const NAMED_MAX = 8;

export interface CompleteBuild {
  readonly mark: BuildMark;
  readonly tasks: TaskSet;
  /** By shard; shards without rows have none. */
  readonly segments: readonly ArchivedSegment[];
  /** Of all segments. */
  readonly totals: ArchivedTotals;
  /** Read by all tasks, without the rejected ones: `totals.records` and `duplicates`. */
  readonly rows: number;
  readonly rejected: number;
  readonly duplicates: number;
  /** Of `duplicates`, those with another value. */
  readonly overruled: number;
}

/**
 * Reads all manifests and checks that they fit together. Whether the segments themselves are there
 * and intact is for the caller to check. Throws NOT_FOUND (no build), CONFLICT, BUILD_INCOMPLETE,
 * CORRUPT, and what the store throws.
 */
export async function readCompleteBuild(
  build: BuildStore,
  keyspace: string,
  options?: StoreCallOptions,
): Promise<CompleteBuild> {
  const mark = await requireBuild(build, keyspace, options);
  const tasks = await readTaskSet(build, mark, options);
  const merges = chooseMerges(build.store.url, mark, tasks, await build.merges(options));
  const shards = merges.flatMap((merge) => merge.shards);
  checkSums(mark.shardCount, tasks, shards);
  const segments = shards.map(({ segment, shard }) => ({ ...segment, shard }));
  const dropped = addTotals(shards.map((one) => one.dropped));
  return {
    mark,
    tasks,
    segments,
    totals: addTotals(segments),
    rows: tasks.tasks.reduce((sum, { rows }) => sum + rows, 0),
    rejected: tasks.tasks.reduce((sum, { rejected }) => sum + rejected, 0),
    duplicates: dropped.records,
    overruled: shards.reduce((sum, { overruled }) => sum + overruled, 0),
  };
}

/** The mark. Throws NOT_FOUND if the store has no build, CONFLICT if it is of another keyspace. */
export async function requireBuild(
  build: BuildStore,
  keyspace: string,
  options?: StoreCallOptions,
): Promise<BuildMark> {
  const mark = await build.mark(options);
  if (mark === undefined) {
    const { url } = build.store;
    const text = `There is no build at ${url}: it has no stele-build.json. Check the URL; \`stele build ${keyspace} INPUT... --task i/n --out ${url}\` begins one.`;
    throw new SteleError('NOT_FOUND', text);
  }
  build.requireOf(mark, keyspace);
  return mark;
}

/** Merges of these tasks that have each shard once, in order. */
function chooseMerges(
  url: string,
  { keyspaceUid, shardCount }: BuildMark,
  { identities }: TaskSet,
  found: readonly Found<BuiltMerge>[],
): BuiltMerge[] {
  const isOfThese = (merge: BuiltMerge): boolean =>
    merge.keyspaceUid === keyspaceUid &&
    merge.shardCount === shardCount &&
    merge.tasks.join() === identities.join();
  const whole = found.flatMap(({ manifest }) => manifest ?? []);
  const usable = whole.filter(isOfThese);
  const rules = new Set(usable.map(({ onConflict }) => onConflict));
  if (rules.size > 1) {
    throw new SteleError(
      'CONFLICT',
      `${url} was merged with --on-conflict ${[...rules].join(' and with ')}; remove merges/ and merge again with one of them.`,
    );
  }
  const chosen: BuiltMerge[] = [];
  const missing: string[] = [];
  for (let shard = 0; shard < shardCount;) {
    // The longest first, so that a merge of everything is preferred to its parts.
    const [next] = usable
      .filter(({ first }) => first === shard)
      .sort((one, other) => other.last - one.last);
    if (next !== undefined) {
      chosen.push(next);
      shard = next.last + 1;
      continue;
    }
    const later = usable.map(({ first }) => first).filter((first) => first > shard);
    const end = later.length === 0 ? shardCount : Math.min(...later);
    missing.push(end - 1 === shard ? `${shard}` : `${shard} to ${end - 1}`);
    shard = end;
  }
  if (missing.length === 0) return chosen;
  const others = whole.length - usable.length;
  const why =
    others > 0 ? ` (${others} merges there are of other results of tasks, and do not count)` : '';
  const trouble = found.find((one) => one.trouble !== '')?.trouble ?? '';
  throw new SteleError(
    'BUILD_INCOMPLETE',
    `The shards ${listNames(missing, NAMED_MAX)} of ${shardCount} are not merged at ${url}${why}; run \`stele build KEYSPACE --merge --out ${url}\`, or the parts of it that are missing.${trouble === '' ? '' : ` ${trouble}`}`,
  );
}

/** For each shard: the rows of all tasks are the records of its segment and those dropped. */
function checkSums(shardCount: number, { tasks }: TaskSet, shards: readonly BuiltShard[]): void {
  const merged = new Map(shards.map((one) => [one.shard, one]));
  for (let shard = 0; shard < shardCount; shard++) {
    const read = addTotals(tasks.map((task) => shardTotals(task, shard)));
    const one = merged.get(shard);
    const kept = addTotals(one === undefined ? [] : [one.segment, one.dropped]);
    if (isSameTotals(read, kept)) continue;
    throw new SteleError(
      'CORRUPT',
      `Shard ${shard}: its tasks have ${read.records} rows (digest ${read.digest}), its merge has ${kept.records} (digest ${kept.digest}). Remove merges/ and merge again; please report this.`,
    );
  }
}
