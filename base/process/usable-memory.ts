// The memory that this process may use, with the limit of its container, and the part for segments.
//
//   usable   1/4          3/4             1/4 to 3/4: segments (--memory-max)
//   |--------|-------------|------|       the rest: Node.js, threads, requests in flight
//                       at least 256 MiB
//
// Measured in control groups of 300 and 512 MiB, full of segments, under loads that replace all of
// them: a datanode takes 45 MiB beside its segments, plus some 60 MiB of mapped program files.
// Clients come on top of that.

import { totalmem } from 'node:os';
import { formatBytes } from '../units.ts';

const MiB = 1024 ** 2;
/** Memory of a process beside its segments. */
const ROOM_BYTES = 256 * MiB;
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
 * Default limit in bytes for the segments of each of `processes` processes that share the memory.
 */
export function segmentBytesDefault(processes = 1, usableBytes = usableMemoryBytes()): number {
  const beside = usableBytes - processes * ROOM_BYTES;
  const all = Math.max(usableBytes / 4, Math.min((usableBytes * 3) / 4, beside));
  return Math.floor(all / processes);
}

/**
 * Why a process with this limit for segments may be killed for lack of memory; undefined if it
 * should not be.
 */
export function memoryWarning(
  memoryMaxBytes: number,
  usableBytes = usableMemoryBytes(),
): string | undefined {
  const usable = formatBytes(usableBytes);
  const room = formatBytes(ROOM_BYTES);
  if (usableBytes < USABLE_BYTES_MIN) {
    return `this process may use ${usable} of memory in total, and needs up to ${room} beside segments; give it ${formatBytes(USABLE_BYTES_MIN)} or more, or the system may kill it`;
  }
  if (memoryMaxBytes + ROOM_BYTES <= usableBytes) return undefined;
  return `--memory-max ${formatBytes(memoryMaxBytes)} leaves less than ${room} of the ${usable} that this process may use; lower it, or the system may kill the process`;
}
