// Accepts segments from any sender: check space, verify, make durable, then hold.
//
//   reserve(bytes)  memory and disk space are reserved before the first byte is accepted
//   store(bytes)    verify -> write, fsync, rename, fsync folder -> holdings
//
// Invariant: nothing is acknowledged, or can be served, before it is durable.

import { SteleError } from '../../base/errors.ts';
import { SEGMENT_BYTES_MAX } from '../../base/limits.ts';
import type { Holdings } from '../storage/holdings.ts';
import type { MemoryBudget } from '../storage/memory-budget.ts';
import type { DiskStore } from '../storage/store.ts';
import type { ExpectedSegment } from '../storage/expected-segment.ts';
import type { Verifier } from '../storage/verifier.ts';

/** Space reserved for one segment; `release` may be called more than once. */
export interface Reservation {
  release(): void;
}

export interface IntakeOptions {
  readonly holdings: Holdings;
  readonly store: DiskStore;
  readonly verifier: Verifier;
  readonly memory: MemoryBudget;
}

export class Intake {
  readonly #options: IntakeOptions;

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  /**
   * Reserves memory and disk space for a segment file of `byteCount` bytes. Throws MEMORY_LIMIT or
   * DISK_FULL.
   */
  async reserve(byteCount: number): Promise<Reservation> {
    if (byteCount <= 0 || byteCount > SEGMENT_BYTES_MAX) {
      throw new SteleError('INVALID_ARGUMENT', `A segment cannot have ${byteCount} bytes.`);
    }
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
}
