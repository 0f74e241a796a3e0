// What a load and a dry run have around them: the inputs found, a work folder, a counter, a way to be
// stopped, and the end of it all however it ends.

import { setMaxListeners } from 'node:events';
import { resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { toSteleError } from '../../base/errors.ts';
import { silentLogger } from '../../base/log.ts';
import type { Logger } from '../../base/log.ts';
import { findInputs } from '../input/find-inputs.ts';
import type { Notice } from '../input/find-inputs.ts';
import { STDIN_PATH, changeBehind } from '../input/inputs.ts';
import type { FoundInput } from '../input/inputs.ts';
import { ProgressCounter } from './load-progress.ts';
import type { LoadProgress } from './load-progress.ts';
import { planChunks } from '../plan/chunk-plan.ts';
import type { ChunkPlan } from '../plan/chunk-plan.ts';
import { prepareInputs } from './prepare.ts';
import type { PreparedInput } from '../input/inputs.ts';
import type { PrepareContext } from './prepare.ts';
import { checkRejectsFile } from './rejects-file.ts';
import type { LoadSettings } from '../settings.ts';
import { openDryFolder, openWorkFolder } from '../work/work-folder.ts';
import type { WorkFolder } from '../work/work-folder.ts';
import { poolFor } from '../threads/work-pool.ts';
import type { WorkPool } from '../threads/work-pool.ts';

/** What a caller may watch and bring along. */
export interface RunHooks {
  /** About five times a second, and at each change of stage. */
  readonly onProgress?: (progress: LoadProgress) => void;
  /** What people should know though nothing is wrong: a sentence without its full stop. */
  readonly onNotice?: (sentence: string) => void;
  readonly log?: Logger;
  /** Stops the load at a checkpoint: it rejects with CANCELLED. */
  readonly signal?: AbortSignal;
  /** What `-` reads; default: the process's. */
  readonly stdin?: Readable;
}

export interface LoadRun {
  readonly settings: LoadSettings;
  readonly hooks: RunHooks;
  readonly log: Logger;
  readonly notice: Notice;
  readonly progress: ProgressCounter;
  readonly found: readonly FoundInput[];
  readonly folder: WorkFolder;
  /** Aborts on request, or because something failed. */
  readonly stop: AbortController;
}

const PROGRESS_EVERY_MS = 200;

/**
 * Finds the inputs, opens the work folder (`isDry`: one of its own, which is gone afterwards) and runs
 * `body`. The folder stays where `body` fails and has left something to resume from. Throws SteleError.
 */
export async function withLoadRun<Result>(
  settings: LoadSettings,
  hooks: RunHooks,
  isDry: boolean,
  body: (run: LoadRun) => Promise<Result>,
): Promise<Result> {
  const log = hooks.log ?? silentLogger;
  const progress = new ProgressCounter(() => performance.now());
  const notice = (sentence: string): void => {
    log.info(sentence);
    hooks.onNotice?.(sentence);
  };
  const found = await findInputs(settings.paths, settings.format, notice);
  const paths = settings.paths.map((path) => (path === STDIN_PATH ? path : resolve(path)));
  const open = isDry ? openDryFolder : openWorkFolder;
  const folder = open(settings.workDir, settings.keyspace, paths, found);
  const stop = new AbortController();
  // Every shard in flight listens, and they are bounded (shard-stage.ts).
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
  }
}

/** A folder that cannot be removed must not make a committed load look like a failed one. */
function closeFolder(folder: WorkFolder, isDone: boolean, log: Logger): void {
  try {
    folder.close(isDone || !folder.isWorthKeeping());
  } catch (thrown) {
    log.warn({ err: toSteleError(thrown) }, `the work folder ${folder.path} cannot be removed`);
  }
}

/** What is known before the first chunk is parsed. Its maker closes the pool. */
export interface PreparedRun {
  readonly prepared: PreparedInput;
  readonly plan: ChunkPlan;
  readonly pool: WorkPool;
}

/** Reads the heads of the inputs, plans the chunks, starts the threads. Throws for what no load can take. */
export async function prepareRun(run: LoadRun): Promise<PreparedRun> {
  const { found, log, progress, settings } = run;
  const prepared = await prepareInputs(found, settings, prepareContext(run));
  if (settings.rejects !== undefined)
    checkRejectsFile(settings.rejects, settings.paths, prepared.inputs);
  progress.begin('parse', prepared.bytesTotal, prepared.headBytes);
  const plan = planChunks(prepared, settings);
  return { prepared, plan, pool: poolFor(settings, prepared.bytesTotal, plan, log) };
}

/** What `prepareInputs` needs of a run. */
export function prepareContext(run: LoadRun): PrepareContext {
  const { folder, hooks, log, notice, progress, stop } = run;
  const stdin = hooks.stdin ?? process.stdin;
  return { spoolFolder: folder.spool, stdin, progress, log, notice, stop };
}
