// What one parse task may hold in memory, and the counting of it. Everything that grows with the rows
// of a chunk (the chunk itself, tables, arenas, the run) asks here before it grows, so that rows that
// cost more than those at the file's start were found to cost end the task, and not the machine.

import { freeMemory } from '../../base/free-memory.ts';

/** Of one thread; kept as long as its scratch. */
export interface Allowance {
  bytesMax: number;
  /** Held at present, beyond what everything has at first. */
  bytes: number;
  /**
   * What is outgrown is freed at once, and not left to the garbage collector. For tasks that need much:
   * the engine makes hot loops about 7 % slower in a thread in which a buffer was ever taken away.
   */
  freesAtOnce: boolean;
}

/** The allowance is used up. Not for people: the stage tries again with more, where there is more. */
export class MemoryShort extends Error {
  /** What it would have held next. */
  readonly nextBytes: number;
  /** What the task would need to its end, as far as its rows so far tell. */
  readonly neededBytes: number;

  constructor(nextBytes: number, neededBytes = nextBytes) {
    super(`the task needs about ${neededBytes} bytes of memory`);
    this.nextBytes = nextBytes;
    this.neededBytes = neededBytes;
  }
}

export function newAllowance(bytesMax = Number.MAX_SAFE_INTEGER): Allowance {
  return { bytesMax, bytes: 0, freesAtOnce: false };
}

/** `views` were outgrown, and nobody has them any more. */
export function outgrown(
  allowance: Allowance | undefined,
  views: readonly NodeJS.ArrayBufferView[],
): void {
  if (allowance?.freesAtOnce === true) freeMemory(views);
}

/** To be called before `newBytes` take the place of `oldBytes`: for a moment both are there. */
export function growTo(allowance: Allowance, newBytes: number, oldBytes: number): void {
  const peak = allowance.bytes + newBytes;
  if (peak > allowance.bytesMax) throw new MemoryShort(peak);
  allowance.bytes = peak - oldBytes;
}
