// Parses one piece of an input into the row table. Pure.

import { setFolderCells } from '../parse/parse-context.ts';
import type { ParseContext } from '../parse/parse-context.ts';
import { clearRowTable } from '../parse/row-table.ts';
import { formatNamed } from './formats.ts';
import type { Piece } from './input-format.ts';

/**
 * Parses `chunk`, the bytes of `piece`; without a piece, text that begins and ends at record ends.
 * The rows, in `context.rows`, refer to `chunk` or to the context's growable buffer until the next
 * call; the rejects hold offsets in the piece. Modifies the chunk: cells and strings are unescaped
 * in place.
 */
export function parseChunk(
  context: ParseContext,
  chunk: Buffer,
  piece: Piece = { start: 0, end: chunk.length },
): void {
  clearRowTable(context.rows);
  context.assembled.length = 0;
  if (piece.folderValues !== undefined) setFolderCells(context, piece.folderValues);
  formatNamed(context.dialect.format).parse(context, chunk, piece);
}
