// The work of an export on whole segments: the newest records of a shard, and the records of some
// shards as one file.

import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { Digest } from '../../segment/digest.ts';
import { mergeSegments } from '../../segment/merge.ts';
import { boundsOf, openSegment } from '../../segment/reader.ts';
import { newRecordBounds } from '../../segment/record.ts';
import { newGrowableBuffer } from '../bytes/growable-buffer.ts';
import { CsvRows } from './rows/csv-rows.ts';
import { JsonlRows } from './rows/jsonl-rows.ts';
import type { NotText, TextColumns } from './rows/parquet-rows.ts';
import type { RowsWriter } from './rows/rows-writer.ts';

/**
 * Of this thread: text is written into it, one file after the other. Freed memory would stay until
 * the next collection, and files are large.
 */
const scratch = newGrowableBuffer();

/** What the files of an export are. */
export interface RowsForm {
  readonly format: 'jsonl' | 'csv' | 'parquet';
  readonly compress: 'none' | 'gzip';
  /** Of Parquet: which columns are texts. */
  readonly text: TextColumns;
}

/** A place among records: of a segment by its index; `offset` 0 is its first. */
export interface RecordPlace {
  readonly segment: number;
  readonly offset: number;
}

export interface ExportTask {
  /** Of one shard each, verified. */
  readonly segments: readonly SharedArrayBuffer[];
  readonly from: RecordPlace;
  readonly form: RowsForm;
  /** The file ends after the record with which it has more, before compression. */
  readonly bytesMax: number;
}

export interface ExportedFile {
  /** The whole file. */
  readonly bytes: SharedArrayBuffer;
  /** Hex. */
  readonly sha256: string;
  /** Of the records that were written. */
  readonly records: number;
  readonly keyBytes: number;
  readonly valueBytes: number;
  readonly digest: Uint8Array;
  /** Undefined: there are no more records. */
  readonly next: RecordPlace | undefined;
}

/** Nothing was written: a record is not UTF-8 in a column of texts. */
export interface NotTextFound {
  readonly notText: keyof TextColumns;
}

/** One segment with the newest record of every key of these, oldest first, which are verified. */
export function runMergeTask(segments: readonly SharedArrayBuffer[]): SharedArrayBuffer {
  const { bytes } = mergeSegments(segments.map((one) => openSegment(Buffer.from(one))));
  return bytes.buffer as SharedArrayBuffer;
}

/** Throws CORRUPT if memory has rotted since the segments were verified. */
export async function runExportTask(task: ExportTask): Promise<ExportedFile | NotTextFound> {
  const { bytesMax, form, from, segments } = task;
  const rows = await writerOf(form);
  const digest = new Digest();
  const bounds = newRecordBounds();
  const counts = { records: 0, keyBytes: 0, valueBytes: 0 };
  let next: RecordPlace | undefined;
  try {
    for (let index = from.segment; index < segments.length && next === undefined; index++) {
      const segment = openSegment(Buffer.from(segments[index] as SharedArrayBuffer));
      const { bytes, recordsEnd, recordsStart, view } = segment;
      let at = index === from.segment && from.offset > 0 ? from.offset : recordsStart;
      for (; at < recordsEnd; at = bounds.end) {
        if (counts.records > 0 && rows.byteCount >= bytesMax) {
          next = { segment: index, offset: at };
          break;
        }
        boundsOf(segment, at, bounds);
        const { end, keyStart, valueStart } = bounds;
        rows.add(bytes, view, keyStart, valueStart, end);
        digest.addRecord(view, keyStart, valueStart, end);
        counts.records++;
        counts.keyBytes += valueStart - keyStart;
        counts.valueBytes += end - valueStart;
      }
    }
  } catch (thrown) {
    const { column } = thrown as Partial<NotText>;
    if (column === undefined) throw thrown;
    return { notText: column };
  }
  const file = form.compress === 'gzip' ? gzipSync(rows.finish()) : rows.finish();
  const bytes = new SharedArrayBuffer(file.length);
  Buffer.from(bytes).set(file);
  const sha256 = createHash('sha256').update(file).digest('hex');
  return { bytes, sha256, ...counts, digest: digest.toBytes(), next };
}

async function writerOf({ format, text }: RowsForm): Promise<RowsWriter> {
  if (format === 'csv') return new CsvRows(scratch, true);
  if (format === 'jsonl') return new JsonlRows(scratch);
  // Loaded only if it is used.
  const { ParquetRows } = await import('./rows/parquet-rows.ts');
  return new ParquetRows(text);
}
