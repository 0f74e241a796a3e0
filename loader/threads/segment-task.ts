// Work on whole segments that come from a datanode or an archive: the full check, and their rows as
// a file.

import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { SteleError } from '../../base/errors.ts';
import { mergeSegments } from '../../segment/merge.ts';
import { boundsOf, openSegment } from '../../segment/reader.ts';
import type { Segment } from '../../segment/reader.ts';
import { newRecordBounds } from '../../segment/record.ts';
import { verifySegment } from '../../segment/verify.ts';
import { newGrowableBuffer } from '../bytes/growable-buffer.ts';
import { CsvRows } from './rows/csv-rows.ts';

export interface SegmentTask {
  /** The segments of one shard, oldest first; each begins a SharedArrayBuffer. */
  readonly segments: readonly {
    readonly bytes: SharedArrayBuffer;
    readonly id: string;
    readonly keyspaceUid: string;
    /** Undefined: any. */
    readonly shardCount: number | undefined;
  }[];
  /** Where the newest record of every key goes, as csv; the file must not exist. Empty: nowhere. */
  readonly rowsPath: string;
}

const BUFFER_BYTES = 1024 * 1024;

/** Throws CORRUPT, UNKNOWN_FORMAT, and the system's error of a file that cannot be written. */
export function runSegmentTask({ rowsPath, segments }: SegmentTask): void {
  const opened = segments.map((one): Segment => {
    const segment = openSegment(Buffer.from(one.bytes));
    const { id, keyspaceUid, shardCount } = segment.meta;
    const isOfCluster = one.shardCount === undefined || shardCount === one.shardCount;
    if (id !== one.id || keyspaceUid !== one.keyspaceUid || !isOfCluster) {
      const text = `Segment ${one.id} has the content of ${id} of keyspace ${keyspaceUid}.`;
      throw new SteleError('CORRUPT', text);
    }
    verifySegment(segment);
    return segment;
  });
  if (rowsPath !== '') writeRows(rowsPath, opened);
}

function writeRows(path: string, segments: readonly Segment[]): void {
  const [only, ...others] = segments;
  if (only === undefined) return;
  const segment = others.length === 0 ? only : openSegment(mergeSegments(segments).bytes);
  const file = openSync(path, 'wx', 0o600);
  try {
    const rows = new CsvRows(newGrowableBuffer(), false);
    const bounds = newRecordBounds();
    for (let at = segment.recordsStart; at < segment.recordsEnd; at = bounds.end) {
      boundsOf(segment, at, bounds);
      rows.add(segment.bytes, segment.view, bounds.keyStart, bounds.valueStart, bounds.end);
      if (rows.byteCount >= BUFFER_BYTES) writeAll(file, rows.take());
    }
    writeAll(file, rows.take());
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function writeAll(file: number, bytes: Buffer): void {
  for (let done = 0; done < bytes.length;) {
    const written = writeSync(file, bytes, done, bytes.length - done);
    if (written === 0) throw new SteleError('DISK_FULL', 'The disk took no more bytes.');
    done += written;
  }
}
