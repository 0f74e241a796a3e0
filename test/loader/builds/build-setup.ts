// What tests of builds share: a build in a folder, and its tasks and merges as calls.

import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { onTestFinished } from 'vitest';
import { BuildStore } from '../../../archive/builds/build-store.ts';
import type { BuiltTask } from '../../../archive/builds/built.ts';
import { addTotals, shardTotals } from '../../../archive/builds/layout.ts';
import { readTaskSet } from '../../../archive/builds/task-set.ts';
import type { ArchivedTotals } from '../../../archive/archived.ts';
import { openStore } from '../../../archive/open-store.ts';
import { resolveSettings } from '../../../base/config.ts';
import { runMerge } from '../../../loader/builds/run-merge.ts';
import type { MergeSummary } from '../../../loader/builds/run-merge.ts';
import { runTask } from '../../../loader/builds/run-task.ts';
import type { TaskSummary } from '../../../loader/builds/run-task.ts';
import { buildSettings } from '../../../loader/builds/settings.ts';
import type { BuildSettings } from '../../../loader/builds/settings.ts';
import type { JobHooks } from '../../../loader/stages/load-job.ts';
import { someMark } from '../../support/builds.ts';
import { tempDir } from '../../support/temp-dir.ts';

/** The uid and the shards of the fake cluster's keyspaces. */
const UID = '00112233aabbccdd';
const SHARDS = 8;

type Flags = Readonly<Record<string, unknown>>;

export interface BuildSetup {
  readonly folder: string;
  readonly url: string;
  readonly build: BuildStore;
  /** Does one task, `1/3`. */
  readonly task: (
    paths: readonly string[],
    part: string,
    flags?: Flags,
    hooks?: JobHooks,
  ) => Promise<TaskSummary>;
  readonly merge: (part?: string, flags?: Flags, hooks?: JobHooks) => Promise<MergeSummary>;
  /** What is in the work folder. */
  readonly leftBehind: () => string[];
}

export interface SetupOptions {
  /** The URL of the build; default: a folder of its own. */
  readonly url?: string;
  readonly flags?: Flags;
  /** Of the store, for the test itself. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

/** A build of the keyspace `ks` whose mark is there. */
export async function setUpBuild({
  url,
  flags: more = {},
  environment = process.env,
}: SetupOptions = {}): Promise<BuildSetup> {
  const folder = tempDir();
  mkdirSync(join(folder, 'build'));
  const out = url ?? pathToFileURL(join(folder, 'build')).href;
  const build = new BuildStore(await openStore(out, more, { environment }));
  onTestFinished(() => build.store.close());
  await build.claim(someMark({ keyspace: 'ks', keyspaceUid: UID, shardCount: SHARDS }));
  const workDir = join(folder, 'work');
  const settingsOf = (paths: readonly string[], part: string, flags: Flags): BuildSettings => {
    const given = { out, task: part, workDir, ...more, ...flags };
    const { values } = resolveSettings(buildSettings, { flags: given, environment: {}, file: {} });
    return { ...values, keyspace: 'ks', paths };
  };
  return {
    folder,
    url: out,
    build,
    task: (paths, part, flags = {}, hooks = {}) => runTask(settingsOf(paths, part, flags), hooks),
    merge: (part = '1/1', flags = {}, hooks = {}) => runMerge(settingsOf([], part, flags), hooks),
    leftBehind: () => (existsSync(workDir) ? readdirSync(workDir) : []),
  };
}

/** Does all tasks of `count`, the last first. */
export async function allTasks(
  { task }: BuildSetup,
  paths: readonly string[],
  count: number,
  flags: Flags = {},
): Promise<void> {
  for (let number = count; number >= 1; number--) await task(paths, `${number}/${count}`, flags);
}

/** The manifests of all tasks, in order. */
export async function tasksOf({ build }: BuildSetup): Promise<readonly BuiltTask[]> {
  const mark = someMark({ keyspace: 'ks', keyspaceUid: UID, shardCount: SHARDS });
  return (await readTaskSet(build, mark)).tasks;
}

/** The sums over all shards of all tasks. */
export function totalsOf(tasks: readonly BuiltTask[]): ArchivedTotals {
  return addTotals(
    tasks.flatMap((task) => Array.from({ length: SHARDS }, (_, shard) => shardTotals(task, shard))),
  );
}
