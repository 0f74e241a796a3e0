// Runs the two kinds of task: in worker threads (piscina), or in the calling thread for an input so
// small that starting threads would take longer than the work.
//
// The task of a worker that dies or throws something unexpected is tried three times in all. An
// error that the task itself reports (a SteleError) is final.

import { Piscina } from 'piscina';
import { SteleError, toSteleError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { workerFile } from '../../base/process/worker-file.ts';
import { BudgetExceeded } from '../bytes/memory-budget.ts';
import { Semaphore } from '../bytes/bounded.ts';
import { closeRuns, newBuildScratch, runBuildTask } from './build-task.ts';
import type { BuildOutcome, BuildTask } from './build-task.ts';
import type { TaskReply } from './load-worker.ts';
import { threadsWithin } from '../plan/memory-plan.ts';
import type { ChunkPlan } from '../plan/chunk-plan.ts';
import { newParseScratch, runParseTask } from './parse-task.ts';
import type { ParseOutcome, ParseTask } from './parse-task.ts';

const ATTEMPTS_MAX = 3;
/** Up to this size, one thread is done before others have started. */
const INLINE_BYTES_MAX = 4 * 1024 * 1024;
/** Tasks that may wait for a thread; the stages have fewer in flight. */
const QUEUE_MAX = 128;

export interface WorkPool {
  readonly threads: number;
  /**
   * With true, only half of the threads (at least one) work, and builds pause often; with false,
   * all threads work at full speed.
   */
  throttle(isThrottled: boolean): void;
  parse(task: ParseTask): Promise<ParseOutcome>;
  build(task: BuildTask): Promise<BuildOutcome>;
  close(): Promise<void>;
}

/** A pool of a size that fits the input and the memory. */
export function poolFor(
  { memoryMax, workers }: { readonly memoryMax: number; readonly workers: number },
  bytesTotal: number,
  { chunkBytes, shareBytes }: Pick<ChunkPlan, 'chunkBytes' | 'shareBytes'>,
  log: Logger,
): WorkPool {
  const file = workerFile('./load-worker.js', import.meta.url);
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
    throttle: () => {},
    parse: async (task) => await inNextTick(() => runParseTask(task, parseScratch)),
    build: async (task) => await inNextTick(() => runBuildTask(task, buildScratch)),
    close: () => {
      closeRuns(buildScratch);
      return Promise.resolve();
    },
  };
}

/**
 * Runs the task in a later event-loop tick, so that timers and sockets are served between tasks.
 */
function inNextTick<Outcome>(run: () => Outcome): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    setImmediate(() => {
      try {
        resolve(run());
      } catch (thrown) {
        reject(thrown instanceof BudgetExceeded ? thrown : toSteleError(thrown));
      }
    });
  });
}

/**
 * A pool of worker threads; `file` is the built load-worker. The process does not exit until it is
 * closed.
 */
export function threadPool(file: string, threads: number, log: Logger): WorkPool {
  const pool = new Piscina({
    filename: file,
    // They start in parallel, and all will be needed.
    minThreads: threads,
    maxThreads: threads,
    idleTimeout: 10_000,
    maxQueue: QUEUE_MAX,
    // A thread that waits with Atomics does not process events, which cost little here.
    atomics: 'disabled',
  });
  const threadSlots = new Semaphore(Infinity);
  let yieldsToReaders = false;
  const inLane = async <Outcome>(name: string, task: object): Promise<Outcome> => {
    await threadSlots.acquire(1);
    try {
      return await runInThread<Outcome>(pool, name, { ...task, yieldsToReaders }, log);
    } finally {
      threadSlots.release(1);
    }
  };
  return {
    threads,
    throttle: (isThrottled) => {
      yieldsToReaders = isThrottled;
      threadSlots.max = isThrottled ? Math.max(1, Math.floor(threads / 2)) : Infinity;
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
    let reply: TaskReply<Outcome>;
    try {
      reply = (await pool.run(task, { name })) as TaskReply<Outcome>;
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
    if ('neededBytes' in reply) throw new BudgetExceeded(reply.nextBytes, reply.neededBytes);
    throw new SteleError(reply.failure.code, reply.failure.message);
  }
}
