// Reads blocks of files: the port between lookups and the disk. Two implementations: threads that
// block in the system call (thread-source.ts), and plain asynchronous reads (file-source.ts).

import type { SteleError } from '../../base/errors.ts';

/** Blocks of one read, in order: its file offset and its length are multiples of the block size. */
export interface BlockReceiver {
  /**
   * The bytes read begin at `bytes[at]`, the checksums (CRC32) of their blocks at `crcs[crcAt]`.
   * Both are valid during the call only.
   */
  onBlocks(bytes: Buffer, at: number, crcs: ArrayLike<number>, crcAt: number): void;
  /** CORRUPT: the file is cut off, or the disk cannot read it. IO, DEADLINE_EXCEEDED, OVERLOADED: nothing
   * is known about the blocks. */
  onReadFailed(error: SteleError): void;
}

/** A file that is open for reading. It is closed once nobody reads from it any more. */
export interface BlockFile {
  readonly path: string;
  readonly isClosed: boolean;
  close(): void;
}

export interface BlockSource {
  /** Opens a file of `fileBytes` bytes. Throws the system's error. */
  open(path: string): Promise<BlockFile>;
  /**
   * Reads `length` bytes from `position` in blocks of `blockBytes`; only the last block may be
   * shorter. The receiver is called exactly once, in a later tick. `file` must not be closed.
   */
  read(
    file: BlockFile,
    position: number,
    length: number,
    blockBytes: number,
    receiver: BlockReceiver,
  ): void;
  /** Memory that reads in progress take. */
  readonly bufferBytes: number;
  close(): Promise<void>;
}

/** How long a read may take. Afterwards its caller asks another replica. */
export const READ_MS_MAX = 1000;
/** Larger blocks cannot be read: segments with them stay in memory. */
export const READABLE_BLOCK_BYTES_MAX: number = 64 * 1024;
