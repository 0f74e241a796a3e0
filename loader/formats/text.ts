// What all formats of text have in common: records are found by line ends, and known by their
// bytes.

import { SteleError } from '../../base/errors.ts';
import { readRange } from '../bytes/file-window.ts';
import type { Opening } from '../detect/opening.ts';
import { countNewlines } from '../input/text.ts';
import { bytesSource } from '../parse/delimited/csv-records.ts';
import { newParseContext, setFolderCells } from '../parse/parse-context.ts';
import type { ParseContext } from '../parse/parse-context.ts';
import { cutText, recordStarts } from '../parse/record-ends.ts';
import type { FindRecordEnds } from '../parse/record-ends.ts';
import { clearRowTable } from '../parse/row-table.ts';
import type { RowTable } from '../parse/row-table.ts';
import { SHOWN_BYTES_MAX } from './input-format.ts';
import type { InputFormat, OpenedFile, OpenedText } from './input-format.ts';

const NEWLINE = Buffer.from('\n');

interface TextParts {
  readonly open: InputFormat['open'];
  readonly recordEnds: FindRecordEnds;
  readonly parse: (context: ParseContext, bytes: Buffer) => void;
  readonly tellsColumns?: boolean;
}

export function textFormat({
  open,
  parse,
  recordEnds,
  tellsColumns = false,
}: TextParts): InputFormat {
  return {
    open,
    parse,
    tellsColumns,
    cut: (input, chunkBytes) => cutText(input, chunkBytes, recordEnds),
    rowStarts: (input, offsets) => recordStarts(input, offsets, recordEnds),
    lineCount: (bytes) => countNewlines(bytes) + 1,
    linesBefore: (bytes, offset) => countNewlines(bytes, 0, offset),
    placeText({ start }, offset, line) {
      const text = `at byte ${start + offset}`;
      return line === undefined ? text : `${text} (line ${line})`;
    },
    place: (piece, start, end, line) => ({
      offset: piece.start + start,
      bytes: end - start,
      line,
    }),
    showRow(path, _dialect, piece, table, base, row) {
      const start = piece.start - base + (table.start[row] as number);
      const end = piece.start - base + (table.end[row] as number);
      return readRange(path, start, Math.min(end, start + SHOWN_BYTES_MAX)).toString('utf8');
    },
    rawRows(_dialect, bytes, _piece, table, base, from, to) {
      const parts: Buffer[] = [];
      for (let row = from; row < to; row++) {
        const [start, end] = [table.start[row] as number, table.end[row] as number];
        parts.push(bytes.subarray(start - base, end - base), NEWLINE);
      }
      return Buffer.concat(parts);
    },
    /** Parses the piece once more, record by record. */
    locate(dialect, bytes, { folderValues }, key, valueStart) {
      const context = newParseContext(dialect, 1);
      if (folderValues !== undefined) setFolderCells(context, folderValues);
      const source = bytesSource(bytes);
      const records = recordEnds(source, dialect);
      for (let start = 0; start < bytes.length;) {
        const end = records.endBehind(start, start + 1, source.end);
        clearRowTable(context.rows);
        context.assembled.length = 0;
        parse(context, bytes.subarray(start, end));
        if (context.rows.count === 1 && isRow(context.rows, 0, key, valueStart)) return start;
        start = end;
      }
      return undefined;
    },
  };
}

export function openedText({ path, text }: OpenedFile): OpenedText {
  if (text !== undefined) return text;
  throw new SteleError('INTERNAL', `'${path}' was not opened as text.`);
}

/** What the opening of any text says. */
export function textOpening(file: OpenedFile, name: string): Opening {
  const { facts, start, startLine } = openedText(file);
  return { name, format: file.format, text: facts, start, startLine, droppedMembers: [] };
}

/** Whether a row of the table has this key and a value with this beginning. */
export function isRow(
  rows: RowTable,
  row: number,
  key: Uint8Array,
  valueStart: Uint8Array,
): boolean {
  const bytes = Buffer.from(rows.source.buffer, rows.source.byteOffset, rows.source.byteLength);
  const valueAt = rows.valueStart[row] as number;
  const valueEnd = Math.min(rows.valueEnd[row] as number, valueAt + valueStart.length);
  return (
    bytes.subarray(rows.keyStart[row], rows.keyEnd[row]).equals(key) &&
    bytes.subarray(valueAt, valueEnd).equals(valueStart)
  );
}
