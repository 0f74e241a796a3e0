// A line of JSON whose members have been read -> a row. Strings are unescaped and base64 is decoded in
// place, so key and value are slices of the chunk, as in the other formats.
//
// Two kinds of lines are not so easily cut: those of which all other members become one object, and
// those whose key lies within the value (`--key user.id --value user`). Their key and value are put
// together in the arena, and since a table has one source, all rows of the chunk move there.
//
// Hot loop: plain functions over numbers and bytes; nothing is allocated for a good row.

import { appendByte, appendBytes } from '../bytes/arena.ts';
import { KEY, KEY_BASE64, OTHER, VALUE, VALUE_BASE64, isFound } from './json-members.ts';
import type { JsonLine } from './json-members.ts';
import { BRACE_CLOSE, BRACE_OPEN, BRACKET_OPEN, COLON, COMMA, QUOTE } from './json-scan.ts';
import { byteAt, skipColon, skipSpace, skipString, skipValue } from './json-scan.ts';
import { decodeBase64, unescapeString } from './json-text.ts';
import type { ParseContext } from './parse-context.ts';
import type { RejectReason } from './reject-table.ts';
import { addRow } from './row-table.ts';

const LETTER_N = 0x6e;

/**
 * Adds the row of the line that was read last; its brace is at `at`. Returns '' or why it is refused;
 * then the scanner's `faultAt` may say where.
 */
export function addLine(
  context: ParseContext,
  line: JsonLine,
  chunk: Buffer,
  at: number,
): RejectReason {
  const { end, start } = line;
  const missing = missingOf(line);
  if (missing !== '') return missing;
  const key = isFound(line, KEY) ? KEY : KEY_BASE64;
  const value = isFound(line, VALUE) ? VALUE : isFound(line, VALUE_BASE64) ? VALUE_BASE64 : OTHER;
  const keyAt = start[key] as number;
  if (!isKey(chunk[keyAt] as number)) {
    return faulty(line, keyAt, 'the key is neither a string nor a number, true or false');
  }
  const isObject = value === OTHER && line.otherCount > 1;
  const isWithin = keyAt >= (start[value] as number) && keyAt < (end[value] as number);
  if (isObject || isWithin) moveToArena(context, line, chunk);
  if (line.usesArena) return addCopies(context, line, chunk, key, isObject ? -1 : value, at);
  const reason = cutOut(line, chunk, key) || cutOut(line, chunk, value);
  if (reason !== '') return reason;
  const keyStart = start[key] as number;
  const keyEnd = end[key] as number;
  return addRow(
    context.rows,
    chunk,
    keyStart,
    keyEnd,
    start[value] as number,
    end[value] as number,
  );
}

function missingOf(line: JsonLine): RejectReason {
  if (isFound(line, KEY) && isFound(line, KEY_BASE64)) return 'both key and key_base64';
  if (isFound(line, VALUE) && isFound(line, VALUE_BASE64)) return 'both value and value_base64';
  if (!isFound(line, KEY) && !isFound(line, KEY_BASE64)) return `no member ${line.keyName}`;
  if (isFound(line, VALUE) || isFound(line, VALUE_BASE64)) return '';
  if (!line.takesOthers) return `no member ${line.valueName}`;
  return line.otherCount === 0 ? 'no member but the key' : '';
}

/** By its first byte. An object, an array or null is no key that anybody can mean. */
function isKey(byte: number): boolean {
  return byte !== BRACE_OPEN && byte !== BRACKET_OPEN && byte !== LETTER_N;
}

/** Makes `start` and `end` of the slot those of the bytes it stands for. */
function cutOut(line: JsonLine, chunk: Buffer, slot: number): RejectReason {
  const { end, hasEscapes, scanner, start } = line;
  const isBase64 = slot === KEY_BASE64 || slot === VALUE_BASE64;
  const from = start[slot] as number;
  if (chunk[from] !== QUOTE) return isBase64 ? faulty(line, from, 'base64 that is no string') : '';
  let to = (end[slot] as number) - 1;
  if (hasEscapes[slot] === 1) to = unescapeString(scanner, from + 1, to);
  if (to < 0) return scanner.fault;
  if (isBase64) to = decodeBase64(chunk, from + 1, to);
  if (to < 0) return faulty(line, from, 'not base64');
  start[slot] = from + 1;
  end[slot] = to;
  return '';
}

function faulty(line: JsonLine, at: number, reason: RejectReason): RejectReason {
  line.scanner.faultAt = at;
  return reason;
}

/** Adds the row out of the arena; `value` is -1 for the object of all other members. */
function addCopies(
  context: ParseContext,
  line: JsonLine,
  chunk: Buffer,
  key: number,
  value: number,
  at: number,
): RejectReason {
  const { arena, rows } = context;
  const before = arena.length;
  const isSame = value >= 0 && line.start[key] === line.start[value];
  // The value first: the key may lie in it, and is unescaped in place.
  let reason =
    value < 0
      ? appendOthers(context, line, chunk, key, at)
      : appendSlot(context, line, chunk, value);
  const valueEnd = arena.length;
  if (reason === '' && !isSame) reason = appendSlot(context, line, chunk, key);
  if (reason === '') {
    const keyStart = isSame ? before : valueEnd;
    reason = addRow(rows, arena.bytes, keyStart, arena.length, before, valueEnd);
  }
  if (reason !== '') arena.length = before;
  return reason;
}

function appendSlot(
  context: ParseContext,
  line: JsonLine,
  chunk: Buffer,
  slot: number,
): RejectReason {
  const reason = cutOut(line, chunk, slot);
  if (reason === '') {
    appendBytes(context.arena, chunk, line.start[slot] as number, line.end[slot] as number);
  }
  return reason;
}

/** `{"name":value,...}` of all members but the key's, names and values as written, without spaces. */
function appendOthers(
  context: ParseContext,
  line: JsonLine,
  chunk: Buffer,
  key: number,
  at: number,
): RejectReason {
  const { arena } = context;
  const { scanner } = line;
  let separator = BRACE_OPEN;
  let next = at;
  do {
    // The line has been checked: each step finds what it looks for.
    const name = skipSpace(scanner, next + 1);
    const nameEnd = skipString(scanner, name);
    const value = skipColon(scanner, nameEnd);
    const valueEnd = skipValue(scanner, value);
    if (value !== line.start[key]) {
      appendByte(arena, separator);
      const isTight = value === nameEnd + 1;
      if (!isTight) {
        appendBytes(arena, chunk, name, nameEnd);
        appendByte(arena, COLON);
      }
      appendBytes(arena, chunk, isTight ? name : value, valueEnd);
      separator = COMMA;
    }
    next = skipSpace(scanner, valueEnd);
  } while (byteAt(scanner, next) === COMMA);
  appendByte(arena, BRACE_CLOSE);
  return '';
}

/** Copies the rows of the chunk into the arena, if they are not there. */
function moveToArena(context: ParseContext, line: JsonLine, chunk: Buffer): void {
  if (line.usesArena) return;
  line.usesArena = true;
  const { arena, rows } = context;
  const { keyEnd, keyStart, valueEnd, valueStart } = rows;
  for (let row = 0; row < rows.count; row++) {
    const keyAt = arena.length;
    appendBytes(arena, chunk, keyStart[row] as number, keyEnd[row] as number);
    const valueAt = arena.length;
    appendBytes(arena, chunk, valueStart[row] as number, valueEnd[row] as number);
    keyStart[row] = keyAt;
    keyEnd[row] = valueAt;
    valueStart[row] = valueAt;
    valueEnd[row] = arena.length;
  }
}
