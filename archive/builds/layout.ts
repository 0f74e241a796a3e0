// What is at the URL of a build (docs/builds.md):
//
//   stele-build.json                            the keyspace, its uid and shards
//   runs/<hash>.run                             rows of a chunk of input, grouped by shard
//   tasks/<n>/<i>-<hash>.json                   task i of n: its runs, its rows by shard; written last
//   segments/<keyspace uid>/<segment id>.seg    finished segments
//   merges/<first>-<last>-<hash>.json           the segments of a range of shards; written last
//
// Everything but the mark is named by its content, so that attempts of one task do not disturb each
// other. A manifest is written after all that it names.

import { createHash } from 'node:crypto';
import { Digest } from '../../segment/digest.ts';
import { damagedObject, decodeJson, decodeNamed, encodeJson, encodeNamed } from '../named-json.ts';
import type { EncodedObject, JsonFamily } from '../named-json.ts';
import type { ArchivedTotals } from '../archived.ts';
import { shardNamedBy } from '../../base/segment-name.ts';
import type { BuildMark, BuiltMerge, BuiltTask } from './built.ts';
import { isBuildMark, isMerge, isTask } from './schemas.ts';

export const BUILD_MARK_NAME = 'stele-build.json';
export const TASKS = 'tasks/';
export const MERGES = 'merges/';
/** Tasks of one build. */
export const TASKS_MAX = 100_000;
const DIGEST_DIGITS = 32;

const FAMILY: JsonFamily = {
  format: 1,
  whole: 'build',
  advice: 'Remove it and run the task or merge again that wrote it; its name says which.',
};

export function runObject(hash: string): string {
  return `runs/${hash}.run`;
}

/** The beginning of the names of all manifests of task `task` of `tasks`. */
export function taskStem(tasks: number, task: number): string {
  return `${TASKS}${tasks}/${task}-`;
}

/** The numbers in the name of a task's manifest; undefined for other objects. */
export function parseTaskName(
  name: string,
): { readonly tasks: number; readonly task: number } | undefined {
  const [, tasks, task] = /^tasks\/(\d{1,6})\/(\d{1,6})-[0-9a-f]{32}\.json$/.exec(name) ?? [];
  if (tasks === undefined || task === undefined) return undefined;
  return { tasks: Number(tasks), task: Number(task) };
}

export function isMergeName(name: string): boolean {
  return /^merges\/\d{1,5}-\d{1,5}-[0-9a-f]{32}\.json$/.test(name);
}

export function encodeBuildMark(mark: BuildMark): Buffer {
  return encodeJson(FAMILY, mark);
}

/** Throws CORRUPT, UNKNOWN_FORMAT. */
export function decodeBuildMark(bytes: Buffer): BuildMark {
  return decodeJson(FAMILY, BUILD_MARK_NAME, bytes, 'mark', isBuildMark);
}

export function encodeTask(task: BuiltTask): EncodedObject {
  return encodeNamed(FAMILY, taskStem(task.tasks, task.task).slice(0, -1), task);
}

/** Throws CORRUPT unless `bytes` are those that the name stands for, and UNKNOWN_FORMAT. */
export function decodeTask(name: string, bytes: Buffer): BuiltTask {
  const task = decodeNamed(FAMILY, name, bytes, 'task', isTask);
  if (!name.startsWith(taskStem(task.tasks, task.task))) {
    throw damagedObject(FAMILY, name, 'it is the manifest of another task');
  }
  const fault = faultOfTask(task);
  if (fault !== undefined) throw damagedObject(FAMILY, name, fault);
  return task;
}

export function encodeMerge(merge: BuiltMerge): EncodedObject {
  return encodeNamed(FAMILY, `${MERGES}${merge.first}-${merge.last}`, merge);
}

/** Throws CORRUPT unless `bytes` are those that the name stands for, and UNKNOWN_FORMAT. */
export function decodeMerge(name: string, bytes: Buffer): BuiltMerge {
  const merge = decodeNamed(FAMILY, name, bytes, 'merge', isMerge);
  if (!name.startsWith(`${MERGES}${merge.first}-${merge.last}-`)) {
    throw damagedObject(FAMILY, name, 'it is the manifest of other shards');
  }
  const fault = faultOfMerge(merge);
  if (fault !== undefined) throw damagedObject(FAMILY, name, fault);
  return merge;
}

/**
 * Hash of what a task has found in the input: all of its manifest except how its rows were cut into
 * runs, which depends on the memory of the machine. Attempts with one identity can replace each
 * other.
 */
export function taskIdentity(built: BuiltTask): string {
  const { input, keyspaceUid, rejected, rows, shardCount, shards, task, tasks } = built;
  const { fingerprint, flags } = input;
  const identity = [keyspaceUid, shardCount, task, tasks, fingerprint, flags, rows, rejected];
  const text = JSON.stringify([...identity, shards]);
  return createHash('sha256').update(text).digest('hex').slice(0, DIGEST_DIGITS);
}

/** The totals of one shard of a task. */
export function shardTotals({ shards }: BuiltTask, shard: number): ArchivedTotals {
  const at = shard * DIGEST_DIGITS;
  return {
    records: shards.rows[shard] as number,
    keyBytes: shards.keyBytes[shard] as number,
    valueBytes: shards.valueBytes[shard] as number,
    digest: shards.digests.slice(at, at + DIGEST_DIGITS),
  };
}

/** The sums of counts and digests. */
export function addTotals(all: Iterable<ArchivedTotals>): ArchivedTotals {
  const sum = { records: 0, keyBytes: 0, valueBytes: 0 };
  const digest = new Digest();
  for (const one of all) {
    sum.records += one.records;
    sum.keyBytes += one.keyBytes;
    sum.valueBytes += one.valueBytes;
    digest.add(Digest.fromBytes(Buffer.from(one.digest, 'hex')));
  }
  return { ...sum, digest: digest.toHex() };
}

export function isSameTotals(one: ArchivedTotals, other: ArchivedTotals): boolean {
  return (
    one.records === other.records &&
    one.keyBytes === other.keyBytes &&
    one.valueBytes === other.valueBytes &&
    one.digest === other.digest
  );
}

function faultOfTask({ rows, runs, shardCount, shards, task, tasks }: BuiltTask) {
  if (tasks > TASKS_MAX || task > tasks) return `there is no task ${task} of ${tasks}`;
  const { digests, keyBytes, rows: shardRows, valueBytes } = shards;
  const isWhole =
    [shardRows, keyBytes, valueBytes].every(({ length }) => length === shardCount) &&
    digests.length === shardCount * DIGEST_DIGITS;
  if (!isWhole) return `it does not describe ${shardCount} shards`;
  const ofRuns = runs.reduce((sum, run) => sum + run.rows, 0);
  const ofShards = shardRows.reduce((sum, count) => sum + count, 0);
  return ofRuns === rows && ofShards === rows ? undefined : 'its rows do not add up';
}

function faultOfMerge({ first, last, shardCount, shards }: BuiltMerge): string | undefined {
  if (first > last || last >= shardCount) return `there are no shards ${first} to ${last}`;
  let before = first - 1;
  for (const { dropped, rows, segment, shard } of shards) {
    if (shard <= before || shard > last) return `shard ${shard} is not in its order`;
    before = shard;
    if (shardNamedBy(segment.id) !== shard) return `segment ${segment.id} is of another shard`;
    if (segment.records + dropped.records !== rows) {
      return `the rows of shard ${shard} do not add up`;
    }
  }
  return undefined;
}
