// The name of a segment: the one place that makes and parses it.
//
//     00017-3f1c0d9a52b64e7788a1c9d0e5f60718-9ae0c1d2b3f4052617389badbcedf0a1.seg
//     shard digest of the records            SHA-256 of the file's content, 128 bits of it
//     `-------------- content --------------'
//     `----------------------------- id ------------------------------------'
//
// Two files of one id have the same bytes, even if a user chose values to forge one; that rests on
// the SHA-256. The digest detects accidents only; it allows the content of a merge to be known
// before it is made. Two files with equal content but different hashes hold the same records in
// another keyspace or format.

import { SteleError } from './errors.ts';
import { shorten } from './ids.ts';
import type { Branded } from './ids.ts';

export type SegmentId = Branded<string, 'SegmentId'>;
/** Identifies the shard and the records of a segment. */
export type SegmentContent = Branded<string, 'SegmentContent'>;

export const SEGMENT_FILE_ENDING = '.seg';
const SHARD_DIGITS = 5;
const DIGIT_ZERO = 0x30;
const ID_PATTERN = /^[0-9]{5}-[0-9a-f]{32}-[0-9a-f]{32}$/;

/** `digestHex` and `hashHex` have 32 hex digits each. */
export function segmentId(shard: number, digestHex: string, hashHex: string): SegmentId {
  return `${segmentContent(shard, digestHex)}${hashHex}` as SegmentId;
}

/** The prefix of the ids of all segments with this shard and these records. */
export function segmentContent(shard: number, digestHex: string): SegmentContent {
  return `${String(shard).padStart(SHARD_DIGITS, '0')}-${digestHex}-` as SegmentContent;
}

/** The content part of a segment id. */
export function contentOfSegment(id: string): SegmentContent {
  return id.slice(0, id.lastIndexOf('-') + 1) as SegmentContent;
}

/**
 * The shard in a segment id; any number or NaN for other text. Called for each reported segment.
 */
export function shardNamedBy(id: string): number {
  let shard = 0;
  for (let at = 0; at < SHARD_DIGITS; at++) shard = shard * 10 + id.charCodeAt(at) - DIGIT_ZERO;
  return shard;
}

/** One segment of one keyspace, as a key of maps and sets. Never parsed. */
export type SegmentKey = Branded<string, 'SegmentKey'>;

export function segmentKey(keyspaceUid: string, id: string): SegmentKey {
  return `${keyspaceUid}/${id}` as SegmentKey;
}

/** Validates a segment id from outside. Throws INVALID_ARGUMENT: ids become file names. */
export function parseSegmentId(text: string): SegmentId {
  if (ID_PATTERN.test(text)) return text as SegmentId;
  throw new SteleError('INVALID_ARGUMENT', `'${shorten(text)}' is not the id of a segment.`);
}

export function segmentFileName(id: SegmentId): string {
  return id + SEGMENT_FILE_ENDING;
}

/** The id in a name made by `segmentFileName`; undefined for any other file name. */
export function segmentIdOfFileName(fileName: string): SegmentId | undefined {
  if (!fileName.endsWith(SEGMENT_FILE_ENDING)) return undefined;
  const id = fileName.slice(0, -SEGMENT_FILE_ENDING.length);
  return ID_PATTERN.test(id) ? (id as SegmentId) : undefined;
}
