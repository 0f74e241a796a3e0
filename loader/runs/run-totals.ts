// What is known of a run that leaves this machine: the name that follows from its bytes, and, shard
// by shard, the counts and digests of its rows, so that none is lost on the way to a segment.
//
// Hot loop: see segment/digest.ts.

import { createHash } from 'node:crypto';
import { SteleError } from '../../base/errors.ts';
import { addRecordHash } from '../../segment/digest.ts';
import { decodeRecord, newRecordBounds } from '../../segment/record.ts';
import type { BuiltRun } from './run-builder.ts';

/** Hex digits of a SHA-256 in a name. */
const HASH_DIGITS = 32;
/** 32-bit numbers of a digest. */
export const DIGEST_LANES = 4;

/** Serialisable. The arrays have an entry, or four, for each shard. */
export interface RunTotals {
  /** First half of the SHA-256 of the file, hex. */
  readonly hash: string;
  readonly fileBytes: number;
  readonly keyBytes: Float64Array;
  readonly valueBytes: Float64Array;
  /** The lanes of each shard's digest, one after the other. */
  readonly lanes: Int32Array;
}

export function totalsOfRun({ header, parts }: BuiltRun): RunTotals {
  const hash = createHash('sha256');
  let fileBytes = 0;
  for (const part of parts) {
    hash.update(part);
    fileBytes += part.length;
  }
  const shardCount = header.sectionBytes.length;
  const totals = {
    hash: hash.digest('hex').slice(0, HASH_DIGITS),
    fileBytes,
    keyBytes: new Float64Array(shardCount),
    valueBytes: new Float64Array(shardCount),
    lanes: new Int32Array(shardCount * DIGEST_LANES),
  };
  const rows = parts[1] as Uint8Array;
  let start = 0;
  for (let shard = 0; shard < shardCount; shard++) {
    const end = start + (header.sectionBytes[shard] as number);
    const lanes = totals.lanes.subarray(shard * DIGEST_LANES, (shard + 1) * DIGEST_LANES);
    const sums = sumRecords(rows.subarray(start, end), lanes);
    totals.keyBytes[shard] = sums.keyBytes;
    totals.valueBytes[shard] = sums.valueBytes;
    start = end;
  }
  return totals;
}

/** Adds the digests of encoded records to `lanes`; returns the bytes of their keys and values. */
export function sumRecords(
  bytes: Uint8Array,
  lanes: Int32Array,
): { readonly keyBytes: number; readonly valueBytes: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const bounds = newRecordBounds();
  let keyBytes = 0;
  let valueBytes = 0;
  for (let at = 0; at < bytes.length; at = bounds.end) {
    if (!decodeRecord(bytes, at, bytes.length, bounds)) {
      throw new SteleError('CORRUPT', `The rows of a run are damaged at offset ${at}.`);
    }
    addRecordHash(lanes, 1, view, bounds.keyStart, bounds.valueStart, bounds.end);
    keyBytes += bounds.valueStart - bounds.keyStart;
    valueBytes += bounds.end - bounds.valueStart;
  }
  return { keyBytes, valueBytes };
}
