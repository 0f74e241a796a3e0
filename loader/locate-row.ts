// Where in its file a row is, given its key and the beginning of its value.

import type { Chunk } from './chunks.ts';
import type { Dialect } from './dialect.ts';
import { parseChunk } from './parse-chunk.ts';
import { newParseContext } from './parse-context.ts';
import { readRange } from './rejects.ts';

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
  parseChunk(context, bytes);
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
