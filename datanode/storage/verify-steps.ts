// What a datanode checks in a segment's bytes before it serves them.
//
//     served from now on      everything: checksums, name, records, index, counts, digest (segment/verify.ts),
//                             and that a sample of the keys belongs to the shard (shard-check.ts)
//     on disk only (scrub)    checksums: what a disk can do to a file that was verified
//
// The full check reads 0.3 to 0.7 GB/s per thread, checksums alone 4 to 7 GB/s. So the seal of a
// file that passed the full check is remembered (verified-files.ts), and a start compares seals.

import { createHash } from 'node:crypto';
import { checksumSteps, hashedChecksumSteps } from '../../segment/verify.ts';
import type { Segment } from '../../segment/reader.ts';
import { contentSteps } from './shard-check.ts';

/**
 * The SHA-256, in hex, of a segment's checksums. If the checksums match their blocks, two files
 * with the same seal hold the same bytes.
 */
export function sealOf({ bytes, header }: Segment): string {
  return sealOfFooter(bytes.subarray(header.footerOffset));
}

/** The seal of a file by its bytes from the footer's offset on. */
export function sealOfFooter(footer: Buffer): string {
  return createHash('sha256').update(footer).digest('hex');
}

/**
 * Checks a segment, yielding about every 64 KiB. Returns its seal. If that is `knownSeal`, the seal of
 * bytes that passed the full check, only the checksums are checked. Throws CORRUPT.
 */
export function* stepsOf(segment: Segment, knownSeal = ''): Generator<number, string, void> {
  const seal = sealOf(segment);
  if (seal === knownSeal) {
    yield* checksumSteps(segment);
  } else {
    yield* hashedChecksumSteps(segment);
    yield* contentSteps(segment);
  }
  return seal;
}
