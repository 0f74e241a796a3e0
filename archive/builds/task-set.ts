// Chooses the tasks of a build that belong together: one result of each of n tasks, of the same
// input and the same flags, for the keyspace of the build.

import { SteleError } from '../../base/errors.ts';
import { listNames, shorten } from '../../base/ids.ts';
import { formatBytes } from '../../base/units.ts';
import type { StoreCallOptions } from '../object-store.ts';
import type { BuildMark, BuiltTask, TaskInput } from './built.ts';
import type { BuildStore, Found } from './build-store.ts';
import { taskIdentity } from './layout.ts';

const NAMED_MAX = 12;

export interface TaskSet {
  /** In order: task 1 first. */
  readonly tasks: readonly BuiltTask[];
  /** `taskIdentity` of each. */
  readonly identities: readonly string[];
}

/**
 * Reads the manifests of all tasks. Throws BUILD_INCOMPLETE with the list of those that are missing, CONFLICT for results that do not belong together.
 */
export async function readTaskSet(
  build: BuildStore,
  mark: BuildMark,
  options?: StoreCallOptions,
): Promise<TaskSet> {
  const names = await build.taskNames(options);
  const tasks = chooseCount(build.store.url, names);
  const ofCount = names.get(tasks) ?? new Map<number, string[]>();
  const chosen: BuiltTask[] = [];
  const identities: string[] = [];
  for (let task = 1; task <= tasks; task++) {
    const found: Found<BuiltTask>[] = [];
    for (const name of ofCount.get(task) ?? []) found.push(await build.task(name, options));
    const one = chooseAttempt(task, found);
    requireAgreement(mark, chosen[0], one);
    chosen.push(one);
    identities.push(taskIdentity(one));
  }
  return { tasks: chosen, identities };
}

/** The number of tasks of which all are there. */
function chooseCount(
  url: string,
  names: ReadonlyMap<number, ReadonlyMap<number, readonly string[]>>,
): number {
  const complete = [...names].filter(([tasks, found]) => found.size === tasks);
  const [first, second] = complete;
  if (first !== undefined && second === undefined) return first[0];
  if (first !== undefined && second !== undefined) {
    throw new SteleError(
      'CONFLICT',
      `${url} was built twice, by ${first[0]} and by ${second[0]} tasks; remove tasks/${first[0]}/ or tasks/${second[0]}/ and run the same command again.`,
    );
  }
  const [most] = [...names].sort(([, one], [, other]) => other.size - one.size);
  if (most === undefined) {
    const text = `${url} has no result of any task yet; run \`stele build KEYSPACE INPUT... --task i/n --out ${url}\` for each i from 1 to n.`;
    throw new SteleError('BUILD_INCOMPLETE', text);
  }
  const [tasks, found] = most;
  const missing: number[] = [];
  for (let task = 1; task <= tasks; task++) if (!found.has(task)) missing.push(task);
  throw new SteleError(
    'BUILD_INCOMPLETE',
    `${missing.length} of ${tasks} tasks have no result at ${url}: ${listNames(missing, NAMED_MAX)}. Run them (again): each writes its result last.`,
  );
}

/** Any of several attempts with the same content; an attempt that cannot be read does not count. */
function chooseAttempt(task: number, found: readonly Found<BuiltTask>[]): BuiltTask {
  const whole = found.filter(({ manifest }) => manifest !== undefined);
  const [first] = whole;
  if (first?.manifest === undefined) {
    const text = `Task ${task} has no result that can be read. ${found[0]?.trouble ?? ''}`;
    throw new SteleError('CORRUPT', text);
  }
  const identity = taskIdentity(first.manifest);
  const other = whole.find(
    ({ manifest }) => manifest !== undefined && taskIdentity(manifest) !== identity,
  );
  if (other?.manifest === undefined) return first.manifest;
  throw new SteleError(
    'CONFLICT',
    `Two attempts of task ${task} have different results: ${first.name} (${describe(first.manifest)}) and ${other.name} (${describe(other.manifest)}). The input or the flags changed between them; remove the one that is not wanted, or build into another URL.`,
  );
}

function describe({ input, rows }: BuiltTask): string {
  return `${rows} rows of ${describeInput(input)}`;
}

function describeInput({ bytes, text }: TaskInput): string {
  return `${shorten(text, 80)}${bytes > 0 ? `, ${formatBytes(bytes)}` : ''}`;
}

function requireAgreement(mark: BuildMark, first: BuiltTask | undefined, one: BuiltTask): void {
  const { keyspaceUid, shardCount, task } = one;
  if (keyspaceUid !== mark.keyspaceUid || shardCount !== mark.shardCount) {
    throw new SteleError(
      'CONFLICT',
      `Task ${task} was built for a keyspace with uid ${keyspaceUid} and ${shardCount} shards, the build is of uid ${mark.keyspaceUid} and ${mark.shardCount} shards; run the task again.`,
    );
  }
  if (first === undefined) return;
  const why = disagreement(first.input, one.input);
  if (why === undefined) return;
  throw new SteleError(
    'CONFLICT',
    `Tasks ${first.task} and ${task} do not belong together: ${why}. Remove the result of the wrong one, and run it again as the others.`,
  );
}

/** Why two tasks do not belong together; undefined if they do. */
export function disagreement(one: TaskInput, other: TaskInput): string | undefined {
  if (one.fingerprint !== other.fingerprint) {
    return `they saw different inputs (${describeInput(one)}; ${describeInput(other)}), or files with other times: copies must keep their times (\`cp -p\`, \`rsync -t\`)`;
  }
  const names = new Set([...Object.keys(one.flags), ...Object.keys(other.flags)]);
  for (const name of names) {
    const [a = 'absent', b = 'absent'] = [one.flags[name], other.flags[name]];
    if (a !== b) return `--${name} was '${shorten(a)}' for one and '${shorten(b)}' for the other`;
  }
  const [a, b] = [one.dialects.join('; '), other.dialects.join('; ')];
  if (a === '' || b === '' || a === b) return undefined;
  return `one read its input as ${shorten(a, 200)}, the other as ${shorten(b, 200)}; say how with --format, --header, --key, --value`;
}
