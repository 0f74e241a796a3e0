// Where in its file a row is, given its key and the beginning of its value.

import { closeSync, openSync } from 'node:fs';
import type { Chunk } from './chunks.ts';
import type { Dialect } from './dialect.ts';
import { readFully } from './file-window.ts';
import { parseChunk } from './parse-chunk.ts';
import { newParseContext } from './parse-context.ts';

/**
 * The byte offset of the row's key in its file; undefined where rows are not slices of the chunk
 * (cells that were quoted, JSON values).
 */
export function locateRow(
  path: string,
  chunk: Chunk,
  dialect: Dialect,
  key: Uint8Array,
  valueStart: Uint8Array,
): number | undefined {
  const bytes = readRange(path, chunk.start, chunk.end);
  const context = newParseContext(dialect, 1);
  parseChunk(context, bytes, chunk.start);
  const { rows } = context;
  if (rows.source !== bytes) return undefined;
  for (let row = 0; row < rows.count; row++) {
    const keyAt = rows.keyStart[row] as number;
    const valueAt = rows.valueStart[row] as number;
    const valueEnd = Math.min(rows.valueEnd[row] as number, valueAt + valueStart.length);
    const isKey = bytes.subarray(keyAt, rows.keyEnd[row]).equals(key);
    if (isKey && bytes.subarray(valueAt, valueEnd).equals(valueStart)) return chunk.start + keyAt;
  }
  return undefined;
}

function readRange(path: string, start: number, end: number): Buffer {
  const bytes = Buffer.allocUnsafe(end - start);
  const file = openSync(path, 'r');
  try {
    return bytes.subarray(0, readFully(file, bytes, bytes.length, start));
  } finally {
    closeSync(file);
  }
}
