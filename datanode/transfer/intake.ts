// Accepts segments from any sender: check space, receive, verify, make durable, then hold.
//
//   open(segment)   space is reserved before the first byte is accepted; arrival.ts has the rest
//   store(bytes)    verify -> write, fsync, rename, fsync folder -> holdings
//   adopt(path)     verify, fsync -> rename, fsync folder -> holdings, as a segment on disk
//
// Segments of the disk tier, and of suspended keyspaces, go through a file, and never are in memory as
// a whole; the others go through the memory that they are then served from.
//
// Invariant: nothing is acknowledged, or can be served, before it is durable.

import { SteleError, toSteleError } from '../../base/errors.ts';
import { SEGMENT_BYTES_MAX } from '../../base/limits.ts';
import type { TierWord } from '../../proto/view-words.ts';
import { residentBytesOf } from '../../segment/resident.ts';
import type { ResidentSegment } from '../../segment/resident.ts';
import type { BlockSource } from '../disk/block-source.ts';
import { diskSegment, isReadable } from '../disk/disk-segment.ts';
import type { Holdings, ReadableSegment } from '../storage/holdings.ts';
import type { MemoryBudget } from '../storage/memory-budget.ts';
import type { DiskStore } from '../storage/store.ts';
import type { ExpectedSegment } from '../storage/expected-segment.ts';
import type { Verifier } from '../storage/verifier.ts';
import { FileArrival, MemoryArrival } from './arrival.ts';
import type { Arrival } from './arrival.ts';

/** Space reserved for one segment; `release` may be called more than once. */
export interface Reservation {
  release(): void;
}

export interface IntakeOptions {
  readonly holdings: Holdings;
  readonly store: DiskStore;
  readonly verifier: Verifier;
  readonly memory: MemoryBudget;
  readonly source: BlockSource;
}

/** A segment that is to arrive. */
export interface ExpectedArrival extends ExpectedSegment {
  readonly byteLength: number;
  /** The tier of a keyspace that the view may not have yet. */
  readonly tier?: TierWord | undefined;
}

export interface ArrivalOptions {
  /** How many bytes come at once at most. Default: as from a socket. */
  readonly pieceBytes?: number;
  /** Called once, when the arrival has finished or was abandoned. */
  readonly onEnd?: () => void;
}

/** Bytes that wait for the disk, for each of the two buffers of an arrival from a socket. */
const PIECE_BYTES = 128 * 1024;

export class Intake {
  readonly #options: IntakeOptions;

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  /**
   * Reserves memory and disk space for a segment file of `byteCount` bytes that will be in memory.
   * Throws MEMORY_LIMIT or DISK_FULL.
   */
  async reserve(byteCount: number): Promise<Reservation> {
    requireSize(byteCount);
    const { memory, store } = this.#options;
    const releaseMemory = memory.reserve(byteCount);
    try {
      const releaseDisk = await store.reserve(byteCount);
      return {
        release: () => {
          releaseMemory();
          releaseDisk();
        },
      };
    } catch (thrown) {
      releaseMemory();
      throw thrown;
    }
  }

  /** Whether the segment is here; if so, earlier drop orders no longer remove it (holdings.ts). */
  claim(keyspaceUid: string, segmentId: string): boolean {
    return this.#options.holdings.claim(keyspaceUid, segmentId);
  }

  /** Whether segments of a keyspace go through memory. */
  isInMemory(keyspaceUid: string): boolean {
    return this.#options.holdings.tierOf(keyspaceUid) === 'memory';
  }

  /**
   * Begins to receive a segment. Throws MEMORY_LIMIT, DISK_FULL, IO, or INVALID_ARGUMENT for a size
   * that no segment has.
   */
  async open(
    expected: ExpectedArrival,
    { onEnd = () => undefined, pieceBytes = PIECE_BYTES }: ArrivalOptions = {},
  ): Promise<Arrival> {
    const { byteLength, keyspaceUid, tier } = expected;
    if (this.isInMemory(keyspaceUid) && tier !== 'disk') {
      const reservation = await this.reserve(byteLength);
      const store = (bytes: Buffer): Promise<void> => this.store(bytes, expected);
      return new MemoryArrival(byteLength, store, () => {
        reservation.release();
        onEnd();
      });
    }
    requireSize(byteLength);
    const { memory, store } = this.#options;
    const release = await store.reserve(byteLength);
    try {
      const { file, path } = await store.openIncoming(expected.segmentId);
      return new FileArrival({
        byteLength,
        file,
        files: store.files,
        path,
        pieceBytes,
        release: () => {
          release();
          onEnd();
        },
        reserve: (header) =>
          memory.reserve(isReadable(header) ? residentBytesOf(header) : header.fileBytes),
        store: () => this.adopt(path, expected),
        onWritten: release,
        onWriteFailed: (thrown) => store.writeFailed(thrown),
      });
    } catch (thrown) {
      release();
      throw thrown;
    }
  }

  /** Verifies `bytes`, makes them durable and holds them from then on; they must not change. */
  async store(bytes: Buffer, expected: ExpectedSegment): Promise<void> {
    const { holdings, store, verifier } = this.#options;
    const { keyspaceUid, segmentId } = expected;
    const segment = await store.writeBy(
      keyspaceUid,
      segmentId,
      (path) => verifier.verifyAndWrite(bytes, expected, path),
      () => holdings.has(keyspaceUid, segmentId),
    );
    holdings.add(keyspaceUid, segmentId, segment);
  }

  /**
   * Verifies the complete file at `path`, which is closed, makes it durable under its name, and holds
   * it from then on. Its memory must be reserved.
   */
  async adopt(path: string, expected: ExpectedSegment): Promise<void> {
    const { holdings, store, verifier } = this.#options;
    const { keyspaceUid, segmentId } = expected;
    const resident = await store.writeBy(
      keyspaceUid,
      segmentId,
      async (temporary) => {
        const checked = await verifier.verifyAndSync({ ...expected, path });
        await store.files.rename(path, temporary);
        return checked;
      },
      () => holdings.has(keyspaceUid, segmentId),
    );
    holdings.add(keyspaceUid, segmentId, await this.#opened(resident, expected));
  }

  async #opened(
    resident: ResidentSegment,
    { keyspaceUid, segmentId }: ExpectedSegment,
  ): Promise<ReadableSegment> {
    const { holdings, source, store, verifier } = this.#options;
    const file = store.fileOf(keyspaceUid, segmentId);
    try {
      if (!isReadable(resident.header)) return await verifier.verifyFile(file);
      return diskSegment(resident, await source.open(file.path));
    } catch (thrown) {
      // Nobody would ever drop a file that is not held.
      if (!holdings.has(keyspaceUid, segmentId)) await store.remove(keyspaceUid, segmentId);
      throw toSteleError(thrown, 'IO');
    }
  }
}

function requireSize(byteCount: number): void {
  if (byteCount > 0 && byteCount <= SEGMENT_BYTES_MAX) return;
  throw new SteleError('INVALID_ARGUMENT', `A segment cannot have ${byteCount} bytes.`);
}
