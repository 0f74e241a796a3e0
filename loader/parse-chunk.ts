// One chunk of bytes -> the row table. Picks the parser; pure.

import { QUOTE } from './dialect.ts';
import { parseCsv } from './parse-csv.ts';
import type { ParseContext } from './parse-context.ts';
import { parseDelimited } from './parse-delimited.ts';
import { parseLines } from './parse-lines.ts';
import { clearRowTable } from './row-table.ts';
import { VALUE_IS_JSON } from './dialect.ts';

/**
 * Parses `chunk`, which begins and ends at record ends. The rows, in `context.rows`, refer to `chunk`
 * or to the context's arena until the next call; the rejects hold offsets in `chunk`.
 */
export function parseChunk(context: ParseContext, chunk: Buffer): void {
  const { arena, dialect, rows } = context;
  clearRowTable(rows);
  arena.length = 0;
  if (dialect.format === 'line') {
    parseLines(chunk, rows);
    return;
  }
  const hasQuotes = dialect.format === 'csv' && chunk.includes(QUOTE);
  if (hasQuotes) parseCsv(context, chunk);
  else parseDelimited(context, chunk, 0, chunk.length, false);
  const isCopied = hasQuotes || dialect.valueColumn === VALUE_IS_JSON;
  rows.source = isCopied ? arena.bytes : chunk;
}
