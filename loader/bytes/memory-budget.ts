// The memory budget of one parse task. Everything that grows with the rows of a chunk (the chunk
// itself, tables, buffers, the run) reserves here first. A chunk whose rows are more expensive than
// the sampled ones then fails its task instead of exhausting memory.

import { freeMemory } from '../../base/process/free-memory.ts';

/** The budget of one thread; lives as long as its scratch. */
export interface MemoryBudget {
  bytesMax: number;
  /** Bytes reserved at present, beyond the initial sizes. */
  bytes: number;
  /**
   * Whether outgrown buffers are freed at once instead of by the garbage collector. Only for large
   * tasks: once a buffer has been detached in a thread, V8 compiles hot loops there about 7%
   * slower.
   */
  freesAtOnce: boolean;
}

/**
 * The budget is exceeded. Not for people: the stage retries the task with more memory if there is
 * any.
 */
export class BudgetExceeded extends Error {
  /** The total with the refused reservation, in bytes. */
  readonly nextBytes: number;
  /** The estimated need of the whole task, from its rows so far, in bytes. */
  readonly neededBytes: number;

  constructor(nextBytes: number, neededBytes = nextBytes) {
    super(`the task needs about ${neededBytes} bytes of memory`);
    this.nextBytes = nextBytes;
    this.neededBytes = neededBytes;
  }
}

export function newMemoryBudget(bytesMax = Number.MAX_SAFE_INTEGER): MemoryBudget {
  return { bytesMax, bytes: 0, freesAtOnce: false };
}

/** Frees `views`, which were replaced by larger ones and are no longer used. */
export function freeOutgrown(
  budget: MemoryBudget | undefined,
  views: readonly NodeJS.ArrayBufferView[],
): void {
  if (budget?.freesAtOnce === true) freeMemory(views);
}

/**
 * Memory that a part of a task holds for a while, in addition to what is kept from task to task.
 */
export interface HeldMemory {
  readonly budget: MemoryBudget | undefined;
  bytes: number;
}

/** Throws BudgetExceeded. */
export function hold(held: HeldMemory, byteCount: number): void {
  if (held.budget === undefined) return;
  reserveGrowth(held.budget, byteCount, 0);
  held.bytes += byteCount;
}

export function releaseHeld(held: HeldMemory): void {
  if (held.budget !== undefined) held.budget.bytes -= held.bytes;
  held.bytes = 0;
}

/** Must be called before `newBytes` replace `oldBytes`: for a moment both exist. */
export function reserveGrowth(budget: MemoryBudget, newBytes: number, oldBytes: number): void {
  const peak = budget.bytes + newBytes;
  if (peak > budget.bytesMax) throw new BudgetExceeded(peak);
  budget.bytes = peak - oldBytes;
}
