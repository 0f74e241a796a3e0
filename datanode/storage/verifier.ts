// Verifies segments, and writes those that arrive from elsewhere, without stalling reads.
//
// Small segments are verified in place, in steps that yield to the event loop: starting a thread
// costs more than that. Large ones go to worker threads of low priority, which read the same
// SharedArrayBuffer; nothing is copied. Files that do not come into memory are read there through a
// window.

import { Piscina } from 'piscina';
import { syncFile, writeNewFile } from '../../base/disk/durable-file.ts';
import { systemEnv } from '../../base/env.ts';
import type { Env } from '../../base/env.ts';
import type { Time } from '../../base/clock.ts';
import { SteleError, isErrorCode, toSteleError } from '../../base/errors.ts';
import { workerFile } from '../../base/process/worker-file.ts';
import { readHeader } from '../../segment/header.ts';
import type { Segment } from '../../segment/reader.ts';
import { residentIn } from '../../segment/resident.ts';
import type { ResidentSegment } from '../../segment/resident.ts';
import { openAs } from './expected-segment.ts';
import type { ExpectedSegment } from './expected-segment.ts';
import { fileSteps, sourceOf } from './file-steps.ts';
import type { CheckedFile } from './file-steps.ts';
import { readSegmentFile } from './segment-files.ts';
import { stepsOf } from './verify-steps.ts';
import type { VerifiedFiles } from './verified-files.ts';
import type {
  CheckedParts,
  FileReply,
  FileTask,
  VerifyReply,
  VerifyTask,
} from './verify-worker.ts';

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

type Pool = Piscina<VerifyTask | FileTask, VerifyReply | FileReply>;

type FileToCheck = ExpectedSegment & { readonly path: string };

export class Verifier {
  #pool: Pool | undefined;
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
    verified.add(expected, await this.#run(segment, verified.knownSeal(expected), ''));
    return segment;
  }

  /** Reads a segment file whole, and verifies it like `verify`. Also throws the system's errors. */
  async verifyFile(file: FileToCheck): Promise<Segment> {
    return this.verify(await readSegmentFile(file.path, this.#env.files), file);
  }

  /**
   * Verifies a segment file like `verifyFile`, but returns only what stays in memory of it. Also
   * throws the system's errors.
   */
  async verifyOnDisk(file: FileToCheck): Promise<ResidentSegment> {
    const { verified } = this.#options;
    const { resident, seal } = await this.#check(file, verified.knownSeal(file), false);
    verified.add(file, seal);
    return resident;
  }

  /**
   * Verifies a file that has just been written, in full, and syncs it. Throws like `verifyOnDisk`,
   * and DISK_FULL.
   */
  async verifyAndSync(file: FileToCheck): Promise<ResidentSegment> {
    const { resident, seal } = await this.#check(file, '', true);
    this.#options.verified.add(file, seal);
    return resident;
  }

  /**
   * Like `verify`, for bytes that are then written to a new file at `path` and synced. Also throws
   * DISK_FULL and IO; the file may exist then.
   */
  async verifyAndWrite(bytes: Buffer, expected: ExpectedSegment, path: string): Promise<Segment> {
    const segment = openAs(bytes, expected);
    this.#options.verified.add(expected, await this.#run(segment, '', path));
    return segment;
  }

  async close(): Promise<void> {
    await this.#pool?.destroy();
    this.#pool = undefined;
  }

  async #check(file: FileToCheck, knownSeal: string, sync: boolean): Promise<CheckedFile> {
    const { files } = this.#env;
    const { size } = await files.stat(file.path);
    if (size > IN_PLACE_BYTES_MAX && this.#file !== undefined) {
      return this.#checkInThread(this.#threads(this.#file), file, size, knownSeal, sync);
    }
    const bytes = await readSegmentFile(file.path, files);
    const checked = await inPlace(fileSteps(sourceOf(bytes), file, knownSeal), this.#env);
    if (sync) await syncFile(file.path, files);
    return checked;
  }

  async #checkInThread(
    pool: Pool,
    { keyspaceUid, path, segmentId, shardCount }: FileToCheck,
    byteLength: number,
    knownSeal: string,
    sync: boolean,
  ): Promise<CheckedFile> {
    const expected = {
      keyspaceUid,
      segmentId,
      ...(shardCount === undefined ? {} : { shardCount }),
    };
    const file = { ...expected, path };
    const task: FileTask = { file, knownSeal, sync, hasReaders: this.#hasReaders() };
    const reply = await run<FileReply>(pool, task, 'checkFile');
    const { crcs, head, seal }: CheckedParts = good(reply);
    const bytes = Buffer.from(head);
    return { resident: residentIn(bytes, crcs, readHeader(bytes, byteLength)), seal };
  }

  #hasReaders(): boolean {
    return this.#options.hasReaders?.() ?? false;
  }

  /** Resolves to the segment's seal. `path`: the file to write; empty for none. */
  async #run(segment: Segment, knownSeal: string, path: string): Promise<string> {
    const { bytes } = segment;
    if (bytes.length <= IN_PLACE_BYTES_MAX || this.#file === undefined) {
      const seal = await inPlace(stepsOf(segment, knownSeal), this.#env);
      if (path !== '') await writeNewFile(path, bytes, this.#env.files);
      return seal;
    }
    const { buffer: shared, byteLength, byteOffset } = bytes;
    const hasReaders = this.#hasReaders();
    const task: VerifyTask = { shared, byteOffset, byteLength, knownSeal, path, hasReaders };
    return good(await run<VerifyReply>(this.#threads(this.#file), task, 'default')).seal;
  }

  #threads(file: string): Pool {
    const { threadsKept, threadsMax } = this.#options;
    this.#pool ??= new Piscina<VerifyTask | FileTask, VerifyReply | FileReply>({
      filename: file,
      minThreads: threadsKept,
      maxThreads: Math.max(1, threadsKept, Math.min(THREADS_MAX, threadsMax)),
      idleTimeout: THREAD_IDLE_MS,
      maxQueue: QUEUE_MAX,
      atomics: 'disabled',
    });
    return this.#pool;
  }
}

async function run<Reply extends VerifyReply | FileReply>(
  pool: Pool,
  task: VerifyTask | FileTask,
  name: string,
): Promise<Reply> {
  try {
    return (await pool.run(task, { name })) as Reply;
  } catch (thrown) {
    throw toSteleError(thrown);
  }
}

/** Throws the error in a reply. */
function good<Reply extends VerifyReply | FileReply>(reply: Reply): Reply & { readonly ok: true } {
  if (reply.ok) return reply as Reply & { readonly ok: true };
  throw new SteleError(isErrorCode(reply.code) ? reply.code : 'CORRUPT', reply.message);
}

async function inPlace<Result>(
  steps: Generator<number, Result, void>,
  time: Time,
): Promise<Result> {
  let turnEndsAtMs = time.nowMs() + STEP_MS_MAX;
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    if (time.nowMs() < turnEndsAtMs) continue;
    await new Promise<void>((resolve) => void time.soon(resolve));
    turnEndsAtMs = time.nowMs() + STEP_MS_MAX;
  }
}
