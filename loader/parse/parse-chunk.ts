// One chunk of bytes -> the row table. Picks the parser; pure.

import { QUOTE, VALUE_IS_JSON } from '../input/dialect.ts';
import type { ParseContext } from './parse-context.ts';
import { parseDelimited } from './parse-delimited.ts';
import { parseJsonl } from './parse-jsonl.ts';
import { parseLines } from './parse-lines.ts';
import { parseQuoted } from './parse-quoted.ts';
import { clearRowTable } from './row-table.ts';

/**
 * Parses `chunk`, which begins and ends at record ends. The rows, in `context.rows`, refer to `chunk`
 * or to the context's arena until the next call; the rejects hold offsets in `chunk`. The chunk is the
 * parser's to write into: cells and strings are unescaped in place.
 */
export function parseChunk(context: ParseContext, chunk: Buffer): void {
  const { arena, comment, dialect, line, rows } = context;
  clearRowTable(rows);
  arena.length = 0;
  if (dialect.format === 'line') {
    parseLines(chunk, rows, comment);
    return;
  }
  if (line !== undefined) {
    parseJsonl(context, line, chunk);
    return;
  }
  const hasQuotes = dialect.format === 'csv' && chunk.includes(QUOTE);
  if (hasQuotes) parseQuoted(context, chunk);
  else parseDelimited(context, chunk);
  rows.source = dialect.valueColumn === VALUE_IS_JSON ? arena.bytes : chunk;
}
