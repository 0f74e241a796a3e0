// How much memory this process may count on: that of its container, where there is one; and how much of that
// segments may take.
//
//   usable   1/4          3/4             1/4 to 3/4: segments (--memory-max)
//   |--------|-------------|------|       the rest: Node.js, threads, what clients have in flight
//                       at least 256 MiB
//
// Measured in control groups of 300 and 512 MiB, full of segments, with loads that replace all of them: a datanode
// takes 45 MiB beside them, and some 60 MiB of its program's files are mapped. Clients come on top of that.

import { totalmem } from 'node:os';
import { formatBytes } from './units.ts';

const MiB = 1024 ** 2;
/** What a process needs beside segments. */
const ROOM_BYTES = 256 * MiB;
/** With less there is little room for data. */
const USABLE_BYTES_MIN = 512 * MiB;

/**
 * Bytes of memory that this process can use: the limit of its control group (container, systemd unit) or
 * the machine's memory, whichever is less. `constrainedBytes` is 0, or larger than any machine, where
 * there is no limit.
 */
export function usableMemoryBytes(
  constrainedBytes = process.constrainedMemory(),
  totalBytes = totalmem(),
): number {
  return constrainedBytes > 0 ? Math.min(constrainedBytes, totalBytes) : totalBytes;
}

/** Bytes that the segments of each of `processes` which share the memory may take, where nobody says. */
export function segmentBytesDefault(processes = 1, usableBytes = usableMemoryBytes()): number {
  const beside = usableBytes - processes * ROOM_BYTES;
  const all = Math.max(usableBytes / 4, Math.min((usableBytes * 3) / 4, beside));
  return Math.floor(all / processes);
}

/** Why a process with so many bytes of segments may be killed for lack of memory; undefined: it should not. */
export function memoryWarning(
  memoryMaxBytes: number,
  usableBytes = usableMemoryBytes(),
): string | undefined {
  const usable = formatBytes(usableBytes);
  const room = formatBytes(ROOM_BYTES);
  if (usableBytes < USABLE_BYTES_MIN) {
    return `this process may use ${usable} of memory in all, and needs up to ${room} of that beside segments; give it ${formatBytes(USABLE_BYTES_MIN)} or more, or the system may kill it`;
  }
  if (memoryMaxBytes + ROOM_BYTES <= usableBytes) return undefined;
  return `--memory-max ${formatBytes(memoryMaxBytes)} leaves less than ${room} of the ${usable} that this process may use; lower it, or the system may kill the process`;
}
