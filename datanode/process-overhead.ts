// What a datanode's process needs of --memory-max beside data, for the ledger (storage/memory-budget.ts).

import { clientBytes } from '../base/byte-budget.ts';
import { overheadBytes, RUNTIME_BYTES, THREAD_BYTES } from '../base/process/usable-memory.ts';
import type { BlockSource } from './disk/block-source.ts';
import { SLOT_BYTES, SLOT_COUNT } from './disk/read-ring.ts';
import type { DatanodeSettings } from './settings.ts';
import type { Overhead } from './storage/memory-budget.ts';

const MiB = 1024 ** 2;
/** The share of --memory-max that values on their way to clients, and unfinished requests, may take, */
const CLIENTS_SHARE = 1 / 16;
/** but at least this. */
const CLIENTS_BYTES_MIN = 32 * MiB;

/** For a process that has no other role. Also limits what its clients may make it hold. */
export function processOverhead(
  { diskThreads, memoryMax }: Pick<DatanodeSettings, 'diskThreads' | 'memoryMax'>,
  source: BlockSource | undefined,
): Overhead {
  const wanted = Math.max(CLIENTS_BYTES_MIN, Math.floor(memoryMax * CLIENTS_SHARE));
  clientBytes.limitBytes = Math.min(clientBytes.limitBytes, wanted);
  const reads = diskThreads * THREAD_BYTES + SLOT_COUNT * SLOT_BYTES;
  return {
    setAside: overheadBytes(memoryMax, RUNTIME_BYTES + reads + clientBytes.limitBytes),
    inUse: () => ({
      runtime: RUNTIME_BYTES,
      reads: source?.bufferBytes ?? 0,
      replies: clientBytes.usedBytes,
    }),
  };
}
