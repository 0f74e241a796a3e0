// Runs work on many records in a few worker threads, next to the thread that answers readers.
//
// Threads start when there is work and end after an idle time. Segments in memory are read in place,
// those on disk a window at a time.

import { Piscina } from 'piscina';
import { systemFiles } from '../../base/disk/files.ts';
import type { Files } from '../../base/disk/files.ts';
import { SteleError, toSteleError } from '../../base/errors.ts';
import { workerFile } from '../../base/process/worker-file.ts';
import type { ShardDiff } from '../../segment/diff.ts';
import type { Overlay } from '../../segment/overlay.ts';
import type { Segment } from '../../segment/reader.ts';
import type { SegmentMeta } from '../../segment/layout.ts';
import type { MergedTotals } from '../../segment/merge-to-file.ts';
import type { ReadableSegment } from '../storage/holdings.ts';
import * as tasks from './segment-tasks.ts';
import type { MergedSegment, ScrubFinding } from './segment-tasks.ts';
import type { WorkerReply } from './segment-worker.ts';

/** One for a merge, one for a diff, and one for short work: the commit of an append, scrubbing. */
const THREADS_MAX = 3;
const THREAD_IDLE_MS = 5000;
const QUEUE_MAX = 1000;

export class SegmentWork {
  /** Of work that is done in this thread. */
  protected readonly files: Files = systemFiles;
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
  measure(
    delta: ReadableSegment,
    older: readonly ReadableSegment[],
    signal?: AbortSignal,
  ): Promise<Overlay> {
    return this.#stoppable(signal, (stop) =>
      this.#run('measure', (task) => tasks.measure(task, this.files), {
        delta: tasks.shareInput(delta),
        older: older.map(tasks.shareInput),
        stop,
      }),
    );
  }

  /**
   * Merges segments, oldest first, into a new file at `path`, which is not synced. Throws CORRUPT if
   * they do not add up to what is expected, LOAD_REJECTED, DISK_FULL, IO, CANCELLED, OVERLOADED; the
   * file may exist then.
   */
  async mergeToFile(
    segments: readonly ReadableSegment[],
    expected: MergedTotals,
    path: string,
    signal?: AbortSignal,
  ): Promise<SegmentMeta> {
    const inputs = segments.map(tasks.shareInput);
    const meta = await this.#stoppable(signal, (stop) =>
      this.#run('mergeToFile', (task) => tasks.mergeToFile(task, this.files), {
        segments: inputs,
        expected,
        path,
        stop,
      }),
    );
    return { ...meta, digest: Buffer.from(meta.digest) };
  }

  /** Merges segments in memory, oldest first. Throws LOAD_REJECTED, CORRUPT, OVERLOADED. */
  merge(segments: readonly Segment[]): Promise<MergedSegment> {
    return this.#run('merge', tasks.merge, { segments: segments.map(tasks.shareSegment) });
  }

  /** Compares two lists of segments, both newest first. Throws CANCELLED, CORRUPT, OVERLOADED. */
  diff(
    from: readonly ReadableSegment[],
    to: readonly ReadableSegment[],
    samplesMax: number,
    signal?: AbortSignal,
  ): Promise<ShardDiff> {
    return this.#stoppable(signal, (stop) =>
      this.#run('diff', (task) => tasks.diff(task, this.files), {
        from: from.map(tasks.shareInput),
        to: to.map(tasks.shareInput),
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

  /**
   * Checks the bytes `[from, to)` of the file at `path`. Resolves to what is wrong with them. Throws
   * IO, OVERLOADED.
   */
  scrubFile(path: string, from: number, to: number): Promise<string | undefined> {
    const task = { path, from, to };
    return this.#run('scrubFile', (one) => tasks.scrubFile(one, this.files), task);
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
