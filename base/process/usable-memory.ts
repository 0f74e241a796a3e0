// The memory that this process may use, with the limit of its container, and what it needs of that
// beside data.
//
//   usable   up to --memory-max                                              the rest
//   |---------------------------------------------------------------------|-----------|
//   | overhead: runtime, threads, buffers, replies |          data         | system, page cache, loaders
//
// Measured: a datanode without data takes 104 MiB (45 of it mapped program files), and under loads in
// control groups of 300 and 512 MiB, full of segments, about as much beside its segments. Each thread
// that reads from disk takes 8 MiB.

import { totalmem } from 'node:os';
import { formatBytes } from '../units.ts';

const MiB = 1024 ** 2;
/** The program, its heap, and the threads that verify and merge. */
export const RUNTIME_BYTES: number = 112 * MiB;
/** A thread of few objects. */
export const THREAD_BYTES: number = 8 * MiB;
/** Data has at least this share of --memory-max: a small limit is one for data rather than for a process. */
const DATA_SHARE_MIN = 0.5;
/** With less memory there is little room for data. */
const USABLE_BYTES_MIN = 512 * MiB;

/**
 * The memory in bytes that this process can use: the limit of its control group (container, systemd
 * unit) or the machine's memory, whichever is less. `constrainedBytes` is 0, or larger than any
 * machine, if there is no limit.
 */
export function usableMemoryBytes(
  constrainedBytes = process.constrainedMemory(),
  totalBytes = totalmem(),
): number {
  return constrainedBytes > 0 ? Math.min(constrainedBytes, totalBytes) : totalBytes;
}

/**
 * Default of --memory-max in bytes for each of `processes` processes that share the memory: three
 * quarters of it, and a little more of a small one, which has nothing else to do with it.
 */
export function memoryMaxDefault(processes = 1, usableBytes = usableMemoryBytes()): number {
  const all = Math.min((usableBytes * 3) / 4 + 128 * MiB * processes, (usableBytes * 7) / 8);
  return Math.floor(all / processes);
}

/** The part of `memoryMaxBytes` that is set aside for `needed` bytes that are not data. */
export function overheadBytes(memoryMaxBytes: number, needed: number): number {
  return Math.floor(Math.min(needed, memoryMaxBytes * (1 - DATA_SHARE_MIN)));
}

/**
 * Why a process with this limit may be killed for lack of memory; undefined if it should not be.
 */
export function memoryWarning(
  memoryMaxBytes: number,
  usableBytes = usableMemoryBytes(),
): string | undefined {
  const usable = formatBytes(usableBytes);
  if (usableBytes < USABLE_BYTES_MIN) {
    return `this process may use ${usable} of memory in total, and needs ${formatBytes(RUNTIME_BYTES)} and more beside data; give it ${formatBytes(USABLE_BYTES_MIN)} or more, or the system may kill it`;
  }
  const beside = usableBytes - memoryMaxBytes;
  if (beside >= Math.floor(usableBytes / 8)) return undefined;
  return `--memory-max ${formatBytes(memoryMaxBytes)} leaves less than an eighth of the ${usable} that this process may use; lower it, or the system may kill the process`;
}
