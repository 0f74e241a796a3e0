// The checks of a commit before a version becomes current. Pure: the segments are complete, their
// counts and digests add up to the load's, the datanodes have read the same from the files they
// hold, and each segment is on enough of them.

import { createHash } from 'node:crypto';
import { SteleError } from '../../base/errors.ts';
import { DELTAS_WAITING_MAX } from '../../base/limits.ts';
import type { CommitLoadRequest } from '../../proto/gen/stele/v1/load.ts';
import type { SegmentInfo } from '../../proto/gen/stele/v1/segment.ts';
import { segmentRecord } from '../catalog/messages.ts';
import type { SegmentRecord } from '../catalog/records.ts';
import { isSameTotals, totalsRecord } from '../catalog/totals.ts';
import type { TotalsRecord } from '../catalog/totals.ts';

const DIGEST_BYTES = 16;
const DIGEST_LANES = DIGEST_BYTES / 4;

/**
 * The segments of a commit, ascending by shard. Throws LOAD_REJECTED with the first mismatch: one
 * segment per shard, records, key bytes, value bytes and digest in total.
 */
export function checkSegments(request: CommitLoadRequest, shardCount: number): SegmentRecord[] {
  const segments = request.shards.map(({ segment }) => requireSegment(segment, shardCount));
  segments.sort((left, right) => left.shard - right.shard);
  const double = segments.find((segment, index) => segments[index + 1]?.shard === segment.shard);
  if (double !== undefined) throw rejected(`shard ${double.shard} has more than one segment`);
  for (const field of ['records', 'keyBytes', 'valueBytes'] as const) {
    const sum = segments.reduce((total, segment) => total + segment[field], 0);
    if (sum !== request[field]) {
      throw rejected(`the segments have ${sum} ${field} in all, the load says ${request[field]}`);
    }
  }
  if (!addDigests(segments).equals(digestOf(request.digest))) {
    throw rejected("the segments' digests do not add up to the load's");
  }
  return segments.map(segmentRecord);
}

/**
 * The segments of a version that is restored, by shard, each with a base and then its deltas.
 * Throws LOAD_REJECTED for segments that no version can have.
 */
export function checkChains(request: CommitLoadRequest, shardCount: number): SegmentRecord[] {
  const segments = request.shards.map(({ segment }) => requireSegment(segment, shardCount));
  segments.sort((left, right) => left.shard - right.shard);
  const ids = new Set(segments.map(({ id }) => id));
  if (ids.size < segments.length) throw rejected('a segment is in it twice');
  const long = segments.find(
    ({ shard }, index) => segments[index + DELTAS_WAITING_MAX + 1]?.shard === shard,
  );
  if (long !== undefined) throw rejected(`shard ${long.shard} has too many deltas`);
  return segments.map(segmentRecord);
}

/** Throws LOAD_REJECTED unless `counted`, by the datanodes, is what the load says. */
export function checkTotals(request: CommitLoadRequest, counted: TotalsRecord): void {
  if (isSameTotals(totalsRecord(request), counted)) return;
  throw rejected(
    `the datanodes count ${counted.records} records with digest ${counted.digest}, the load says ${request.records} with ${request.digest.toString('hex')}`,
  );
}

function requireSegment(segment: SegmentInfo | undefined, shardCount: number): SegmentInfo {
  if (segment === undefined || segment.id === '') throw rejected('a segment has no description');
  if (segment.shard >= shardCount) {
    throw rejected(`segment ${segment.id} is of shard ${segment.shard}, of ${shardCount}`);
  }
  if (segment.digest.length !== DIGEST_BYTES) throw rejected(`segment ${segment.id} has no digest`);
  return segment;
}

/** An empty load may omit its digest. */
function digestOf(digest: Buffer): Buffer {
  return digest.length === 0 ? Buffer.alloc(DIGEST_BYTES) : digest;
}

/**
 * Adds digests word by word, u32 little endian, modulo 2^32: the digest of the union
 * (docs/segment-format.md).
 */
export function addDigests(parts: readonly { readonly digest: Buffer }[]): Buffer {
  const sum = new Uint32Array(DIGEST_LANES);
  for (const { digest } of parts) {
    for (let lane = 0; lane < DIGEST_LANES; lane++) {
      sum[lane] = ((sum[lane] ?? 0) + digest.readUInt32LE(lane * 4)) >>> 0;
    }
  }
  const bytes = Buffer.alloc(DIGEST_BYTES);
  sum.forEach((value, lane) => bytes.writeUInt32LE(value, lane * 4));
  return bytes;
}

/** Identifies the content of a version: equal segments have equal fingerprints. */
export function contentFingerprint(segments: readonly SegmentRecord[]): string {
  const hash = createHash('sha256');
  for (const { shard, id } of segments) hash.update(`${shard} ${id}\n`);
  return hash.digest('hex');
}

/**
 * Throws REPLICAS_MISSING unless at least `wanted` of the nodes that answered hold all segments of
 * each shard. `heldByNode`: by node, the ids that it confirmed.
 */
export function checkReplicas(
  segments: readonly SegmentRecord[],
  heldByNode: ReadonlyMap<string, ReadonlySet<string>>,
  wanted: number,
): void {
  const shards = byShard(segments);
  const short = [...shards].filter(([, ids]) => countHolders(heldByNode, ids) < wanted);
  const [first] = short;
  if (first === undefined) return;
  const [shard, ids] = first;
  const names = [...heldByNode.keys()].join(', ') || 'none';
  throw new SteleError(
    'REPLICAS_MISSING',
    `${short.length} of ${shards.size} shards have fewer than ${wanted} verified replicas (shard ${shard} has ${countHolders(heldByNode, ids)}; datanodes that answered: ${names}). ` +
      'Nothing became visible; run the load again to resume it once the datanodes are back, or with a lower --min-replicas.',
  );
}

/** The lowest number of copies of any shard, with all its segments, on the nodes that answered. */
export function leastReplicas(
  segments: readonly SegmentRecord[],
  heldByNode: ReadonlyMap<string, ReadonlySet<string>>,
): number {
  const counts = [...byShard(segments).values()].map((ids) => countHolders(heldByNode, ids));
  return counts.reduce((least, count) => Math.min(least, count), heldByNode.size);
}

function byShard(segments: readonly SegmentRecord[]): Map<number, string[]> {
  const ids = new Map<number, string[]>();
  for (const { id, shard } of segments) ids.set(shard, [...(ids.get(shard) ?? []), id]);
  return ids;
}

/**
 * Throws LOAD_REJECTED if a datanode's counts or digest of a segment, from its verified file,
 * differ from the load's.
 */
export function checkHeld(
  segments: readonly SegmentRecord[],
  heldByNode: ReadonlyMap<string, readonly SegmentInfo[]>,
): void {
  const wantedById = new Map<string, SegmentRecord>(
    segments.map((segment) => [segment.id, segment]),
  );
  for (const [nodeId, held] of heldByNode) {
    for (const info of held) {
      const wanted = wantedById.get(info.id);
      if (wanted !== undefined) checkSame(nodeId, wanted, segmentRecord(info));
    }
  }
}

function checkSame(nodeId: string, wanted: SegmentRecord, held: SegmentRecord): void {
  for (const field of [
    'digest',
    'records',
    'keyBytes',
    'valueBytes',
    'fileBytes',
    'shard',
  ] as const) {
    if (wanted[field] === held[field]) continue;
    throw rejected(
      `datanode ${nodeId} finds ${field} ${held[field]} in segment ${wanted.id}, the load says ${wanted[field]}`,
    );
  }
}

function countHolders(
  heldByNode: ReadonlyMap<string, ReadonlySet<string>>,
  segmentIds: readonly string[],
): number {
  const holders = [...heldByNode.values()].filter((held) => segmentIds.every((id) => held.has(id)));
  return holders.length;
}

function rejected(what: string): SteleError {
  return new SteleError('LOAD_REJECTED', `The load was not committed: ${what}.`);
}
