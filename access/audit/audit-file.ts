// The file of an audit log: appended to, off the event loop, and opened again after a rotation.
//
//   write -> queue (bounded) -> one append at a time -> FILE
//
// Lines come out complete and in order. If an append fails, its lines are lost and counted, the
// file is opened again for the next one, and the first line that can be written says how many were
// lost.

import { closeSync, fstatSync, openSync } from 'node:fs';
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { sleep } from '../../base/clock.ts';
import { SteleError, systemErrorCode, toSteleError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { AuditSink } from './audit.ts';

const QUEUE_BYTES_MAX = 1024 * 1024;
const CLOSE_MS_MAX = 1_000;
const MODE = 0o600;
const OTHERS = 0o077;
/** A disk may recover from any other error. */
const MISTAKES: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'EISDIR', 'EACCES', 'EPERM']);

export interface AuditFileOptions {
  readonly log: Logger;
  /** The line that says that `count` lines were lost; ends with a line feed. */
  readonly lostLine: (count: number) => string;
}

export class AuditFile implements AuditSink {
  readonly #path: string;
  readonly #options: AuditFileOptions;
  #file: FileHandle | undefined;
  #queue: string[] = [];
  #queueBytes = 0;
  #draining: Promise<void> | undefined;
  #isRenamed = false;
  #trouble: string | undefined;
  #lostTotal = 0;
  /** Lost lines that no line has mentioned. */
  #untold = 0;

  /** Throws INVALID_ARGUMENT for a path that is no file, or may not be written. */
  constructor(path: string, options: AuditFileOptions) {
    this.#path = path;
    this.#options = options;
    this.#check();
  }

  get trouble(): string | undefined {
    return this.#trouble;
  }

  get lostTotal(): number {
    return this.#lostTotal;
  }

  readonly reopen = (): void => {
    this.#isRenamed = true;
    this.#drain();
  };

  write(line: string): void {
    const byteCount = Buffer.byteLength(line);
    if (this.#queueBytes + byteCount > QUEUE_BYTES_MAX) {
      this.#lose(1, 'the disk takes no writes');
      return;
    }
    this.#queue.push(line);
    this.#queueBytes += byteCount;
    this.#drain();
  }

  async close(): Promise<void> {
    await Promise.race([this.#draining, sleep(CLOSE_MS_MAX)]);
    const file = this.#file;
    this.#file = undefined;
    await Promise.race([file?.close(), sleep(CLOSE_MS_MAX)]);
  }

  #check(): void {
    try {
      const descriptor = openSync(this.#path, 'a', MODE);
      const { mode } = fstatSync(descriptor);
      closeSync(descriptor);
      if ((mode & OTHERS) === 0) return;
      const { log } = this.#options;
      log.warn({ file: this.#path }, 'others can read the audit log; make its file mode 0600');
    } catch (thrown) {
      const { message } = toSteleError(thrown);
      if (!MISTAKES.has(systemErrorCode(thrown) ?? '')) return this.#lose(0, message);
      throw new SteleError(
        'INVALID_ARGUMENT',
        `--audit-log ${this.#path} cannot be written: ${message}. Name a file in a folder that is there, or stderr.`,
        { cause: thrown },
      );
    }
  }

  #drain(): void {
    this.#draining ??= this.#appendAll().finally(() => {
      this.#draining = undefined;
    });
  }

  /** Never rejects. */
  async #appendAll(): Promise<void> {
    while (this.#queue.length > 0 || this.#isRenamed) {
      const lines = this.#queue;
      const untold = this.#untold;
      this.#queue = [];
      this.#queueBytes = 0;
      this.#untold = 0;
      try {
        await this.#append(lines, untold);
        this.#recover();
      } catch (thrown) {
        this.#untold += untold;
        this.#lose(lines.length, toSteleError(thrown).message);
        await this.#file?.close().catch(() => undefined);
        this.#file = undefined;
      }
    }
  }

  async #append(lines: readonly string[], untold: number): Promise<void> {
    if (this.#isRenamed) {
      this.#isRenamed = false;
      await this.#file?.close();
      this.#file = undefined;
    }
    this.#file ??= await open(this.#path, 'a', MODE);
    // The append that failed may have left a part of a line.
    const lost = untold === 0 ? '' : `\n${this.#options.lostLine(untold)}`;
    await this.#file.appendFile(`${lost}${lines.join('')}`);
  }

  #lose(count: number, reason: string): void {
    this.#lostTotal += count;
    this.#untold += count;
    if (this.#trouble === undefined) {
      const text = `the audit log cannot be written: ${reason}; its lines are lost until it can`;
      this.#options.log.error({ file: this.#path }, text);
    }
    this.#trouble = reason;
  }

  #recover(): void {
    if (this.#trouble === undefined) return;
    this.#trouble = undefined;
    this.#options.log.info({ file: this.#path }, 'the audit log can be written again');
  }
}
