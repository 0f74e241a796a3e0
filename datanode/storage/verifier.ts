// Verifying segments, and writing those that come from elsewhere, without stalling reads.
//
// Small ones are verified in place, in steps with the event loop served in between: starting a thread
// costs more than that. Large ones go to worker threads of low priority, which read the same
// SharedArrayBuffer; nothing is copied.

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Piscina } from 'piscina';
import { monotonicNowMs } from '../../base/clock.ts';
import { writeNewFile } from '../../base/durable-file.ts';
import { SteleError, isErrorCode, toSteleError } from '../../base/errors.ts';
import type { Segment } from '../../segment/reader.ts';
import { openAs } from './expected-segment.ts';
import type { ExpectedSegment } from './expected-segment.ts';
import { stepsOf } from './verify-steps.ts';
import type { VerifyDepth } from './verify-steps.ts';
import type { VerifiedFiles } from './verified-files.ts';
import type { VerifyReply, VerifyTask } from './verify-worker.ts';

/** What takes a few steps. */
const IN_PLACE_BYTES_MAX = 256 * 1024;
/** How long reads may wait for a verification in place. */
const STEP_MS_MAX = 0.5;
const THREADS_MAX = 4;
const QUEUE_MAX = 10_000;
const THREAD_IDLE_MS = 5000;

export interface VerifierOptions {
  /** What has passed the full check before; what passes it now is added. */
  readonly verified: VerifiedFiles;
  /** Threads that never end: to start one takes 50 ms of a core. */
  readonly threadsKept: number;
  /** With these; at least one. */
  readonly threadsMax: number;
  /** Whether readers are being answered, so that threads work in short strokes. Default: never. */
  readonly isBesideReaders?: () => boolean;
}

export class Verifier {
  #pool: Piscina<VerifyTask, VerifyReply> | undefined;
  readonly #options: VerifierOptions;
  readonly #file: string | undefined;

  /** `file`: the built worker; without one all is done in this thread (tests of the sources). */
  constructor(options: VerifierOptions, file = workerFile()) {
    this.#options = options;
    this.#file = file;
  }

  /** Starts the threads that are kept: not while readers wait for the same cores. */
  warmUp(): void {
    if (this.#file !== undefined && this.#options.threadsKept > 0) this.#threads(this.#file);
  }

  /**
   * Opens a segment file's bytes, checks that they are the segment asked for, and verifies them in full,
   * unless the very same bytes have passed that before. Throws CORRUPT or UNKNOWN_FORMAT.
   */
  async verify(bytes: Buffer, expected: ExpectedSegment): Promise<Segment> {
    const { verified } = this.#options;
    const segment = openAs(bytes, expected);
    verified.add(expected, await this.#run(segment, 'full', verified.sealOf(expected), ''));
    return segment;
  }

  /** Checks the checksums of a file's bytes: enough where they are not served. Throws as `verify`. */
  async verifyChecksums(bytes: Buffer, expected: ExpectedSegment): Promise<void> {
    await this.#run(openAs(bytes, expected), 'checksums', '', '');
  }

  /**
   * The same as `verify` for bytes that are then written to a new file at `path` and synced.
   * Throws DISK_FULL and IO, too; the file may be there then.
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

  /** Resolves to the segment's seal where the depth is `full`. `path`: where they go; empty: nowhere. */
  async #run(
    segment: Segment,
    depth: VerifyDepth,
    knownSeal: string,
    path: string,
  ): Promise<string> {
    const { bytes } = segment;
    if (bytes.length <= IN_PLACE_BYTES_MAX || this.#file === undefined) {
      const seal = await inPlace(stepsOf(segment, depth, knownSeal));
      if (path !== '') await writeNewFile(path, bytes);
      return seal;
    }
    const { buffer: shared, byteLength, byteOffset } = bytes;
    const isBesideReaders = this.#options.isBesideReaders?.() ?? false;
    const task = { shared, byteOffset, byteLength, depth, knownSeal, path, isBesideReaders };
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

/** The built worker; undefined where the sources run without a build. */
function workerFile(): string | undefined {
  const path = fileURLToPath(new URL('./verify-worker.js', import.meta.url));
  return existsSync(path) ? path : undefined;
}

async function inPlace(steps: Generator<number, string, void>): Promise<string> {
  let turnEndsAtMs = monotonicNowMs() + STEP_MS_MAX;
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    if (monotonicNowMs() < turnEndsAtMs) continue;
    await new Promise((resolve) => setImmediate(resolve));
    turnEndsAtMs = monotonicNowMs() + STEP_MS_MAX;
  }
}
