// What a datanode checks of a segment's bytes before it serves them.
//
//     served from here on    everything: checksums, records, index, counts, digest (segment/verify.ts), and of
//                            a sample of the keys that they are of the shard (shard-check.ts)
//     on disk only (scrub)   checksums: what a disk can do to a file that was verified
//
// The full check reads 0.3 to 0.7 GB/s a thread, checksums alone 4 to 7 GB/s. So a file that passed the full
// check is known by its seal from then on (verified-files.ts), and a start compares that.

import { createHash } from 'node:crypto';
import { checksumSteps } from '../../segment/verify.ts';
import type { Segment } from '../../segment/reader.ts';
import { contentSteps } from './shard-check.ts';

export type VerifyDepth = 'full' | 'checksums';

/**
 * The SHA-256, in hex, of the checksums of a segment: two files with the same seal hold the same bytes, as
 * long as each block has the checksum that its file says.
 */
export function sealOf({ bytes, header }: Segment): string {
  return createHash('sha256').update(bytes.subarray(header.footerOffset)).digest('hex');
}

/**
 * Checks a segment, yielding after every 64 KiB or so. Returns its seal; of the depth `checksums` an empty
 * string. All but the checksums is passed over where the seal is `knownSeal`, that of bytes that have
 * passed the full check. Throws CORRUPT.
 */
export function* stepsOf(
  segment: Segment,
  depth: VerifyDepth,
  knownSeal = '',
): Generator<number, string, void> {
  yield* checksumSteps(segment);
  if (depth === 'checksums') return '';
  const seal = sealOf(segment);
  if (seal !== knownSeal) yield* contentSteps(segment);
  return seal;
}
