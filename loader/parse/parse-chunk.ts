// Parses one chunk of bytes into the row table with the parser for its dialect. Pure.

import assert from 'node:assert/strict';
import { QUOTE, VALUE_IS_JSON } from '../input/dialect.ts';
import type { ParseContext } from './parse-context.ts';
import { parseDelimited } from './delimited/parse-delimited.ts';
import { parseJsonl } from './json/parse-jsonl.ts';
import { parseLines } from './parse-lines.ts';
import { parseQuoted } from './delimited/parse-quoted.ts';
import { clearRowTable } from './row-table.ts';

/**
 * Parses `chunk`, which begins and ends at record ends. The rows, in `context.rows`, refer to
 * `chunk` or to the context's growable buffer until the next call; the rejects hold offsets in
 * `chunk`. Modifies the chunk: cells and strings are unescaped in place.
 */
export function parseChunk(context: ParseContext, chunk: Buffer): void {
  const { assembled, comment, dialect, line, rows } = context;
  clearRowTable(rows);
  assembled.length = 0;
  switch (dialect.format) {
    case 'line':
      parseLines(chunk, rows, comment);
      return;
    case 'jsonl':
      assert(line !== undefined);
      parseJsonl(context, line, chunk);
      return;
    case 'csv':
    case 'tsv':
      if (dialect.format === 'csv' && chunk.includes(QUOTE)) parseQuoted(context, chunk);
      else parseDelimited(context, chunk);
      rows.source = dialect.valueColumn === VALUE_IS_JSON ? assembled.bytes : chunk;
      return;
    default:
      dialect.format satisfies never;
  }
}
