// Runs work on whole segments in a few worker threads, next to the thread that answers readers.
//
// Threads start when there is work and end after an idle time. Segments are read in place; nothing
// is copied.

import { Piscina } from 'piscina';
import { SteleError, toSteleError } from '../../base/errors.ts';
import { workerFile } from '../../base/process/worker-file.ts';
import type { ShardDiff } from '../../segment/diff.ts';
import type { Overlay } from '../../segment/overlay.ts';
import type { Segment } from '../../segment/reader.ts';
import * as tasks from './segment-tasks.ts';
import type { MergedSegment, ScrubFinding } from './segment-tasks.ts';
import type { WorkerReply } from './segment-worker.ts';

/** One for a merge, one for a diff, and one for short work: the commit of an append, scrubbing. */
const THREADS_MAX = 3;
const THREAD_IDLE_MS = 5000;
const QUEUE_MAX = 1000;

export class SegmentWork {
  #pool: Piscina | undefined;
  readonly #stops = new Set<Int32Array>();
  readonly #file: string | undefined;
  #closed = false;

  /**
   * `file` is the built worker; without it, the work is done in this thread (tests that run the
   * sources).
   */
  constructor(file = workerFile('./segment-worker.js', import.meta.url)) {
    this.#file = file;
  }

  /**
   * Computes what `delta` changes in `older`, newest first. Throws CANCELLED, CORRUPT, OVERLOADED.
   */
  measure(delta: Segment, older: readonly Segment[], signal?: AbortSignal): Promise<Overlay> {
    return this.#stoppable(signal, (stop) =>
      this.#run('measure', tasks.measure, {
        delta: tasks.shareSegment(delta),
        older: older.map(tasks.shareSegment),
        stop,
      }),
    );
  }

  /** Merges segments, oldest first. Throws LOAD_REJECTED, CORRUPT, OVERLOADED. */
  merge(segments: readonly Segment[]): Promise<MergedSegment> {
    return this.#run('merge', tasks.merge, { segments: segments.map(tasks.shareSegment) });
  }

  /** Compares two lists of segments, both newest first. Throws CANCELLED, CORRUPT, OVERLOADED. */
  diff(
    from: readonly Segment[],
    to: readonly Segment[],
    samplesMax: number,
    signal?: AbortSignal,
  ): Promise<ShardDiff> {
    return this.#stoppable(signal, (stop) =>
      this.#run('diff', tasks.diff, {
        from: from.map(tasks.shareSegment),
        to: to.map(tasks.shareSegment),
        samplesMax,
        stop,
      }),
    );
  }

  /** Checks the bytes `[from, to)` in memory and in the file at `path`. Throws IO, OVERLOADED. */
  scrub(segment: Segment, path: string, from: number, to: number): Promise<ScrubFinding> {
    const task = { segment: tasks.shareSegment(segment), path, from, to };
    return this.#run('scrub', tasks.scrub, task);
  }

  /** Stops running tasks, whose callers get an error. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const stop of this.#stops) Atomics.store(stop, 0, 1);
    await this.#pool?.destroy();
    this.#pool = undefined;
  }

  async #stoppable<Outcome>(
    signal: AbortSignal | undefined,
    run: (stop: Int32Array) => Promise<Outcome>,
  ): Promise<Outcome> {
    const stop = new Int32Array(new SharedArrayBuffer(4));
    const onAbort = (): void => void Atomics.store(stop, 0, 1);
    if (signal?.aborted === true) onAbort();
    signal?.addEventListener('abort', onAbort, { once: true });
    this.#stops.add(stop);
    try {
      return await run(stop);
    } finally {
      this.#stops.delete(stop);
      signal?.removeEventListener('abort', onAbort);
    }
  }

  async #run<Task, Outcome>(
    name: string,
    inline: (task: Task) => Outcome,
    task: Task,
  ): Promise<Outcome> {
    if (this.#closed) throw new SteleError('CANCELLED', 'This datanode is stopping.');
    if (this.#file === undefined) return inline(task);
    const threads = this.#threads(this.#file);
    if (threads.queueSize >= QUEUE_MAX) {
      throw new SteleError(
        'OVERLOADED',
        `${QUEUE_MAX} tasks are already waiting for a worker thread.`,
      );
    }
    let reply: WorkerReply<Outcome>;
    try {
      reply = (await threads.run(task, { name })) as WorkerReply<Outcome>;
    } catch (thrown) {
      const { message } = toSteleError(thrown);
      throw new SteleError('INTERNAL', `A worker thread of the datanode failed: ${message}`, {
        cause: thrown,
      });
    }
    if ('outcome' in reply) return reply.outcome;
    throw new SteleError(reply.failure.code, reply.failure.message);
  }

  #threads(file: string): Piscina {
    this.#pool ??= new Piscina({
      filename: file,
      minThreads: 0,
      maxThreads: THREADS_MAX,
      idleTimeout: THREAD_IDLE_MS,
      // Tasks beyond QUEUE_MAX are refused earlier.
      maxQueue: Infinity,
      atomics: 'disabled',
    });
    return this.#pool;
  }
}
