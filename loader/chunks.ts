// The input cut at record boundaries into byte ranges. Depends on the bytes, the dialect and the
// chunk size alone, so a resumed load cuts in the same places.
//
//     | header | chunk 0 .......\n| chunk 1 ......\n| chunk 2 ...|      (per file)
//              ^ dataStart       ^ the first record end at or behind the nominal end
//
// line, tsv: a record ends at the next `\n`; only a few bytes around each boundary are read.
// csv: a `\n` inside quotes is data, so the file is scanned once for quotes (csv-records.ts), at
// memory speed, while workers already parse the first chunks.

import { closeSync, openSync } from 'node:fs';
import { chunkEnd, endOfLine } from './csv-records.ts';
import { FileWindow } from './file-window.ts';
import type { InputFile } from './inputs.ts';

const PROBE_WINDOW_BYTES = 64 * 1024;
const SCAN_WINDOW_BYTES = 4 * 1024 * 1024;

/** A byte range of one input, whole records. */
export interface Chunk {
  /** 0-based, over all files. */
  readonly index: number;
  /** Index into the list of inputs. */
  readonly file: number;
  readonly start: number;
  readonly end: number;
}

/** All chunks in order, one at a time: the caller parses the first while the rest is not yet cut. */
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
  const { dialect } = input;
  const file = openSync(input.readPath, 'r');
  try {
    const isCsv = dialect.format === 'csv';
    const windowBytes = isCsv ? SCAN_WINDOW_BYTES : PROBE_WINDOW_BYTES;
    const source = new FileWindow(file, input.sizeBytes, windowBytes);
    let start = input.dataStart;
    while (start < source.end) {
      const nominalEnd = Math.min(start + chunkBytes, source.end);
      const end = isCsv
        ? chunkEnd(source, start, nominalEnd, dialect.delimiter)
        : endOfLine(source, nominalEnd - 1);
      yield { start, end };
      start = end;
    }
  } finally {
    closeSync(file);
  }
}
