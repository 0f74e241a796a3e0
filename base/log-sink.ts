// The destination of log lines: a descriptor whose reader may be slow, stuck or gone, and whose
// disk may be full. A line is written, queued for a moment, or lost. Logging never throws and never
// blocks.
//
//   write(line) -> queue (bounded) -> non-blocking write(2) -> the descriptor
//                     |                    |
//                     +-- full: lost       +-- EAGAIN: retried soon   other errors: lost
//
// Invariants: lines come out complete and in order, because the rest of a partial write goes first;
// the number of lost lines is in the next line that is written, and in `lostLogLines`.

import { closeSync, constants, fstatSync, openSync, writeSync } from 'node:fs';

const QUEUE_BYTES_MAX = 256 * 1024;
const RETRY_MS = 50;

let lostTotal = 0;

/** Log lines that this process could not write since its start. */
export function lostLogLines(): number {
  return lostTotal;
}

export interface LogSinkOptions {
  /** The line that reports `count` lost lines; must end with a line feed. */
  readonly lostLine: (count: number, reason: string) => string;
  /** Transforms a line before it is written. */
  readonly format?: (line: string) => string;
}

/** A destination for pino. Does not own the descriptor and leaves it open. */
export class LogSink {
  readonly #descriptor: number;
  readonly #options: LogSinkOptions;
  #queue: Buffer[] = [];
  #queueBytes = 0;
  /** The rest of a partially written line. */
  #rest: Buffer | undefined;
  #lost = 0;
  #lostReason = '';
  #timer: NodeJS.Timeout | undefined;

  constructor(descriptor: number, options: LogSinkOptions) {
    this.#descriptor = withoutWaiting(descriptor);
    this.#options = options;
    process.once('exit', () => this.#flush());
  }

  /** Called by pino with each line. */
  write(line: string): void {
    const bytes = Buffer.from(this.#options.format?.(line) ?? line);
    if (this.#queueBytes + bytes.length > QUEUE_BYTES_MAX) {
      this.#lose('nobody reads the log');
    } else {
      this.#push(bytes);
    }
    this.#flush();
  }

  #push(bytes: Buffer): void {
    this.#queue.push(bytes);
    this.#queueBytes += bytes.length;
  }

  #lose(reason: string): void {
    this.#lost++;
    lostTotal++;
    this.#lostReason = reason;
  }

  /** Writes until the queue is empty, the descriptor would block, or a line is lost. */
  #flush(): void {
    while (this.#rest !== undefined || this.#queue.length > 0) {
      const isWritten = this.#rest === undefined ? this.#writeNext() : this.#writeRest(this.#rest);
      if (!isWritten) return;
    }
  }

  #writeRest(rest: Buffer): boolean {
    const written = this.#tryWrite(rest);
    if (written === undefined) return false;
    this.#rest = written === rest.length ? undefined : rest.subarray(written);
    return true;
  }

  #writeNext(): boolean {
    if (this.#lost > 0) return this.#tellLost();
    const bytes = this.#queue[0];
    if (bytes === undefined) return false;
    const written = this.#tryWrite(bytes);
    if (written === undefined) return false;
    this.#shift();
    if (written < bytes.length) this.#rest = bytes.subarray(written);
    return true;
  }

  #tellLost(): boolean {
    const count = this.#lost;
    const bytes = Buffer.from(this.#options.lostLine(count, this.#lostReason));
    const written = this.#tryWrite(bytes);
    if (written === undefined) return false;
    this.#lost -= count;
    if (written < bytes.length) this.#rest = bytes.subarray(written);
    return true;
  }

  /** The number of bytes written; undefined if the descriptor would block. */
  #tryWrite(bytes: Buffer): number | undefined {
    try {
      const written = writeSync(this.#descriptor, bytes);
      if (written > 0) return written;
      this.#retryLater();
    } catch (thrown) {
      const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : 'unknown';
      if (code === 'EAGAIN') this.#retryLater();
      else this.#loseAll(code);
    }
    return undefined;
  }

  /** Drops the queue: an error such as a full disk persists for minutes. */
  #loseAll(reason: string): void {
    for (const _ of this.#queue) this.#lose(reason);
    this.#queue = [];
    this.#queueBytes = 0;
  }

  #shift(): void {
    this.#queueBytes -= this.#queue.shift()?.length ?? 0;
  }

  #retryLater(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#flush();
    }, RETRY_MS).unref();
  }
}

/**
 * A non-blocking descriptor for the same pipe or terminal. It is reopened because the mode belongs
 * to the open file, which other processes (a shell) share. Files are not reopened: they never
 * block, and would lose their position. Sockets cannot be: Node.js sets their mode when it makes a
 * stream of them.
 */
function withoutWaiting(descriptor: number): number {
  try {
    const stat = fstatSync(descriptor);
    if (stat.isSocket() && descriptor === process.stderr.fd) return descriptor;
    if (!stat.isFIFO() && !stat.isCharacterDevice()) return descriptor;
    const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants;
    const again = openSync(`/proc/self/fd/${descriptor}`, O_WRONLY | O_NONBLOCK | O_NOCTTY);
    if (fstatSync(again).ino === stat.ino) return again;
    closeSync(again);
  } catch {
    // No /proc, or no permission to open it: keep the descriptor.
  }
  return descriptor;
}
