// Opens a segment file for reading from disk: index and checksums are read, the records are not.
//
// Records are verified block by block when they are read, which finds what a disk does to them. That
// the file is a proper segment was checked in full when it arrived; its seal says so. Without a
// known seal it is read and checked once more.

import type { BlockSource } from '../disk/block-source.ts';
import { diskSegment, isReadable, readResident } from '../disk/disk-segment.ts';
import { requireSegment } from './expected-segment.ts';
import type { ReadableSegment } from './holdings.ts';
import type { MemoryBudget } from './memory-budget.ts';
import type { SegmentFile } from './segment-files.ts';
import type { DiskStore } from './store.ts';
import type { Verifier } from './verifier.ts';
import { sealOfFooter } from './verify-steps.ts';

interface Parts {
  readonly store: DiskStore;
  readonly source: BlockSource;
  readonly verifier: Verifier;
  /** Absent: what is opened does not stay in memory. */
  readonly memory: MemoryBudget | undefined;
}

/**
 * The segment, in memory if its blocks are too large to be read from disk, or if it was read and its
 * place `isMemory`. Throws CORRUPT, UNKNOWN_FORMAT, MEMORY_LIMIT and the system's errors.
 */
export async function openOnDisk(
  file: Omit<SegmentFile, 'byteLength'>,
  { memory, source, store, verifier }: Parts,
  isMemory = false,
): Promise<ReadableSegment> {
  const handle = await store.files.open(file.path, 'r');
  let footer: Buffer;
  let resident;
  try {
    ({ footer, resident } = await readResident(handle));
  } finally {
    await handle.close();
  }
  requireSegment(resident, file);
  const { header, residentBytes } = resident;
  const isKnown = sealOfFooter(footer) === store.verified.knownSeal(file);
  const isWhole = !isReadable(header) || (isMemory && !isKnown);
  const release = memory?.reserve(isWhole ? header.fileBytes : residentBytes);
  try {
    if (isWhole) return await verifier.verifyFile(file);
    const checked = isKnown ? resident : await verifier.verifyOnDisk(file);
    return diskSegment(checked, await source.open(file.path));
  } finally {
    release?.();
  }
}
