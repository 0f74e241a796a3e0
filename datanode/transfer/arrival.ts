// Where the bytes of an arriving segment go, from whomever they come.
//
//     memory   straight into the memory that the segment is then served from
//     file     piece by piece into a file under incoming/, of which only index and checksums come into
//              memory, once it is complete
//
//     room      -> where the next bytes go
//     filled    -> notes them; the next may have to wait for the disk
//     finish    -> verified, durable, held
//     abandon   -> leaves no trace
//
// Every arrival ends in `finish` or `abandon`; both release what is reserved.

import type { Files, OpenFile } from '../../base/disk/files.ts';
import { writeFully } from '../../base/disk/durable-file.ts';
import { SteleError, toSteleError } from '../../base/errors.ts';
import { readHeader } from '../../segment/header.ts';
import type { SegmentHeader } from '../../segment/header.ts';
import { HEADER_BYTES } from '../../segment/layout.ts';

/** One segment that is being received. */
export interface Arrival {
  readonly byteLength: number;
  /** Where the next bytes go; not empty until all are there. */
  readonly room: Uint8Array;
  /**
   * Notes that `byteCount` bytes were written to `room`, which is another one afterwards. If it returns
   * a promise, nothing may be written before that resolves. Throws what makes the rest pointless.
   */
  filled(byteCount: number): Promise<void> | undefined;
  /**
   * Resolves when the segment is verified, durable and held. Throws CORRUPT, MEMORY_LIMIT, DISK_FULL,
   * IO, or INVALID_ARGUMENT if bytes are missing.
   */
  finish(): Promise<void>;
  /** Releases everything; may be called more than once. */
  abandon(): void;
}

const NO_ROOM = new Uint8Array(0);

export class MemoryArrival implements Arrival {
  readonly byteLength: number;
  readonly #store: (bytes: Buffer) => Promise<void>;
  readonly #release: () => void;
  #bytes: Buffer | undefined;
  #received = 0;
  #isOver = false;

  /** `store` verifies and holds the bytes. `release` is called once, at the end. */
  constructor(byteLength: number, store: (bytes: Buffer) => Promise<void>, release: () => void) {
    this.byteLength = byteLength;
    this.#store = store;
    this.#release = release;
  }

  get room(): Uint8Array {
    if (this.#isOver) return NO_ROOM;
    this.#bytes ??= Buffer.from(new SharedArrayBuffer(this.byteLength));
    return this.#bytes.subarray(this.#received);
  }

  filled(byteCount: number): undefined {
    this.#received += byteCount;
  }

  async finish(): Promise<void> {
    try {
      const bytes = this.#bytes;
      if (bytes === undefined || this.#received < this.byteLength) {
        throw endedEarly(this.byteLength, this.#received);
      }
      await this.#store(bytes);
    } finally {
      this.abandon();
    }
  }

  abandon(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#bytes = undefined;
    this.#release();
  }
}

export interface FileArrivalOptions {
  readonly byteLength: number;
  /** Bytes that are written at a time; two or three times as many are in memory. */
  readonly pieceBytes: number;
  readonly files: Files;
  /** Of the new file. */
  readonly path: string;
  readonly file: OpenFile;
  /** Reserves memory for what stays of the segment in memory. Throws MEMORY_LIMIT. */
  readonly reserve: (header: SegmentHeader) => () => void;
  /** Verifies the complete file, gives it its name and holds it. */
  readonly store: () => Promise<void>;
  readonly onWritten: (byteCount: number) => void;
  readonly onWriteFailed: (thrown: unknown) => Promise<void>;
  /** Called once, at the end. */
  readonly release: () => void;
}

export class FileArrival implements Arrival {
  readonly byteLength: number;
  readonly #options: FileArrivalOptions;
  readonly #pieceBytes: number;
  /** The one that is filled while others are written. */
  #piece: Buffer | undefined;
  readonly #free: Buffer[] = [];
  #filledBytes = 0;
  #received = 0;
  #releaseMemory: (() => void) | undefined;
  /** The write in progress; rejects if it fails. */
  #writing: Promise<void> = Promise.resolve();
  #writes = 0;
  #failure: SteleError | undefined;
  #isOver = false;

  constructor(options: FileArrivalOptions) {
    this.#options = options;
    this.byteLength = options.byteLength;
    this.#pieceBytes = Math.min(options.byteLength, Math.max(options.pieceBytes, HEADER_BYTES));
  }

  get room(): Uint8Array {
    const left = this.byteLength - this.#received;
    if (this.#isOver || left === 0) return NO_ROOM;
    this.#piece ??= this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#pieceBytes);
    return this.#piece.subarray(this.#filledBytes, this.#filledBytes + left);
  }

  filled(byteCount: number): Promise<void> | undefined {
    if (this.#failure !== undefined) throw this.#failure;
    const piece = this.#piece;
    if (piece === undefined) return undefined;
    this.#filledBytes += byteCount;
    this.#received += byteCount;
    if (this.#releaseMemory === undefined && this.#received >= HEADER_BYTES) {
      // The first piece has the header: better to refuse now than when all has arrived.
      const header = readHeader(piece.subarray(0, HEADER_BYTES), this.byteLength);
      this.#releaseMemory = this.#options.reserve(header);
    }
    const isComplete = this.#received === this.byteLength;
    if (this.#filledBytes < piece.length && !isComplete) return undefined;
    const before = this.#writes > 0 ? this.#writing : undefined;
    this.#write(piece);
    return before;
  }

  async finish(): Promise<void> {
    try {
      if (this.#received < this.byteLength) throw endedEarly(this.byteLength, this.#received);
      await this.#writing;
      await this.#options.file.close();
      await this.#options.store();
    } finally {
      this.abandon();
    }
  }

  abandon(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { file, files, path, release } = this.#options;
    // The file has another name by now, or nobody needs it. A start removes what is left of it.
    const remove = async (): Promise<void> => {
      await this.#writing.catch(() => undefined);
      await file.close().catch(() => undefined);
      await files.rm(path, { force: true }).catch(() => undefined);
      release();
    };
    void remove();
    this.#releaseMemory?.();
  }

  /** Writes the piece after the one that is being written. */
  #write(piece: Buffer): void {
    this.#writes++;
    this.#writing = this.#writeAfter(this.#writing, piece, this.#filledBytes);
    this.#piece = undefined;
    this.#filledBytes = 0;
    // `filled` and `finish` report it; after `abandon` it does not matter.
    this.#writing.catch(() => undefined);
  }

  async #writeAfter(before: Promise<void>, piece: Buffer, byteCount: number): Promise<void> {
    try {
      await before;
      if (this.#isOver) return;
      await writeFully(this.#options.file, piece.subarray(0, byteCount));
      this.#options.onWritten(byteCount);
      this.#free.push(piece);
    } catch (thrown) {
      if (this.#failure === undefined) await this.#options.onWriteFailed(thrown);
      this.#failure ??= toSteleError(thrown, 'IO');
      throw this.#failure;
    } finally {
      this.#writes--;
    }
  }
}

function endedEarly(byteLength: number, received: number): SteleError {
  return new SteleError(
    'INVALID_ARGUMENT',
    `A segment of ${byteLength} bytes ended after ${received}.`,
  );
}
