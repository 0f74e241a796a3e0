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
import { tickLimiter } from '../bytes/bounded.ts';
import type { ByteSource } from '../bytes/byte-source.ts';
import { FileWindow } from '../bytes/file-window.ts';
import { NEWLINE } from '../input/dialect.ts';
import type { LoadFormat } from '../input/formats.ts';
import { dataRange } from '../input/inputs.ts';
import type { InputFile } from '../input/inputs.ts';
import { CsvRecords, QUOTED_BYTES_MAX } from './delimited/csv-records.ts';
import type { RecordRules } from './delimited/csv-records.ts';

/** Searched at once for the end of a record in quotes. */
const STEP_BYTES = 16 * 1024 * 1024;
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
  const [dataStart, dataEnd] = dataRange(input);
  if (dataStart >= dataEnd) return;
  if (dataEnd - dataStart <= Math.min(chunkBytes, WHOLE_BYTES_MAX)) {
    yield { start: dataStart, end: dataEnd };
    return;
  }
  const file = openSync(input.readPath, 'r');
  try {
    const source = new FileWindow(file, dataEnd, WINDOW_BYTES);
    const records = recordEnds(source, input.dialect);
    let start = dataStart;
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

/**
 * For each offset, which rise, the first offset from there on at which a record begins. Depends on
 * the file and the dialect only. Line ends are looked up where they are needed; with quotes,
 * everything before is searched. Throws INPUT_INVALID for a record that is too long.
 */
export async function recordStarts(
  input: InputFile,
  offsets: readonly number[],
  recordEnds: FindRecordEnds,
): Promise<number[]> {
  const file = openSync(input.readPath, 'r');
  try {
    const source = new FileWindow(file, input.sizeBytes, WINDOW_BYTES);
    const records = recordEnds(source, input.dialect);
    const stepBytes = recordEnds === lineEnds ? Infinity : STEP_BYTES;
    const tickEnd = tickLimiter();
    const starts: number[] = [];
    let start = input.dataStart;
    for (const offset of offsets) {
      const wanted = Math.min(offset, source.end);
      while (start < wanted) {
        const nominalEnd = Math.min(start + stepBytes, wanted);
        const limit = Math.min(source.end, nominalEnd + RECORD_BYTES_MAX);
        const end = records.endBehind(start, nominalEnd, limit);
        if (end < 0) {
          const from = Math.max(start, nominalEnd - 1);
          throw recordTooLong(input.path, from, input.dialect.format);
        }
        start = end;
        await tickEnd();
      }
      starts.push(start);
    }
    return starts;
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
