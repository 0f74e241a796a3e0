// Work on whole segments that come from a datanode or an archive: the full check, and their rows as
// a file.

import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { SteleError } from '../../base/errors.ts';
import { mergeSegments } from '../../segment/merge.ts';
import { boundsOf, openSegment } from '../../segment/reader.ts';
import type { Segment } from '../../segment/reader.ts';
import { newRecordBounds } from '../../segment/record.ts';
import { verifySegment } from '../../segment/verify.ts';

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
const QUOTE = 0x22;
const COMMA = 0x2c;
const LINE_FEED = 0x0a;

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
    const out = new RowWriter(file);
    const bounds = newRecordBounds();
    for (let at = segment.recordsStart; at < segment.recordsEnd; at = bounds.end) {
      boundsOf(segment, at, bounds);
      out.field(segment.bytes, bounds.keyStart, bounds.valueStart, COMMA);
      out.field(segment.bytes, bounds.valueStart, bounds.end, LINE_FEED);
    }
    out.flush();
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Fields in quotes, so that every byte is itself, and a quote is two (RFC 4180). */
class RowWriter {
  readonly #file: number;
  readonly #buffer = Buffer.allocUnsafe(BUFFER_BYTES);
  #used = 0;
  /** Of the segment: the first quote from the last place that was looked at. */
  #quoteAt = -1;

  constructor(file: number) {
    this.#file = file;
  }

  field(bytes: Buffer, start: number, end: number, after: number): void {
    this.#byte(QUOTE);
    for (let at = start; at < end;) {
      if (this.#quoteAt < at) this.#quoteAt = indexOfQuote(bytes, at);
      const hasQuote = this.#quoteAt < end;
      const next = hasQuote ? this.#quoteAt + 1 : end;
      this.#bytes(bytes, at, next);
      if (hasQuote) this.#byte(QUOTE);
      at = next;
    }
    this.#byte(QUOTE);
    this.#byte(after);
  }

  flush(): void {
    writeAll(this.#file, this.#buffer.subarray(0, this.#used));
    this.#used = 0;
  }

  #byte(byte: number): void {
    if (this.#used === BUFFER_BYTES) this.flush();
    this.#buffer[this.#used++] = byte;
  }

  #bytes(bytes: Buffer, start: number, end: number): void {
    if (end - start > BUFFER_BYTES - this.#used) this.flush();
    if (end - start > BUFFER_BYTES) writeAll(this.#file, bytes.subarray(start, end));
    else this.#used += bytes.copy(this.#buffer, this.#used, start, end);
  }
}

function indexOfQuote(bytes: Buffer, from: number): number {
  const found = bytes.indexOf(QUOTE, from);
  return found < 0 ? Infinity : found;
}

function writeAll(file: number, bytes: Buffer): void {
  for (let done = 0; done < bytes.length;) {
    const written = writeSync(file, bytes, done, bytes.length - done);
    if (written === 0) throw new SteleError('DISK_FULL', 'The disk took no more bytes.');
    done += written;
  }
}
