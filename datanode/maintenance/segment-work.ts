// Where work on whole segments runs: in a few worker threads beside the one that answers readers.
//
// Threads are started when there is work and end when there is none for a while. Segments are read
// where they lie in memory; nothing is copied.

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Piscina } from 'piscina';
import { SteleError, toSteleError } from '../../base/errors.ts';
import type { ShardDiff } from '../../segment/diff.ts';
import type { Overlay } from '../../segment/overlay.ts';
import type { Segment } from '../../segment/reader.ts';
import * as tasks from './segment-tasks.ts';
import type { MergedSegment, ScrubFinding } from './segment-tasks.ts';
import type { WorkerReply } from './segment-worker.ts';

/** One for a merge, one for a diff, one for what is short: the commit of an append, scrubbing. */
const THREADS_MAX = 3;
const THREAD_IDLE_MS = 5000;
const QUEUE_MAX = 1000;

export class SegmentWork {
  #pool: Piscina | undefined;
  readonly #stops = new Set<Int32Array>();
  readonly #file: string | undefined;
  #closed = false;

  /** `file`: the built worker; without one the work is done in this thread (tests of the sources). */
  constructor(file = workerFile()) {
    this.#file = file;
  }

  /** What `delta` changes over `older`, newest first. Throws CANCELLED, CORRUPT, OVERLOADED. */
  measure(delta: Segment, older: readonly Segment[], signal?: AbortSignal): Promise<Overlay> {
    return this.#stoppable(signal, (stop) =>
      this.#run('measure', tasks.measure, {
        delta: tasks.shareSegment(delta),
        older: older.map(tasks.shareSegment),
        stop,
      }),
    );
  }

  /** Oldest first. Throws LOAD_REJECTED, CORRUPT, OVERLOADED. */
  merge(segments: readonly Segment[]): Promise<MergedSegment> {
    return this.#run('merge', tasks.merge, { segments: segments.map(tasks.shareSegment) });
  }

  /** Both newest first. Throws CANCELLED, CORRUPT, OVERLOADED. */
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

  /** Bytes `[from, to)` in memory and in the file at `path`. Throws IO, OVERLOADED. */
  scrub(segment: Segment, path: string, from: number, to: number): Promise<ScrubFinding> {
    const task = { segment: tasks.shareSegment(segment), path, from, to };
    return this.#run('scrub', tasks.scrub, task);
  }

  /** Ends what runs; whoever waits for it gets an error. */
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
      throw new SteleError('OVERLOADED', `${QUEUE_MAX} tasks wait for a worker thread already.`);
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
      // Those above QUEUE_MAX are refused before.
      maxQueue: Infinity,
      atomics: 'disabled',
    });
    return this.#pool;
  }
}

/** The built worker; undefined where the sources run without a build. */
function workerFile(): string | undefined {
  const path = fileURLToPath(new URL('./segment-worker.js', import.meta.url));
  return existsSync(path) ? path : undefined;
}
