// Checks a segment file as verify-steps.ts checks one in memory, and opens it: index and checksums
// stay in memory, records only pass through.

import { metaOf } from '../../segment/reader.ts';
import type { ResidentSegment } from '../../segment/resident.ts';
import { readEnds, verifyFileSteps } from '../../segment/verify-file.ts';
import type { SegmentFileSource } from '../../segment/verify-file.ts';
import { requireSegment } from './expected-segment.ts';
import type { ExpectedSegment } from './expected-segment.ts';
import { shardCheck } from './shard-check.ts';
import { sealOfFooter } from './verify-steps.ts';

export interface CheckedFile {
  readonly resident: ResidentSegment;
  readonly seal: string;
}

/**
 * Checks a file in full, or, if its seal is `knownSeal`, its checksums. Yields about every 64 KiB.
 * Throws CORRUPT, also if it is another segment than `expected`; UNKNOWN_FORMAT; and what the file
 * throws.
 */
export function* fileSteps(
  file: SegmentFileSource,
  expected: Partial<ExpectedSegment>,
  knownSeal = '',
): Generator<number, CheckedFile, void> {
  const ends = readEnds(file);
  const { footer, header } = ends;
  requireSegment({ header, meta: metaOf(header) }, expected);
  const seal = sealOfFooter(footer);
  const depth = seal === knownSeal ? 'checksums' : 'full';
  return { resident: yield* verifyFileSteps(file, ends, depth, shardCheck(header)), seal };
}

/** Bytes in memory as a file. */
export function sourceOf(bytes: Buffer): SegmentFileSource {
  const read = (into: Buffer, position: number): void => {
    bytes.copy(into, 0, position, position + into.length);
  };
  return { byteLength: bytes.length, read };
}
