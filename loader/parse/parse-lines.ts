// The `line` format: key, one space, value = the rest of the line up to `\n`, byte for byte.
//
//     8a35eb59 lunmtp ftx\r\n      key "8a35eb59", value "lunmtp ftx\r"
//     k \n                         key "k", empty value
//     k\n                          rejected: no space separates key and value
//      v\n                         rejected: empty key
//     \n   \r\n                    a blank line: skipped, not counted as a row
//
// Hot loop: plain functions over numbers and bytes; nothing is allocated for a good row.

import { CARRIAGE_RETURN, NEWLINE, SPACE } from '../input/dialect.ts';
import { isComment } from './parse-context.ts';
import { addRow, rejectRow } from './row-table.ts';
import type { RowTable } from './row-table.ts';
import { broadcastByte, findByte, findEitherByte, wordsOf } from '../bytes/word-scan.ts';

const NO_SPACE = 'no space between key and value';
const SPACES = broadcastByte(SPACE);
const NEWLINES = broadcastByte(NEWLINE);

/** Below this many bytes, a loop finds the newline sooner than a call into the engine. */
const NEWLINE_LOOP_BYTES = 256;

/** Parses `chunk`, which begins and ends at line ends. Skips lines that begin with `comment`. */
export function parseLines(chunk: Buffer, rows: RowTable, comment: Buffer): void {
  const end = chunk.length;
  const view = wordsOf(chunk);
  const hasComments = comment.length > 0;
  rows.source = chunk;
  let at = 0;
  while (at < end) {
    rows.lineCount++;
    if (hasComments && isComment(chunk, at, comment)) {
      at = findNewline(chunk, view, at, end) + 1;
      continue;
    }
    const space = findEitherByte(view, at, end, SPACES, NEWLINES);
    if (space === end || chunk[space] === NEWLINE) {
      if (!isBlankLine(chunk, at, space)) {
        rejectRow(rows, at, space, rows.lineCount, NO_SPACE);
      }
      at = space + 1;
      continue;
    }
    const lineEnd = findNewline(chunk, view, space + 1, end);
    const reason = addRow(rows, chunk, at, space, space + 1, lineEnd);
    if (reason !== '') rejectRow(rows, at, lineEnd, rows.lineCount, reason);
    at = lineEnd + 1;
  }
}

/** Whether `[start, end)` is empty or one `\r`. */
function isBlankLine(bytes: Uint8Array, start: number, end: number): boolean {
  return end === start || (end === start + 1 && bytes[start] === CARRIAGE_RETURN);
}

/** The offset of the next `\n` at or after `from`, or `end`. */
function findNewline(bytes: Buffer, view: DataView, from: number, end: number): number {
  const loopEnd = Math.min(end, from + NEWLINE_LOOP_BYTES);
  const at = findByte(view, from, loopEnd, NEWLINES);
  if (at < loopEnd || at === end) return at;
  const found = bytes.indexOf(NEWLINE, at);
  return found < 0 ? end : found;
}
