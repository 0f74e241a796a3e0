// Scans shards of which some segments are on disk: a stretch of records is read, then scanned like
// records in memory.
//
//   place -> hashes [from, to) with about STRETCH_BYTES of the largest segment
//         -> those records of all segments of the shard, read together -> page, or the next stretch
//
// A stretch has at least one bucket, hence about a dozen records with their values.

import { toSteleError } from '../../base/errors.ts';
import type { SteleError } from '../../base/errors.ts';
import type { ScanPlace } from '../../resp/data/scan-cursor.ts';
import { hashAfterBytes, placeOfHashes } from '../../segment/place.ts';
import { checkRead } from '../disk/disk-segment.ts';
import type { DiskSegment } from '../disk/disk-segment.ts';
import { isInMemory } from '../storage/holdings.ts';
import type { ReadableSegment } from '../storage/holdings.ts';
import { segmentsOf } from '../storage/version-tables.ts';
import type { VersionTable } from '../storage/version-tables.ts';
import type { DiskReads } from './disk-reads.ts';
import { emptyPage, ScanBudget, scanShard, scanTable } from './scanning.ts';
import type { ScanLimits, ScanPage, ShardPlan } from './scanning.ts';
import { POSITION_END, POSITION_SHIFT, ShardWalk, stretchInMemory } from './shard-records.ts';
import type { Stretch } from './shard-records.ts';

const STRETCH_BYTES = 256 * 1024;
/** Bytes read from disk after which a call ends, with the keys so far. */
const CALL_BYTES_MAX = 2 * 1024 * 1024;
const POSITION_HASHES = 2 ** POSITION_SHIFT;

/** Like `scanTable`, for tables that may have shards on disk. Also throws what reads throw. */
export function scanAnywhere(
  disk: DiskReads,
  table: VersionTable,
  from: ScanPlace,
  planOf: (shard: number) => ShardPlan,
  limits: ScanLimits,
): ScanPage | Promise<ScanPage> {
  return table.isAnyOnDisk
    ? scanOnDisk(disk, table, from, planOf, limits)
    : scanTable(table, from, planOf, limits);
}

async function scanOnDisk(
  disk: DiskReads,
  table: VersionTable,
  from: ScanPlace,
  planOf: (shard: number) => ShardPlan,
  limits: ScanLimits,
): Promise<ScanPage> {
  const page = emptyPage(from, limits);
  const budget = new ScanBudget(limits);
  let { position } = from;
  let byteCount = 0;
  for (let shard = from.shard; shard < table.shards.length; shard++, position = 0) {
    const plan = planOf(shard);
    page.next = { shard, position };
    if (plan === 'stop') return page;
    if (plan === 'skip') continue;
    const segments = segmentsOf(table, shard) ?? [];
    while (position < POSITION_END) {
      const endPosition = endOfStretch(segments, position);
      const stretches = await readStretches(disk, segments, position, endPosition);
      for (const { end, start } of stretches) byteCount += end - start;
      const walk = new ShardWalk(stretches, position, endPosition);
      const end = scanShard(walk, page, budget);
      position = end < POSITION_END ? end : endPosition;
      page.next = { shard, position };
      const isOver = end < POSITION_END || budget.spent || byteCount >= CALL_BYTES_MAX;
      if (isOver && position < POSITION_END) return page;
    }
  }
  page.next = { shard: table.shards.length, position: 0 };
  return page;
}

/** The position after a stretch of the largest segment on disk. */
function endOfStretch(segments: readonly ReadableSegment[], position: number): number {
  let largest: DiskSegment | undefined;
  for (const segment of segments) {
    if (isInMemory(segment)) continue;
    const before = largest?.header.recordsBytes ?? -1;
    if (segment.header.recordsBytes > before) largest = segment;
  }
  if (largest === undefined) return POSITION_END;
  const hash = hashAfterBytes(largest, position * POSITION_HASHES, STRETCH_BYTES);
  return Math.max(position + 1, Math.floor(hash / POSITION_HASHES));
}

function readStretches(
  disk: DiskReads,
  segments: readonly ReadableSegment[],
  position: number,
  endPosition: number,
): Promise<Stretch[]> {
  return Promise.all(
    segments.map(async (segment) =>
      isInMemory(segment)
        ? stretchInMemory(segment, position)
        : readStretch(disk, segment, position, endPosition),
    ),
  );
}

/** The records of the positions, and at most a bucket of others before and after. Throws CORRUPT, IO. */
function readStretch(
  disk: DiskReads,
  segment: DiskSegment,
  position: number,
  endPosition: number,
): Promise<Stretch> {
  const { seed1, seed2 } = segment;
  const { end, start } = placeOfHashes(
    segment,
    position * POSITION_HASHES,
    endPosition * POSITION_HASHES,
  );
  if (start === end) return Promise.resolve(emptyStretch(seed1, seed2));
  return new Promise((resolve, reject) => {
    const fail = (error: SteleError): void => {
      disk.failed(segment, error);
      reject(error);
    };
    disk.read(segment, start, end, {
      onBlocks: (read, at, crcs, crcAt) => {
        try {
          const from = checkRead(segment, start, end, crcs, crcAt);
          const bytes = Buffer.from(read.subarray(at + start - from, at + end - from));
          const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
          resolve({ bytes, view, start: 0, end: bytes.length, seed1, seed2 });
        } catch (thrown) {
          fail(toSteleError(thrown));
        }
      },
      onReadFailed: fail,
    });
  });
}

function emptyStretch(seed1: number, seed2: number): Stretch {
  const bytes = Buffer.alloc(0);
  return { bytes, view: new DataView(bytes.buffer, 0, 0), start: 0, end: 0, seed1, seed2 };
}
