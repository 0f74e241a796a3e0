// The input cut at record boundaries into byte ranges. Depends on the bytes, the dialect and the
// chunk size alone, so a resumed load cuts in the same places.
//
//     | header | chunk 0 .......\n| chunk 1 ......\n| chunk 2 ...|      (per file)
//              ^ dataStart       ^ the first record end at or behind the nominal end
//
// line, tsv, jsonl: a record ends at the next `\n`; only a few bytes around each boundary are read.
// csv: a `\n` inside quotes is data, so the file is read once, from quote to quote (csv-records.ts),
// at memory speed, while workers already parse the first chunks.
//
// No search goes further than a record may be long: a file without line ends is refused at its first
// chunk, not after all of it has been read.

import { closeSync, openSync } from 'node:fs';
import { SteleError } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';
import { KEY_BYTES_MAX } from '../../base/limits.ts';
import { CsvRecords, QUOTED_BYTES_MAX } from './csv-records.ts';
import type { ByteSource } from '../bytes/byte-source.ts';
import type { RecordRules } from './csv-records.ts';
import { NEWLINE } from '../input/dialect.ts';
import type { Dialect } from '../input/dialect.ts';
import type { LoadFormat } from '../input/formats.ts';
import { FileWindow } from '../bytes/file-window.ts';
import type { InputFile } from '../input/inputs.ts';

/** Small enough to stay in a core's cache while it is searched. */
const WINDOW_BYTES = 256 * 1024;
/** A file up to this size that fits one chunk is one, and is not opened here. */
const WHOLE_BYTES_MAX = 16 * 1024 * 1024;
/** A record with the longest value in quotes, the longest key, and some other columns. */
export const RECORD_BYTES_MAX = QUOTED_BYTES_MAX + 2 * KEY_BYTES_MAX + 1024 * 1024;

/** A byte range of one input, whole records. */
export interface Chunk {
  /** 0-based, over all files. */
  readonly index: number;
  /** Index into the list of inputs. */
  readonly file: number;
  readonly start: number;
  readonly end: number;
}

/**
 * All chunks in order, one at a time: the caller parses the first while the rest is not yet cut. A
 * chunk is longer than `chunkBytes` by one record at most. Throws INPUT_INVALID where a record is
 * longer than any may be, INPUT_CHANGED, and what the disk says.
 */
export function* cutIntoChunks(
  inputs: readonly InputFile[],
  chunkBytes: number,
): Generator<Chunk, void, undefined> {
  let index = 0;
  for (const [file, input] of inputs.entries()) {
    for (const range of cutFile(input, chunkBytes)) {
      yield { index: index++, file, start: range.start, end: range.end };
    }
  }
}

function* cutFile(
  input: InputFile,
  chunkBytes: number,
): Generator<{ start: number; end: number }, void, undefined> {
  if (input.dataStart >= input.sizeBytes) return;
  if (input.sizeBytes - input.dataStart <= Math.min(chunkBytes, WHOLE_BYTES_MAX)) {
    yield { start: input.dataStart, end: input.sizeBytes };
    return;
  }
  const { dialect } = input;
  const file = openSync(input.readPath, 'r');
  try {
    const source = new FileWindow(file, input.sizeBytes, WINDOW_BYTES);
    const records = newRecordEnds(source, dialect);
    let start = input.dataStart;
    while (start < source.end) {
      const nominalEnd = Math.min(start + chunkBytes, source.end);
      const limit = Math.min(source.end, nominalEnd + RECORD_BYTES_MAX);
      const end = records.endBehind(start, nominalEnd, limit);
      if (end < 0) throw endlessRecord(input, source, start, nominalEnd);
      yield { start, end };
      start = end;
    }
  } finally {
    closeSync(file);
  }
}

export interface RecordEnds {
  /** As CsvRecords has it. */
  endBehind(start: number, nominalEnd: number, limit: number): number;
}

/** The record ends of one input, whatever its format. Ask in rising order. */
export function newRecordEnds(
  source: ByteSource,
  dialect: RecordRules & Pick<Dialect, 'format'>,
): RecordEnds {
  if (dialect.format === 'csv') return new CsvRecords(source, dialect);
  return {
    endBehind: (_start, nominalEnd, limit) => {
      const newline = source.find(NEWLINE, nominalEnd - 1, limit);
      if (newline >= 0 && newline < limit) return newline + 1;
      return limit < source.end ? -1 : source.end;
    },
  };
}

/** The record that begins before `nominalEnd` and has no end in reach. */
function endlessRecord(
  input: InputFile,
  source: ByteSource,
  chunkStart: number,
  nominalEnd: number,
): SteleError {
  const { dialect } = input;
  const records = newRecordEnds(source, dialect);
  let start = chunkStart;
  for (;;) {
    const end = records.endBehind(start, start + 1, nominalEnd);
    if (end < 0) break;
    start = end;
  }
  return recordTooLong(input.path, start, dialect.format);
}

/** INPUT_INVALID for the record at `start`, which has no end within RECORD_BYTES_MAX. */
export function recordTooLong(path: string, start: number, format: LoadFormat): SteleError {
  return new SteleError(
    'INPUT_INVALID',
    `'${shorten(path, 200)}' has a row of more than ${Math.floor(RECORD_BYTES_MAX / 1024 / 1024)} MiB at byte ${start}, which is more than any row may have; is --format ${format} right?`,
  );
}
