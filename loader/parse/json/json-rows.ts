// Turns a parsed line of JSON into a row. Strings are unescaped and base64 is decoded in place, so
// key and value are slices of the chunk, as in the other formats.
//
// Two kinds of lines need more: those whose other members together become one object, and those
// whose key lies within the value (`--key user.id --value user`). Their key and value are assembled
// in the growable buffer, and since a table has a single source, all rows of the chunk are moved
// there.
//
// Hot loop: plain functions over numbers and bytes; nothing is allocated for a good row.

import { appendByte, appendBytes } from '../../bytes/growable-buffer.ts';
import { KEY, KEY_BASE64, OTHER, VALUE, VALUE_BASE64, isFound } from './json-members.ts';
import type { JsonLine } from './json-members.ts';
import { COMMA, QUOTE } from '../../input/dialect.ts';
import { BRACE_CLOSE, BRACE_OPEN, BRACKET_OPEN, COLON } from './json-scan.ts';
import { byteAt, skipColon, skipSpace, skipString, skipValue } from './json-scan.ts';
import { decodeBase64, unescapeString } from './json-text.ts';
import type { ParseContext } from '../parse-context.ts';
import type { RejectReason } from '../reject-table.ts';
import { addRow } from '../row-table.ts';

const LETTER_N = 0x6e;

/**
 * Adds the row of the last line read; its brace is at `at`. Returns '' or the reason for rejecting
 * it; the scanner's `faultAt` may then have the place.
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
  if (isObject || isWithin) moveToAssembled(context, line, chunk);
  if (line.usesAssembled) return addCopies(context, line, chunk, key, isObject ? -1 : value, at);
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

/** By its first byte. An object, an array or null cannot be meant as a key. */
function isKey(byte: number): boolean {
  return byte !== BRACE_OPEN && byte !== BRACKET_OPEN && byte !== LETTER_N;
}

/** Sets `start` and `end` of the slot to the bytes of its decoded content. */
function cutOut(line: JsonLine, chunk: Buffer, slot: number): RejectReason {
  const { end, hasEscapes, scanner, start } = line;
  const isBase64 = slot === KEY_BASE64 || slot === VALUE_BASE64;
  const from = start[slot] as number;
  if (chunk[from] !== QUOTE)
    return isBase64 ? faulty(line, from, 'base64 that is not a string') : '';
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

/** Adds the row from the growable buffer; `value` is -1 for the object of all other members. */
function addCopies(
  context: ParseContext,
  line: JsonLine,
  chunk: Buffer,
  key: number,
  value: number,
  at: number,
): RejectReason {
  const { assembled, rows } = context;
  const before = assembled.length;
  const isSame = value >= 0 && line.start[key] === line.start[value];
  // The value comes first: the key may lie in it, and is unescaped in place.
  let reason =
    value < 0
      ? appendOthers(context, line, chunk, key, at)
      : appendSlot(context, line, chunk, value);
  const valueEnd = assembled.length;
  if (reason === '' && !isSame) reason = appendSlot(context, line, chunk, key);
  if (reason === '') {
    const keyStart = isSame ? before : valueEnd;
    reason = addRow(rows, assembled.bytes, keyStart, assembled.length, before, valueEnd);
  }
  if (reason !== '') assembled.length = before;
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
    appendBytes(context.assembled, chunk, line.start[slot] as number, line.end[slot] as number);
  }
  return reason;
}

/**
 * `{"name":value,...}` of all members but the key's, names and values as written, without spaces.
 */
function appendOthers(
  context: ParseContext,
  line: JsonLine,
  chunk: Buffer,
  key: number,
  at: number,
): RejectReason {
  const { assembled } = context;
  const { scanner } = line;
  let separator = BRACE_OPEN;
  let next = at;
  do {
    // The line is valid, so each step finds its token.
    const name = skipSpace(scanner, next + 1);
    const nameEnd = skipString(scanner, name);
    const value = skipColon(scanner, nameEnd);
    const valueEnd = skipValue(scanner, value);
    if (value !== line.start[key]) {
      appendByte(assembled, separator);
      const isTight = value === nameEnd + 1;
      if (!isTight) {
        appendBytes(assembled, chunk, name, nameEnd);
        appendByte(assembled, COLON);
      }
      appendBytes(assembled, chunk, isTight ? name : value, valueEnd);
      separator = COMMA;
    }
    next = skipSpace(scanner, valueEnd);
  } while (byteAt(scanner, next) === COMMA);
  appendByte(assembled, BRACE_CLOSE);
  return '';
}

/** Copies the rows of the chunk into the growable buffer, unless they are there. */
function moveToAssembled(context: ParseContext, line: JsonLine, chunk: Buffer): void {
  if (line.usesAssembled) return;
  line.usesAssembled = true;
  const { assembled, rows } = context;
  const { keyEnd, keyStart, valueEnd, valueStart } = rows;
  for (let row = 0; row < rows.count; row++) {
    const keyAt = assembled.length;
    appendBytes(assembled, chunk, keyStart[row] as number, keyEnd[row] as number);
    const valueAt = assembled.length;
    appendBytes(assembled, chunk, valueStart[row] as number, valueEnd[row] as number);
    keyStart[row] = keyAt;
    keyEnd[row] = valueAt;
    valueStart[row] = valueAt;
    valueEnd[row] = assembled.length;
  }
}
