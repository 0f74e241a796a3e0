// What a datanode checks of a segment's bytes before it serves them.
//
//     served from here on    everything: checksums, records, index, counts, digest (segment/verify.ts)
//     on disk only (scrub)   checksums: what a disk can do to a file that was verified
//
// The full check reads 0.2 to 0.7 GB/s a thread, SHA-256 1.5 to 2 GB/s. So a file that passed the full check
// is known by its SHA-256 from then on (verified-files.ts), and a start compares that.

import { createHash } from 'node:crypto';
import { checksumSteps, verifySteps } from '../segment/verify.ts';
import type { Segment } from '../segment/reader.ts';

const HASH_STEP_BYTES = 256 * 1024;

export type VerifyDepth = 'full' | 'checksums';

/**
 * Checks a segment, yielding after every 64 KiB or so. Returns the SHA-256 of its bytes, in hex; of the
 * depth `checksums` an empty string. The full check is passed over where that is `knownSha256`, the
 * SHA-256 of bytes that have passed it. Throws CORRUPT.
 */
export function* stepsOf(
  segment: Segment,
  depth: VerifyDepth,
  knownSha256 = '',
): Generator<number, string, void> {
  if (depth === 'checksums') {
    yield* checksumSteps(segment);
    return '';
  }
  const sha256 = yield* hashSteps(segment.bytes);
  if (sha256 !== knownSha256) yield* verifySteps(segment);
  return sha256;
}

function* hashSteps(bytes: Buffer): Generator<number, string, void> {
  const hash = createHash('sha256');
  for (let at = 0; at < bytes.length; at += HASH_STEP_BYTES) {
    hash.update(bytes.subarray(at, at + HASH_STEP_BYTES));
    yield HASH_STEP_BYTES;
  }
  return hash.digest('hex');
}
