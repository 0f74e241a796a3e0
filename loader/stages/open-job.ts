// The first two steps of a job (load-job.ts), and what must happen at its end however it ends.

import { setMaxListeners } from 'node:events';
import { resolve } from 'node:path';
import { toSteleError } from '../../base/errors.ts';
import { silentLogger } from '../../base/log.ts';
import type { Logger } from '../../base/log.ts';
import { findInputs } from '../input/find-inputs.ts';
import { STDIN_PATH, changeBehind } from '../input/inputs.ts';
import type { PreparedInput } from '../input/inputs.ts';
import { isRemote, shownUrl } from '../remote/remote-file.ts';
import { planChunks } from '../plan/chunk-plan.ts';
import type { LoadSettings } from '../settings.ts';
import { poolFor } from '../threads/work-pool.ts';
import { openDryFolder, openWorkFolder } from '../work/work-folder.ts';
import type { WorkFolder } from '../work/work-folder.ts';
import type { JobHooks, OpenJob, PreparedJob } from './load-job.ts';
import { prepareInputs } from './prepare.ts';
import { ProgressCounter } from './progress.ts';
import { checkRejectsFile } from './rejects-file.ts';

const PROGRESS_EVERY_MS = 200;

/** What kind of work a job is. */
export interface JobKind {
  /** Its work folder is one of its own, and is removed at the end. */
  readonly isDry?: boolean;
  /** What else than keyspace and paths tells its work folder from others. */
  readonly key?: readonly string[];
  /** What it reads instead of inputs, for people. */
  readonly source?: string;
}

/**
 * Finds the inputs, opens the work folder and runs `body`. The folder stays if `body` fails and has
 * left something to resume from. Throws SteleError.
 */
export async function withOpenJob<Result>(
  settings: LoadSettings,
  hooks: JobHooks,
  { isDry = false, key = [], source }: JobKind,
  body: (job: OpenJob) => Promise<Result>,
): Promise<Result> {
  const log = hooks.log ?? silentLogger;
  const progress = new ProgressCounter(() => performance.now());
  const notice = (sentence: string): void => {
    log.info(sentence);
    hooks.onNotice?.(sentence);
  };
  const found =
    source === undefined ? await findInputs(settings.paths, settings.format, notice, settings) : [];
  const paths = source === undefined ? settings.paths.map(plainPath) : [source];
  const open = isDry ? openDryFolder : openWorkFolder;
  const folder = open(settings.workDir, settings.keyspace, paths, found, key);
  const stop = new AbortController();
  // Every shard in flight adds a listener; shard-stage.ts bounds their number.
  setMaxListeners(0, stop.signal);
  const stopOnRequest = (): void => stop.abort();
  hooks.signal?.addEventListener('abort', stopOnRequest, { once: true });
  if (hooks.signal?.aborted === true) stop.abort();
  const timer = setInterval(() => hooks.onProgress?.(progress.snapshot()), PROGRESS_EVERY_MS);
  timer.unref();
  let isDone = false;
  try {
    const result = await body({ settings, hooks, log, notice, progress, found, folder, stop });
    isDone = true;
    return result;
  } catch (thrown) {
    throw await changeBehind(thrown, found);
  } finally {
    clearInterval(timer);
    hooks.signal?.removeEventListener('abort', stopOnRequest);
    closeFolder(folder, isDone || isDry, log);
    for (const { remote } of found) remote?.close();
  }
}

/** What identifies a path from one process to the next. */
function plainPath(path: string): string {
  if (path === STDIN_PATH) return path;
  return isRemote(path) ? shownUrl(path) : resolve(path);
}

/** A folder that cannot be removed must not make a committed load look like a failed one. */
function closeFolder(folder: WorkFolder, isDone: boolean, log: Logger): void {
  try {
    folder.close(isDone || !folder.isWorthKeeping());
  } catch (thrown) {
    log.warn({ err: toSteleError(thrown) }, `the work folder ${folder.path} cannot be removed`);
  }
}

/**
 * Prepares the inputs, plans the chunks, starts the threads and runs `body`; then ends the threads.
 * Throws for an input that no load can take.
 */
export async function withPreparedJob<Result>(
  job: OpenJob,
  body: (job: PreparedJob) => Promise<Result>,
  prepare: (job: OpenJob) => Promise<PreparedInput> = (open) => prepareInputs(open, open.found),
): Promise<Result> {
  const { log, progress, settings } = job;
  const prepared = await prepare(job);
  if (settings.rejects !== undefined) {
    checkRejectsFile(settings.rejects, settings.paths, prepared.inputs);
  }
  progress.begin('parse', prepared.bytesTotal, prepared.headBytes);
  const plan = planChunks(prepared, settings);
  const pool = poolFor(settings, prepared.bytesTotal, plan, log);
  try {
    return await body({ ...job, prepared, plan, pool });
  } finally {
    await pool.close();
  }
}
