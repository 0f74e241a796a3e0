// Checks that a segment file is the one that its path says: its name is its id, its folder the
// keyspace.
//
//     segments/<keyspace uid>/<segment id>.seg
//
// Any other file is intact but wrong: two files whose names were swapped, or one that was copied
// from another keyspace, would answer for keys that they do not have.

import { SteleError } from '../../base/errors.ts';
import { openSegment } from '../../segment/reader.ts';
import type { Segment } from '../../segment/reader.ts';

export interface ExpectedSegment {
  readonly keyspaceUid: string;
  readonly segmentId: string;
  /** Absent: any. */
  readonly shardCount?: number;
}

/**
 * Opens the bytes of a segment file. Throws UNKNOWN_FORMAT or CORRUPT, also if their header names
 * another segment than `expected`, of which any part may be missing.
 */
export function openAs(bytes: Buffer, expected: Partial<ExpectedSegment>): Segment {
  const segment = openSegment(bytes);
  requireSegment(segment, expected);
  return segment;
}

/** Throws CORRUPT if a segment is another than `expected`. */
export function requireSegment(
  { header, meta }: Pick<Segment, 'header' | 'meta'>,
  expected: Partial<ExpectedSegment>,
): void {
  requireShards(header, expected);
  const { id, keyspaceUid } = meta;
  const { keyspaceUid: uidWanted = keyspaceUid, segmentId: idWanted = id } = expected;
  if (id === idWanted && keyspaceUid === uidWanted) return;
  const where = keyspaceUid === uidWanted ? '' : ` in the folder of keyspace ${uidWanted}`;
  throw new SteleError(
    'CORRUPT',
    `The segment named ${idWanted}${where} is segment ${id} of keyspace ${keyspaceUid} according to its header.`,
  );
}

function requireShards(header: Segment['header'], { shardCount }: Partial<ExpectedSegment>): void {
  if (shardCount === undefined || header.shardCount === shardCount) return;
  const text = `The segment is one of ${header.shardCount} shards, and the cluster has ${shardCount}.`;
  throw new SteleError('CORRUPT', text);
}
