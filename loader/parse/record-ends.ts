// Where the records of a text end, and how a file is cut there.
//
// line, tsv, jsonl: a record ends at the next `\n`; only a few bytes around each boundary are read.
// csv: a `\n` inside quotes is data, so the file is read once, from quote to quote
// (csv-records.ts), at memory speed, while workers already parse the first chunks.
//
// No search goes further than the maximum length of a record: a file without line ends is refused
// at its first chunk, not after all of it has been read.

import { closeSync, openSync } from 'node:fs';
import { SteleError } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';
import { KEY_BYTES_MAX } from '../../base/limits.ts';
import type { ByteSource } from '../bytes/byte-source.ts';
import { FileWindow } from '../bytes/file-window.ts';
import { NEWLINE } from '../input/dialect.ts';
import type { LoadFormat } from '../input/formats.ts';
import type { InputFile } from '../input/inputs.ts';
import { CsvRecords, QUOTED_BYTES_MAX } from './delimited/csv-records.ts';
import type { RecordRules } from './delimited/csv-records.ts';

/** Small enough to stay in a core's cache while it is searched. */
const WINDOW_BYTES = 256 * 1024;
/** A file up to this size that fits one chunk becomes one, and is not opened here. */
const WHOLE_BYTES_MAX = 16 * 1024 * 1024;
/** A record with the longest quoted value, the longest key, and some other columns. */
export const RECORD_BYTES_MAX = QUOTED_BYTES_MAX + 2 * KEY_BYTES_MAX + 1024 * 1024;

interface RecordEnds {
  /** See CsvRecords. */
  endBehind(start: number, nominalEnd: number, limit: number): number;
}

/** Finds the record ends of one input. Call the result with rising offsets. */
export type FindRecordEnds = (source: ByteSource, rules: RecordRules) => RecordEnds;

/** Records that end at every `\n`. */
export const lineEnds: FindRecordEnds = (source) => ({
  endBehind: (_start, nominalEnd, limit) => {
    const newline = source.find(NEWLINE, nominalEnd - 1, limit);
    if (newline >= 0 && newline < limit) return newline + 1;
    return limit < source.end ? -1 : source.end;
  },
});

/** Records that may have line ends in quotes. */
export const quotedEnds: FindRecordEnds = (source, rules) => new CsvRecords(source, rules);

/** Cuts the data of a file at record ends. Throws INPUT_INVALID for a record that is too long. */
export function* cutText(
  input: InputFile,
  chunkBytes: number,
  recordEnds: FindRecordEnds,
): Generator<{ start: number; end: number }, void, undefined> {
  if (input.dataStart >= input.sizeBytes) return;
  if (input.sizeBytes - input.dataStart <= Math.min(chunkBytes, WHOLE_BYTES_MAX)) {
    yield { start: input.dataStart, end: input.sizeBytes };
    return;
  }
  const file = openSync(input.readPath, 'r');
  try {
    const source = new FileWindow(file, input.sizeBytes, WINDOW_BYTES);
    const records = recordEnds(source, input.dialect);
    let start = input.dataStart;
    while (start < source.end) {
      const nominalEnd = Math.min(start + chunkBytes, source.end);
      const limit = Math.min(source.end, nominalEnd + RECORD_BYTES_MAX);
      const end = records.endBehind(start, nominalEnd, limit);
      if (end < 0) {
        const at = endlessStart(recordEnds(source, input.dialect), start, nominalEnd);
        throw recordTooLong(input.path, at, input.dialect.format);
      }
      yield { start, end };
      start = end;
    }
  } finally {
    closeSync(file);
  }
}

/** The record that begins before `nominalEnd` and has no end within reach. */
function endlessStart(records: RecordEnds, chunkStart: number, nominalEnd: number): number {
  let start = chunkStart;
  for (;;) {
    const end = records.endBehind(start, start + 1, nominalEnd);
    if (end < 0) return start;
    start = end;
  }
}

/** INPUT_INVALID for the record at `start`, which has no end within RECORD_BYTES_MAX. */
export function recordTooLong(path: string, start: number, format: LoadFormat): SteleError {
  return new SteleError(
    'INPUT_INVALID',
    `'${shorten(path, 200)}' has a row of more than ${Math.floor(RECORD_BYTES_MAX / 1024 / 1024)} MiB at byte ${start}, which is more than any row may have; is --format ${format} right?`,
  );
}
