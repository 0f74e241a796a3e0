// JSON Lines: one object per line (https://jsonlines.org, RFC 8259).
//
//     {"key":"a","value":"text"}          value  text          a string is its characters as UTF-8
//     {"key":"b","value":[1.0, 2]}        value  [1.0, 2]      everything else is its text as written
//     {"key":"c","value_base64":"AP8="}   value  00 ff         so is key_base64
//     {"key":"d","x":1.0}                 value  1.0           the other member, if there is one
//     {"key":"e","x":1.0, "y":"\u00e9"}   value  {"x":1.0,"y":"\u00e9"}    all others, as written
//
// --key and --value (member-path.ts) name other members instead, without base64. The member that is
// key or value may occur once; another one that occurs twice is kept as written. Blank lines are
// skipped and not counted as rows. A row is accepted only if the whole line is valid JSON and
// UTF-8.
//
// Hot loop: plain functions over numbers and bytes; nothing is allocated for a good row of plain
// names.

import { isUtf8 } from 'node:buffer';
import { NEWLINE } from '../../input/dialect.ts';
import { readMembers } from './json-members.ts';
import type { JsonLine } from './json-members.ts';
import { addLine } from './json-rows.ts';
import { BRACE_OPEN, faultAt, skipSpace } from './json-scan.ts';
import { isComment } from '../parse-context.ts';
import type { ParseContext } from '../parse-context.ts';
import { rejectRow } from '../row-table.ts';
import { broadcastByte, findByte, wordsOf } from '../../bytes/word-scan.ts';

const NEWLINES = broadcastByte(NEWLINE);

/**
 * Parses `chunk`, which begins and ends at line ends. Unescapes strings in place; rows are slices
 * of the chunk or, from the first line that needs it, of the growable buffer. `line` is the
 * context's reader.
 */
export function parseJsonl(context: ParseContext, line: JsonLine, chunk: Buffer): void {
  const { assembled, comment, rows } = context;
  const { scanner } = line;
  scanner.bytes = chunk;
  scanner.view = wordsOf(chunk);
  scanner.end = chunk.length;
  line.usesAssembled = false;
  const hasComments = comment.length > 0;
  // Tested once for a chunk of UTF-8, and for every line of another chunk.
  const isText = isUtf8(chunk);
  for (let start = 0; start < chunk.length;) {
    rows.lineCount++;
    if (hasComments && isComment(chunk, start, comment)) {
      start = findByte(scanner.view, start, chunk.length, NEWLINES) + 1;
      continue;
    }
    let lineEnd = skipSpace(scanner, start);
    if (!isLineEnd(chunk, lineEnd)) {
      const at = lineEnd;
      lineEnd = readLine(line, chunk, at);
      const isRead = lineEnd >= 0;
      // Determined before unescaping, which may produce a `\n` inside the line.
      if (!isRead) lineEnd = findByte(scanner.view, at, chunk.length, NEWLINES);
      const isAdded = isRead && addText(context, line, chunk, start, at, lineEnd, isText);
      if (!isAdded) rejectRow(rows, start, lineEnd, rows.lineCount, scanner.fault, scanner.faultAt);
    }
    start = lineEnd + 1;
  }
  rows.source = line.usesAssembled ? assembled.bytes : chunk;
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
  return isLineEnd(chunk, lineEnd) ? lineEnd : faultAt(scanner, lineEnd, 'text after the object');
}

/**
 * Adds the row of the last line. Returns false, and the fault in the scanner, if it is rejected.
 */
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
