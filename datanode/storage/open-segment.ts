// Opens a segment file for reading from disk: index and checksums are read, the records are not.
//
// Records are verified block by block when they are read, which finds what a disk does to them. That
// the file is a proper segment was checked in full when it arrived; its seal says so. Without a
// known seal it is read and checked once more.

import type { BlockSource } from '../disk/block-source.ts';
import { isReadable, readResident } from '../disk/disk-segment.ts';
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
  readonly memory: MemoryBudget;
}

/**
 * The segment, in memory if its blocks are too large to be read from disk. Throws CORRUPT,
 * UNKNOWN_FORMAT, MEMORY_LIMIT and the system's errors.
 */
export async function openOnDisk(
  file: Omit<SegmentFile, 'byteLength'>,
  { memory, source, store, verifier }: Parts,
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
  const release = memory.reserve(isReadable(header) ? residentBytes : header.fileBytes);
  try {
    if (!isReadable(header)) return await verifier.verifyFile(file);
    const checked = isKnown ? resident : await verifier.verifyOnDisk(file);
    return { ...checked, file: await source.open(file.path) };
  } finally {
    release();
  }
}
