// How much memory this process may count on: that of its container, where there is one.

import { totalmem } from 'node:os';

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
