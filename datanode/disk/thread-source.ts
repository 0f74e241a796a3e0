// Reads blocks by threads that block in the system call (read-worker.ts), over shared memory
// (read-ring.ts): reads of one tick are submitted together, and a read costs this thread about as much
// as a function call.
//
// Invariants:
//
// - A slow or hung read holds its thread and its slot, and delays no other read for longer than a
//   millisecond while a thread is free. After READ_MS_MAX its receiver gets an error; the slot is used
//   again once the system call has returned.
// - What waits is bounded: SLOT_COUNT reads in progress, WAITING_MAX requests after them, and
//   LARGE_BYTES_MAX of reads that are larger than a slot.

import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { getSystemErrorName } from 'node:util';
import { Worker } from 'node:worker_threads';
import { monotonicNowMs } from '../../base/clock.ts';
import { SteleError } from '../../base/errors.ts';
import { THREAD_BYTES } from '../../base/process/usable-memory.ts';
import type { Logger } from '../../base/log.ts';
import { READ_MS_MAX } from './block-source.ts';
import type { BlockFile, BlockReceiver, BlockSource } from './block-source.ts';
import { CountedFile } from './counted-file.ts';
import { LargeRead } from './large-read.ts';
import {
  CLAIMED,
  DONE,
  IDLE,
  SLOT_BLOCKS_MAX,
  SLOT_BYTES,
  SLOT_COUNT,
  STOP,
  SUBMITTED,
  newRingMemory,
  openRing,
} from './read-ring.ts';

const WAITING_MAX = 65_536;
const LARGE_BYTES_MAX: number = 256 * 1024 * 1024;
const MASK = SLOT_COUNT - 1;
/** How long after a submission this thread looks for its reads at every tick, without waiting. */
const EAGER_MS = 0.2;
/** While reads are in progress, how often this thread looks for those that nobody has announced. */
const POLL_MS = 1;
/** How often it looks for reads that take too long. */
const SWEEP_MS = 100;
/** Threads that one tick wakes. More are woken when reads turn out to be slow. */
const WOKEN_MAX = 4;
/** Reads for which one thread is enough, from the page cache. */
const READS_PER_THREAD = 64;
const THREAD_HEAP_MIB = 16;

/** `buffered`: through the page cache. `direct`: past it (O_DIRECT). */
export type DiskIo = 'buffered' | 'direct';

interface ThreadSourceOptions {
  /** The built worker. */
  readonly file: string;
  readonly threads: number;
  readonly io: DiskIo;
  readonly log: Logger;
}

interface Waiting {
  readonly file: ThreadFile;
  readonly position: number;
  readonly length: number;
  readonly blockBytes: number;
  readonly receiver: BlockReceiver;
  readonly askedMs: number;
}

type ThreadFile = CountedFile<FileHandle>;

export class ThreadSource implements BlockSource {
  readonly #memory = newRingMemory();
  readonly #ring = openRing(this.#memory);
  readonly #options: ThreadSourceOptions;
  readonly #workers: Worker[] = [];
  readonly #free: number[] = Array.from({ length: SLOT_COUNT }, (_, slot) => slot);
  readonly #receivers: (BlockReceiver | undefined)[] = Array.from({ length: SLOT_COUNT });
  readonly #files: (ThreadFile | undefined)[] = Array.from({ length: SLOT_COUNT });
  readonly #startedMs = new Float64Array(SLOT_COUNT);
  #waiting: Waiting[] = [];
  #waitingAt = 0;
  #largeBytes = 0;
  /** Reads whose slots are not free yet. */
  #inProgress = 0;
  /** Reads submitted in this tick for which no thread has been woken. */
  #unsent = 0;
  #taken = 0;
  #sentMs = 0;
  #isWatching = false;
  /** Resolves when the first thread runs. */
  #isReady: Promise<unknown> | undefined;
  #poll: NodeJS.Timeout | undefined;
  #sweptMs = 0;
  #isClosed = false;

  constructor(options: ThreadSourceOptions) {
    this.#options = options;
  }

  /** What threads that are running take counts as well. */
  get bufferBytes(): number {
    return this.#workers.length * THREAD_BYTES + this.#inProgress * SLOT_BYTES + this.#largeBytes;
  }

  async open(path: string): Promise<BlockFile> {
    this.#start();
    // A read must not wait for the threads to start: on a busy machine that takes longer than a read may.
    await this.#isReady;
    const direct = this.#options.io === 'direct' ? constants.O_DIRECT : 0;
    return new CountedFile(path, await open(path, constants.O_RDONLY | direct));
  }

  read(
    file: BlockFile,
    position: number,
    length: number,
    blockBytes: number,
    receiver: BlockReceiver,
  ): void {
    if (length > SLOT_BYTES) return this.#readLarge(file, position, length, blockBytes, receiver);
    const slot = this.#free.pop();
    if (slot !== undefined) {
      return this.#submit(slot, file as ThreadFile, position, length, blockBytes, receiver);
    }
    if (this.#waiting.length - this.#waitingAt >= WAITING_MAX) {
      return failLater(receiver, overloaded(`${WAITING_MAX} reads are waiting for the disk`));
    }
    (file as ThreadFile).use();
    const askedMs = monotonicNowMs();
    this.#waiting.push({
      file: file as ThreadFile,
      position,
      length,
      blockBytes,
      receiver,
      askedMs,
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#poll);
    Atomics.store(this.#ring.counters, STOP, 1);
    // Lets threads see that there is something new.
    Atomics.add(this.#ring.counters, SUBMITTED, 1);
    Atomics.notify(this.#ring.counters, SUBMITTED);
    // A thread that hangs in a read does not end before it.
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
    this.#workers.length = 0;
  }

  /** Starts the threads when the first file is opened. */
  #start(): void {
    if (this.#workers.length > 0 || this.#isClosed) return;
    for (let count = 0; count < this.#options.threads; count++) this.#startThread();
    const runs = this.#workers.map(
      (worker) => new Promise((resolve) => worker.once('online', resolve).once('exit', resolve)),
    );
    this.#isReady = Promise.race(runs);
  }

  #startThread(): void {
    const worker = new Worker(this.#options.file, {
      workerData: this.#memory,
      name: 'stele-disk',
      resourceLimits: { maxOldGenerationSizeMb: THREAD_HEAP_MIB, maxYoungGenerationSizeMb: 1 },
    });
    worker.unref();
    this.#workers.push(worker);
    // The read that it had fails after READ_MS_MAX, and its slot is lost.
    worker.once('error', (err) => {
      this.#options.log.error({ err }, 'a thread that reads from disk has ended, and is replaced');
      this.#workers.splice(this.#workers.indexOf(worker), 1);
      if (!this.#isClosed) this.#startThread();
    });
  }

  #submit(
    slot: number,
    file: ThreadFile,
    position: number,
    length: number,
    blockBytes: number,
    receiver: BlockReceiver,
  ): void {
    const ring = this.#ring;
    file.use();
    this.#files[slot] = file;
    this.#receivers[slot] = receiver;
    this.#startedMs[slot] = monotonicNowMs();
    ring.fds[slot] = file.handle.fd;
    ring.positions[slot] = position;
    ring.lengths[slot] = length;
    ring.blockBytes[slot] = blockBytes;
    const submitted = Atomics.load(ring.counters, SUBMITTED);
    Atomics.store(ring.submitted, submitted & MASK, slot);
    Atomics.store(ring.counters, SUBMITTED, submitted + 1);
    this.#inProgress++;
    if (this.#unsent++ === 0) process.nextTick(() => this.#send());
  }

  /** Wakes threads for the reads of this tick, unless enough of them are at work. */
  #send(): void {
    const { counters } = this.#ring;
    const idle = Atomics.load(counters, IDLE);
    const wanted = Math.min(WOKEN_MAX, 1 + Math.floor(this.#unsent / READS_PER_THREAD));
    this.#unsent = 0;
    this.#sentMs = monotonicNowMs();
    const missing = Math.min(idle, wanted - (this.#workers.length - idle));
    if (missing > 0) Atomics.notify(counters, SUBMITTED, missing);
    this.#watch();
  }

  /** Waits for the next read that is done. */
  #watch(): void {
    if (this.#inProgress === 0 || this.#isClosed) return;
    this.#poll ??= setTimeout(() => this.#onPoll(), POLL_MS);
    if (this.#isWatching) return;
    this.#isWatching = true;
    const drain = (): void => {
      this.#isWatching = false;
      this.#drain();
    };
    // Reads from the page cache are done within some microseconds, and being woken takes more.
    const isEager = monotonicNowMs() - this.#sentMs < EAGER_MS;
    const waiting = isEager
      ? undefined
      : Atomics.waitAsync(this.#ring.counters, DONE, this.#taken | 0);
    if (waiting?.async === true) void waiting.value.then(drain);
    else setImmediate(drain);
  }

  #onPoll(): void {
    this.#poll = undefined;
    const { counters } = this.#ring;
    const isUnclaimed = Atomics.load(counters, CLAIMED) !== Atomics.load(counters, SUBMITTED);
    if (isUnclaimed) Atomics.notify(counters, SUBMITTED, Atomics.load(counters, IDLE));
    const nowMs = monotonicNowMs();
    this.#drain();
    if (nowMs - this.#sweptMs < SWEEP_MS) return;
    this.#sweptMs = nowMs;
    this.#failSlow(nowMs);
  }

  /** Passes on what is done. */
  #drain(): void {
    const { done } = this.#ring;
    for (;;) {
      const at = this.#taken & MASK;
      const slot = Atomics.load(done, at) - 1;
      if (slot < 0) break;
      Atomics.store(done, at, 0);
      this.#taken = (this.#taken + 1) | 0;
      this.#finish(slot);
    }
    this.#watch();
  }

  #finish(slot: number): void {
    const receiver = this.#receivers[slot];
    const file = this.#files[slot] as ThreadFile;
    const { crcs, data, lengths, results } = this.#ring;
    this.#receivers[slot] = undefined;
    this.#files[slot] = undefined;
    const result = results[slot] as number;
    if (receiver !== undefined) {
      if (result >= (lengths[slot] as number)) {
        receiver.onBlocks(data, slot * SLOT_BYTES, crcs, slot * SLOT_BLOCKS_MAX);
      } else receiver.onReadFailed(failureOf(result, file.path));
    }
    file.unuse();
    this.#inProgress--;
    this.#free.push(slot);
    this.#submitWaiting();
  }

  #submitWaiting(): void {
    if (this.#waitingAt === this.#waiting.length) return;
    const slot = this.#free.pop();
    if (slot === undefined) return;
    const { blockBytes, file, length, position, receiver } = this.#waiting[
      this.#waitingAt++
    ] as Waiting;
    if (this.#waitingAt * 2 > this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#waitingAt);
      this.#waitingAt = 0;
    }
    this.#submit(slot, file, position, length, blockBytes, receiver);
    file.unuse();
  }

  /** Fails the reads that take too long; their slots stay in use until the system call returns. */
  #failSlow(nowMs: number): void {
    for (let slot = 0; slot < SLOT_COUNT; slot++) {
      const receiver = this.#receivers[slot];
      if (receiver === undefined || nowMs - (this.#startedMs[slot] as number) < READ_MS_MAX)
        continue;
      this.#receivers[slot] = undefined;
      receiver.onReadFailed(tooSlow((this.#files[slot] as ThreadFile).path));
    }
    while (this.#waitingAt < this.#waiting.length) {
      const { askedMs, file, receiver } = this.#waiting[this.#waitingAt] as Waiting;
      if (nowMs - askedMs < READ_MS_MAX) return;
      this.#waitingAt++;
      file.unuse();
      receiver.onReadFailed(tooSlow(file.path));
    }
  }

  #readLarge(
    file: BlockFile,
    position: number,
    length: number,
    blockBytes: number,
    receiver: BlockReceiver,
  ): void {
    if (this.#largeBytes + length > LARGE_BYTES_MAX) {
      return failLater(
        receiver,
        overloaded('The values being read from disk are too large together'),
      );
    }
    this.#largeBytes += length;
    const large = new LargeRead(length, blockBytes, receiver, () => {
      this.#largeBytes -= length;
    });
    for (let at = 0; at < length; at += SLOT_BYTES) {
      const part = large.part(at);
      this.read(file, position + at, Math.min(SLOT_BYTES, length - at), blockBytes, part);
    }
  }
}

function failLater(receiver: BlockReceiver, error: SteleError): void {
  process.nextTick(() => receiver.onReadFailed(error));
}

function overloaded(what: string): SteleError {
  return new SteleError('OVERLOADED', `${what}; ask again later.`);
}

function tooSlow(path: string): SteleError {
  return new SteleError(
    'DEADLINE_EXCEEDED',
    `The disk has not read ${path} within ${READ_MS_MAX} ms.`,
  );
}

/** A file that is cut off, or that the disk cannot read any more, is damaged. */
function failureOf(result: number, path: string): SteleError {
  if (result >= 0) return new SteleError('CORRUPT', `${path} is shorter than it was.`);
  const name = getSystemErrorName(result);
  return new SteleError(name === 'EIO' ? 'CORRUPT' : 'IO', `${path} cannot be read: ${name}.`);
}
