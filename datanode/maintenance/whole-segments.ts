// Segments in memory for work on all of their records: those on disk are read for as long as it takes.

import { isInMemory } from '../storage/holdings.ts';
import type { ReadableSegment } from '../storage/holdings.ts';
import type { MemoryBudget } from '../storage/memory-budget.ts';
import type { DiskStore } from '../storage/store.ts';
import type { Verifier } from '../storage/verifier.ts';
import type { Segment } from '../../segment/reader.ts';

export interface WholeSegmentsOptions {
  readonly store: DiskStore;
  readonly verifier: Verifier;
  readonly memory: MemoryBudget;
}

export class WholeSegments {
  readonly #options: WholeSegmentsOptions;

  constructor(options: WholeSegmentsOptions) {
    this.#options = options;
  }

  /**
   * Calls `work` with the same segments in memory. Throws what it throws, MEMORY_LIMIT, CORRUPT and the
   * errors of reading.
   */
  async during<Result>(
    segments: readonly ReadableSegment[],
    work: (whole: readonly Segment[]) => Promise<Result>,
  ): Promise<Result> {
    if (segments.every(isInMemory)) return work(segments);
    const { memory } = this.#options;
    const byteCount = segments.reduce(
      (sum, segment) => sum + (isInMemory(segment) ? 0 : segment.header.fileBytes),
      0,
    );
    const release = memory.reserve(byteCount);
    try {
      const whole: Segment[] = [];
      for (const segment of segments) {
        whole.push(isInMemory(segment) ? segment : await this.#read(segment));
      }
      return await work(whole);
    } finally {
      release();
    }
  }

  #read({ meta }: ReadableSegment): Promise<Segment> {
    const { store, verifier } = this.#options;
    return verifier.verifyFile(store.fileOf(meta.keyspaceUid, meta.id));
  }
}
