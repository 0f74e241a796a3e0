// JSON Lines: one object a line (https://jsonlines.org, RFC 8259).
//
//     {"key":"a","value":"text"}          value  text          a string is its characters as UTF-8
//     {"key":"b","value":[1.0, 2]}        value  [1.0, 2]      everything else is its text as written
//     {"key":"c","value_base64":"AP8="}   value  00 ff         so is key_base64
//     {"key":"d","x":1.0}                 value  1.0           the other member, if there is one
//     {"key":"e","x":1.0, "y":"\u00e9"}   value  {"x":1.0,"y":"\u00e9"}    all others, as written
//
// With --key and --value (member-path.ts) it is these members instead, and no base64. The one that is
// key or value may be there once; what else comes twice is kept as it is written. Blank lines are
// skipped and not counted as rows. The whole line must be JSON, and UTF-8, for its row to be taken.
//
// Hot loop: plain functions over numbers and bytes; nothing is allocated for a good row of plain names.

import { isUtf8 } from 'node:buffer';
import { NEWLINE } from '../input/dialect.ts';
import { readMembers } from './json-members.ts';
import type { JsonLine } from './json-members.ts';
import { addLine } from './json-rows.ts';
import { BRACE_OPEN, faultAt, skipSpace } from './json-scan.ts';
import { isComment } from './parse-context.ts';
import type { ParseContext } from './parse-context.ts';
import { rejectRow } from './row-table.ts';
import { copiesOf, findOne, wordsOf } from '../bytes/word-scan.ts';

const NEWLINES = copiesOf(NEWLINE);

/**
 * Parses `chunk`, which begins and ends at line ends. Unescapes strings in place; rows are slices of
 * the chunk or, from the first line that needs it, of the arena. `line` is the context's reader.
 */
export function parseJsonl(context: ParseContext, line: JsonLine, chunk: Buffer): void {
  const { arena, comment, rows } = context;
  const { scanner } = line;
  scanner.bytes = chunk;
  scanner.view = wordsOf(chunk);
  scanner.end = chunk.length;
  line.usesArena = false;
  const hasComments = comment.length > 0;
  // Asked once of a whole chunk that is, of every line of one that is not.
  const isText = isUtf8(chunk);
  for (let start = 0; start < chunk.length;) {
    rows.lineCount++;
    if (hasComments && isComment(chunk, start, comment)) {
      start = findOne(scanner.view, start, chunk.length, NEWLINES) + 1;
      continue;
    }
    let lineEnd = skipSpace(scanner, start);
    if (!isLineEnd(chunk, lineEnd)) {
      const at = lineEnd;
      lineEnd = readLine(line, chunk, at);
      const isRead = lineEnd >= 0;
      // Known before anything is unescaped, which may make a `\n` inside the line.
      if (!isRead) lineEnd = findOne(scanner.view, at, chunk.length, NEWLINES);
      const isAdded = isRead && addText(context, line, chunk, start, at, lineEnd, isText);
      if (!isAdded) rejectRow(rows, start, lineEnd, rows.lineCount, scanner.fault, scanner.faultAt);
    }
    start = lineEnd + 1;
  }
  rows.source = line.usesArena ? arena.bytes : chunk;
}

function isLineEnd(chunk: Buffer, at: number): boolean {
  return at >= chunk.length || chunk[at] === NEWLINE;
}

/** Reads the object at `at`. Returns the line's end; -1, and the fault in the scanner. */
function readLine(line: JsonLine, chunk: Buffer, at: number): number {
  const { scanner } = line;
  if (chunk[at] !== BRACE_OPEN) return faultAt(scanner, at, 'not a JSON object');
  const objectEnd = readMembers(line, at);
  if (objectEnd < 0) return -1;
  const lineEnd = skipSpace(scanner, objectEnd);
  return isLineEnd(chunk, lineEnd) ? lineEnd : faultAt(scanner, lineEnd, 'text behind the object');
}

/** Adds the row of the line that was read. False, and the fault in the scanner, if it is refused. */
function addText(
  context: ParseContext,
  line: JsonLine,
  chunk: Buffer,
  start: number,
  at: number,
  lineEnd: number,
  isText: boolean,
): boolean {
  const { scanner } = line;
  scanner.faultAt = start;
  scanner.fault =
    isText || isUtf8(chunk.subarray(start, lineEnd))
      ? addLine(context, line, chunk, at)
      : 'not UTF-8';
  return scanner.fault === '';
}
