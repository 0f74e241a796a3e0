// CSV chunks in which quotes occur. Records without one take the byte path; the others go to
// csv-parse, many at a time, as text in which each character is one byte (latin1), so that bytes come
// back as they were, valid UTF-8 or not.
//
// Where csv-parse refuses a group, its records are tried one by one: the bad ones are rejected with
// their own offset and reason, and the others keep their rows.

import { CsvError, parse } from 'csv-parse/sync';
import { appendLatin1 } from './arena.ts';
import { bytesSource, indexOfByte, recordEnd } from './csv-records.ts';
import type { ByteSource } from './csv-records.ts';
import { NEWLINE, QUOTE } from './dialect.ts';
import { addCopiedRow } from './parse-context.ts';
import type { ParseContext } from './parse-context.ts';
import { columnCountReason, parseDelimited } from './parse-delimited.ts';
import { rejectRow } from './row-table.ts';

/** Records handed to csv-parse at once. */
const GROUP_RECORDS_MAX = 1024;
const GROUP_BYTES_MAX = 1024 * 1024;

/** Parses a chunk that begins and ends at record ends. `quotedOnly` false sends all of it to csv-parse. */
export function parseCsv(context: ParseContext, chunk: Buffer, quotedOnly = true): void {
  const source = bytesSource(chunk);
  const starts: number[] = [];
  let at = 0;
  while (at < chunk.length) {
    const quoted = quotedOnly ? nextQuotedLine(chunk, at) : at;
    if (quoted > at) parseDelimited(context, chunk, at, quoted, true);
    at = collectGroup(context, source, quoted, quotedOnly, starts);
    parseGroup(context, chunk, starts);
  }
}

/** The start of the first line at or after `from` that has a quote; the chunk's end if none has. */
function nextQuotedLine(chunk: Buffer, from: number): number {
  const quote = chunk.indexOf(QUOTE, from);
  if (quote < 0) return chunk.length;
  const newline = quote === 0 ? -1 : chunk.lastIndexOf(NEWLINE, quote - 1);
  return Math.max(from, newline + 1);
}

/** Fills `starts` with the records' starts and the last one's end; returns that end. */
function collectGroup(
  context: ParseContext,
  source: ByteSource,
  from: number,
  quotedOnly: boolean,
  starts: number[],
): number {
  starts.length = 0;
  starts.push(from);
  let at = from;
  let nextQuote = source.indexOf(QUOTE, at, source.end);
  while (at < source.end && starts.length <= GROUP_RECORDS_MAX && at - from < GROUP_BYTES_MAX) {
    const end = recordEnd(source, at, context.dialect.delimiter);
    if (nextQuote >= 0 && nextQuote < at) nextQuote = source.indexOf(QUOTE, at, source.end);
    if (quotedOnly && (nextQuote < 0 || nextQuote >= end)) break;
    at = end;
    starts.push(at);
  }
  return at;
}

function parseGroup(context: ParseContext, chunk: Buffer, starts: readonly number[]): void {
  const count = starts.length - 1;
  if (count === 0) return;
  const records = parseText(chunk, starts[0] as number, starts[count] as number);
  const isWhole = Array.isArray(records) && records.length === count;
  for (let index = 0; index < count; index++) {
    const start = starts[index] as number;
    const end = starts[index + 1] as number;
    const line = context.rows.lineCount + 1;
    context.rows.lineCount += countLines(chunk, start, end);
    const cells = isWhole ? (records[index] as string[]) : parseOne(chunk, start, end);
    if (typeof cells !== 'string' && isBlankRecord(cells)) continue;
    const reason = typeof cells === 'string' ? cells : addRecord(context, cells);
    if (reason === '') continue;
    const rawEnd = chunk[end - 1] === NEWLINE ? end - 1 : end;
    rejectRow(context.rows, start, rawEnd, line, reason);
  }
}

/** The records of `chunk[start, end)`, or the error that csv-parse threw. */
function parseText(chunk: Buffer, start: number, end: number): string[][] | CsvError {
  try {
    return parse(chunk.subarray(start, end), {
      encoding: 'latin1',
      record_delimiter: ['\r\n', '\n'],
      relax_column_count: true,
    });
  } catch (thrown) {
    if (thrown instanceof CsvError) return thrown;
    throw thrown;
  }
}

/** The cells of one record, or why it is not one. */
function parseOne(chunk: Buffer, start: number, end: number): string[] | string {
  const parsed = parseText(chunk, start, end);
  if (!Array.isArray(parsed)) return reasonOf(parsed);
  return parsed.length === 1 ? (parsed[0] as string[]) : 'malformed quoting';
}

function reasonOf(error: CsvError): string {
  switch (error.code as string) {
    case 'CSV_QUOTE_NOT_CLOSED':
      return 'unclosed quote';
    case 'CSV_INVALID_CLOSING_QUOTE':
      return 'text after a closing quote, or a quote inside an unquoted field';
    case 'INVALID_OPENING_QUOTE':
      return 'quote inside an unquoted field';
    default:
      return 'malformed quoting';
  }
}

/** csv-parse gives one empty cell for a blank line, as for `""`, which nobody can mean as a row. */
function isBlankRecord(cells: readonly string[]): boolean {
  return cells.length === 1 && cells[0] === '';
}

function addRecord(context: ParseContext, texts: readonly string[]): string {
  const { cells, dialect, scratch } = context;
  if (texts.length !== dialect.columns.length) {
    return columnCountReason(texts.length, dialect.columns.length);
  }
  scratch.length = 0;
  for (let column = 0; column < texts.length; column++) {
    cells[column * 2] = scratch.length;
    appendLatin1(scratch, texts[column] as string);
    cells[column * 2 + 1] = scratch.length;
  }
  return addCopiedRow(context, scratch.bytes);
}

function countLines(chunk: Buffer, start: number, end: number): number {
  let count = 0;
  for (let at = indexOfByte(chunk, NEWLINE, start, end); at >= 0;) {
    count++;
    at = indexOfByte(chunk, NEWLINE, at + 1, end);
  }
  return chunk[end - 1] === NEWLINE ? count : count + 1;
}
