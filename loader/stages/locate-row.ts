// Where in its file a row is, given its key and the beginning of its value: the chunk's records are
// parsed again, one by one, until one gives that row. Slow, and done once, before a load gives up.

import type { Chunk } from '../parse/chunks.ts';
import { newRecordEnds } from '../parse/chunks.ts';
import { bytesSource } from '../parse/csv-records.ts';
import type { Dialect } from '../input/dialect.ts';
import { parseChunk } from '../parse/parse-chunk.ts';
import { newParseContext } from '../parse/parse-context.ts';
import { readRange } from '../bytes/file-window.ts';
import type { RowTable } from '../parse/row-table.ts';

/** The byte offset of the row's record in its file; undefined if the chunk no longer has it. */
export function locateRow(
  path: string,
  chunk: Chunk,
  dialect: Dialect,
  key: Uint8Array,
  valueStart: Uint8Array,
): number | undefined {
  const bytes = readRange(path, chunk.start, chunk.end);
  const context = newParseContext(dialect, 1);
  const source = bytesSource(bytes);
  const records = newRecordEnds(source, dialect);
  for (let start = 0; start < bytes.length;) {
    const end = records.endBehind(start, start + 1, source.end);
    parseChunk(context, bytes.subarray(start, end));
    if (isRow(context.rows, key, valueStart)) return chunk.start + start;
    start = end;
  }
  return undefined;
}

/** Whether the table's one row has this key and a value that begins like this. */
function isRow(rows: RowTable, key: Uint8Array, valueStart: Uint8Array): boolean {
  if (rows.count !== 1) return false;
  const bytes = Buffer.from(rows.source.buffer, rows.source.byteOffset, rows.source.byteLength);
  const valueAt = rows.valueStart[0] as number;
  const valueEnd = Math.min(rows.valueEnd[0] as number, valueAt + valueStart.length);
  return (
    bytes.subarray(rows.keyStart[0], rows.keyEnd[0]).equals(key) &&
    bytes.subarray(valueAt, valueEnd).equals(valueStart)
  );
}
