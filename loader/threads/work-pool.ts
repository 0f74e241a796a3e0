// Where the two kinds of task run: in worker threads (piscina), or, for an input so small that
// starting threads would take longer than the work, in this thread.
//
// A worker that dies or throws something unforeseen has its task tried again, three times in all; an
// error that the task itself reports (a SteleError) is final.

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Piscina } from 'piscina';
import { SteleError, toSteleError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { MemoryShort } from '../bytes/allowance.ts';
import { Budget } from '../bytes/bounded.ts';
import { closeRuns, newBuildScratch, runBuildTask } from './build-task.ts';
import type { BuildOutcome, BuildTask } from './build-task.ts';
import type { WorkerReply } from './load-worker.ts';
import { threadsWithin } from '../plan/memory-plan.ts';
import type { ChunkPlan } from '../plan/chunk-plan.ts';
import { newParseScratch, runParseTask } from './parse-task.ts';
import type { ParseOutcome, ParseTask } from './parse-task.ts';

const ATTEMPTS_MAX = 3;
/** Up to this size one thread is done before others would have started. */
const INLINE_BYTES_MAX = 4 * 1024 * 1024;
/** Tasks waiting for a thread; the stages keep fewer than that in flight. */
const QUEUE_MAX = 128;

export interface WorkPool {
  readonly threads: number;
  /**
   * With true, half of the threads (one at least) work from now on, and in short strokes where they build;
   * with false, all of them as fast as they can.
   */
  spare(isSparing: boolean): void;
  parse(task: ParseTask): Promise<ParseOutcome>;
  build(task: BuildTask): Promise<BuildOutcome>;
  close(): Promise<void>;
}

/** The pool that an input of this size is worth. */
export function poolFor(
  { memoryMax, workers }: { readonly memoryMax: number; readonly workers: number },
  bytesTotal: number,
  { chunkBytes, shareBytes }: Pick<ChunkPlan, 'chunkBytes' | 'shareBytes'>,
  log: Logger,
): WorkPool {
  const file = workerFile();
  if (bytesTotal <= INLINE_BYTES_MAX || file === undefined) return inlinePool();
  const useful = Math.ceil(bytesTotal / chunkBytes);
  const threads = threadsWithin(memoryMax, Math.max(1, Math.min(workers, useful)), shareBytes);
  return threadPool(file, threads, log);
}

/** Runs tasks in the calling thread, one at a time. */
export function inlinePool(): WorkPool {
  const parseScratch = newParseScratch();
  const buildScratch = newBuildScratch();
  return {
    threads: 1,
    spare: () => {},
    parse: async (task) => await nextTurn(() => runParseTask(task, parseScratch)),
    build: async (task) => await nextTurn(() => runBuildTask(task, buildScratch)),
    close: () => {
      closeRuns(buildScratch);
      return Promise.resolve();
    },
  };
}

/** Lets timers and sockets have their turn between two tasks. */
function nextTurn<Outcome>(run: () => Outcome): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    setImmediate(() => {
      try {
        resolve(run());
      } catch (thrown) {
        reject(thrown instanceof MemoryShort ? thrown : toSteleError(thrown));
      }
    });
  });
}

/** The built worker; undefined where the sources run without a build. */
function workerFile(): string | undefined {
  const path = fileURLToPath(new URL('./load-worker.js', import.meta.url));
  return existsSync(path) ? path : undefined;
}

/** Worker threads; `file` is the built load-worker. Close it, or the process does not end. */
export function threadPool(file: string, threads: number, log: Logger): WorkPool {
  const pool = new Piscina({
    filename: file,
    // All at once: they start beside each other, and all will be needed.
    minThreads: threads,
    maxThreads: threads,
    idleTimeout: 10_000,
    maxQueue: QUEUE_MAX,
    // A thread that waits with Atomics cannot be asked for anything else; events cost little here.
    atomics: 'disabled',
  });
  const lanes = new Budget(Infinity);
  let isBesideReaders = false;
  const inLane = async <Outcome>(name: string, task: object): Promise<Outcome> => {
    await lanes.take(1);
    try {
      return await runInThread<Outcome>(pool, name, { ...task, isBesideReaders }, log);
    } finally {
      lanes.giveBack(1);
    }
  };
  return {
    threads,
    spare: (isSparing) => {
      isBesideReaders = isSparing;
      lanes.max = isSparing ? Math.max(1, Math.floor(threads / 2)) : Infinity;
    },
    parse: (task) => inLane('parse', task),
    build: (task) => inLane('build', task),
    close: () => pool.destroy(),
  };
}

async function runInThread<Outcome>(
  pool: Piscina,
  name: string,
  task: unknown,
  log: Logger,
): Promise<Outcome> {
  for (let attempt = 1; ; attempt++) {
    let reply: WorkerReply<Outcome>;
    try {
      reply = (await pool.run(task, { name })) as WorkerReply<Outcome>;
    } catch (thrown) {
      log.warn({ task: name, attempt, err: thrown }, 'a worker thread failed');
      if (attempt < ATTEMPTS_MAX) continue;
      const text = thrown instanceof Error ? thrown.message : String(thrown);
      throw new SteleError(
        'INTERNAL',
        `A worker thread failed ${ATTEMPTS_MAX} times on the same piece of work (${text}); try a smaller --chunk-size or fewer --workers.`,
        { cause: thrown },
      );
    }
    if ('outcome' in reply) return reply.outcome;
    if ('neededBytes' in reply) throw new MemoryShort(reply.nextBytes, reply.neededBytes);
    throw new SteleError(reply.failure.code, reply.failure.message);
  }
}
