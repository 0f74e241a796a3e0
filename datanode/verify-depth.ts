// How thoroughly a datanode checks a segment, by where its bytes come from.
//
// That the index leads to every record is not checked here: a writer that gets that wrong is found by
// the tests, and by `stele verify`, at twice the cost.

import { checksumSteps, verifyContentSteps } from '../segment/verify.ts';
import type { Segment } from '../segment/reader.ts';

/**
 * How much is checked. `contents`: checksums, records, counts and digest, for bytes that come from
 * elsewhere. `checksums`: for a file that this node has verified before it gave it its name.
 */
export type VerifyDepth = 'contents' | 'checksums';

/** The steps of one depth. */
export function stepsOf(segment: Segment, depth: VerifyDepth): Generator<number> {
  return depth === 'contents' ? verifyContentSteps(segment) : checksumSteps(segment);
}
