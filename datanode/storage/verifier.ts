// Verifies segments, and writes those that arrive from elsewhere, without stalling reads.
//
// Small segments are verified in place, in steps that yield to the event loop: starting a thread
// costs more than that. Large ones go to worker threads of low priority, which read the same
// SharedArrayBuffer; nothing is copied.

import { Piscina } from 'piscina';
import { writeNewFile } from '../../base/disk/durable-file.ts';
import { systemEnv } from '../../base/env.ts';
import type { Env } from '../../base/env.ts';
import type { Time } from '../../base/clock.ts';
import { SteleError, isErrorCode, toSteleError } from '../../base/errors.ts';
import { workerFile } from '../../base/process/worker-file.ts';
import type { Segment } from '../../segment/reader.ts';
import { openAs } from './expected-segment.ts';
import type { ExpectedSegment } from './expected-segment.ts';
import { readSegmentFile } from './segment-files.ts';
import { stepsOf } from './verify-steps.ts';
import type { VerifyDepth } from './verify-steps.ts';
import type { VerifiedFiles } from './verified-files.ts';
import type { VerifyReply, VerifyTask } from './verify-worker.ts';

/** Segments up to this size take a few steps. */
const IN_PLACE_BYTES_MAX = 256 * 1024;
/** How long reads may wait for a verification in place. */
const STEP_MS_MAX = 0.5;
const THREADS_MAX = 4;
const QUEUE_MAX = 10_000;
const THREAD_IDLE_MS = 5000;

export interface VerifierOptions {
  /** Bytes that passed the full check before; those that pass it now are added. */
  readonly verified: VerifiedFiles;
  /** Threads that never end, because starting one takes 50 ms of a core. */
  readonly threadsKept: number;
  /** All threads, including the kept ones; at least one. */
  readonly threadsMax: number;
  /**
   * Whether readers are being answered, so that threads pause between short time slices. Default:
   * never.
   */
  readonly hasReaders?: () => boolean;
  readonly env?: Env;
}

export class Verifier {
  #pool: Piscina<VerifyTask, VerifyReply> | undefined;
  readonly #options: VerifierOptions;
  readonly #env: Env;
  readonly #file: string | undefined;

  /**
   * `file` is the built worker; without it, all work is done in this thread (tests that run the
   * sources).
   */
  constructor(options: VerifierOptions, file = workerFile('./verify-worker.js', import.meta.url)) {
    this.#options = options;
    this.#env = options.env ?? systemEnv;
    this.#file = file;
  }

  /** Starts the threads that are kept. Call it before readers compete for the cores. */
  warmUp(): void {
    if (this.#file !== undefined && this.#options.threadsKept > 0) this.#threads(this.#file);
  }

  /**
   * Opens the bytes of a segment file, checks that they are the segment asked for, and verifies
   * them in full, unless the same bytes passed that before. Throws CORRUPT or UNKNOWN_FORMAT.
   */
  async verify(bytes: Buffer, expected: ExpectedSegment): Promise<Segment> {
    const { verified } = this.#options;
    const segment = openAs(bytes, expected);
    verified.add(expected, await this.#run(segment, 'full', verified.knownSeal(expected), ''));
    return segment;
  }

  /** Reads a segment file whole, and verifies it like `verify`. Also throws the system's errors. */
  async verifyFile(file: ExpectedSegment & { readonly path: string }): Promise<Segment> {
    return this.verify(await readSegmentFile(file.path, this.#env.files), file);
  }

  /**
   * Verifies only the checksums of a file's bytes: enough if they are not served. Throws like
   * `verify`.
   */
  async verifyChecksums(bytes: Buffer, expected: ExpectedSegment): Promise<void> {
    await this.#run(openAs(bytes, expected), 'checksums', '', '');
  }

  /**
   * Like `verify`, for bytes that are then written to a new file at `path` and synced. Also throws
   * DISK_FULL and IO; the file may exist then.
   */
  async verifyAndWrite(bytes: Buffer, expected: ExpectedSegment, path: string): Promise<Segment> {
    const segment = openAs(bytes, expected);
    this.#options.verified.add(expected, await this.#run(segment, 'full', '', path));
    return segment;
  }

  async close(): Promise<void> {
    await this.#pool?.destroy();
    this.#pool = undefined;
  }

  /**
   * Resolves to the segment's seal if the depth is `full`. `path`: the file to write; empty for
   * none.
   */
  async #run(
    segment: Segment,
    depth: VerifyDepth,
    knownSeal: string,
    path: string,
  ): Promise<string> {
    const { bytes } = segment;
    if (bytes.length <= IN_PLACE_BYTES_MAX || this.#file === undefined) {
      const seal = await inPlace(stepsOf(segment, depth, knownSeal), this.#env);
      if (path !== '') await writeNewFile(path, bytes, this.#env.files);
      return seal;
    }
    const { buffer: shared, byteLength, byteOffset } = bytes;
    const hasReaders = this.#options.hasReaders?.() ?? false;
    const task = { shared, byteOffset, byteLength, depth, knownSeal, path, hasReaders };
    const reply = await this.#runInThread(this.#threads(this.#file), task);
    if (reply.ok) return reply.seal;
    throw new SteleError(isErrorCode(reply.code) ? reply.code : 'CORRUPT', reply.message);
  }

  #threads(file: string): Piscina<VerifyTask, VerifyReply> {
    const { threadsKept, threadsMax } = this.#options;
    this.#pool ??= new Piscina<VerifyTask, VerifyReply>({
      filename: file,
      minThreads: threadsKept,
      maxThreads: Math.max(1, threadsKept, Math.min(THREADS_MAX, threadsMax)),
      idleTimeout: THREAD_IDLE_MS,
      maxQueue: QUEUE_MAX,
      atomics: 'disabled',
    });
    return this.#pool;
  }

  async #runInThread(
    pool: Piscina<VerifyTask, VerifyReply>,
    task: VerifyTask,
  ): Promise<VerifyReply> {
    try {
      return await pool.run(task);
    } catch (thrown) {
      throw toSteleError(thrown);
    }
  }
}

async function inPlace(steps: Generator<number, string, void>, time: Time): Promise<string> {
  let turnEndsAtMs = time.nowMs() + STEP_MS_MAX;
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    if (time.nowMs() < turnEndsAtMs) continue;
    await new Promise<void>((resolve) => void time.soon(resolve));
    turnEndsAtMs = time.nowMs() + STEP_MS_MAX;
  }
}
