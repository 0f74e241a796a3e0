// What the loader asks of a format. Each format is an object in a file of this folder, and
// formats.ts lists them; nothing else in the loader knows how a format works.
//
//     open     what one file shows by itself: its columns, where its data begin
//     cut      pieces of complete rows, in order
//     parse    the rows of one piece, into the row table
//     locate   a row for people: where it is, and what it was
//
// A piece of a text is a range of bytes, and its rows are known by their offsets in it. In Parquet
// and Avro files a row has no bytes of its own: a piece has `rows`, and a row is known by its
// number in it.

import type { Dialect } from '../input/dialect.ts';
import type { InputFile } from '../input/inputs.ts';
import type { Opening, DialectFlags, OpeningHints } from '../detect/opening.ts';
import type { LoadFormat } from '../input/formats.ts';
import type { TextFacts } from '../input/text.ts';
import type { ParseContext } from '../parse/parse-context.ts';
import type { RejectTable } from '../parse/reject-table.ts';

/** A part of a file with complete rows. Serialisable. */
export interface Piece {
  /** In bytes of the file; for Parquet, of the columns that are read, one group after the other. */
  readonly start: number;
  readonly end: number;
  /** For formats whose rows are numbered. */
  readonly rows?: PieceRows;
  /** The values of the dialect's `folderColumns`. */
  readonly folderValues?: readonly (string | null)[];
}

interface PieceRows {
  /** Byte ranges of the file that hold the rows: start, end, start, end ... */
  readonly parts: readonly number[];
  /** 0-based number of the first row in its file. */
  readonly first: number;
  readonly count: number;
  /** What the format must know to find the rows in the bytes of `parts`. */
  readonly layout: unknown;
}

export interface FileToOpen {
  readonly readPath: string;
  readonly path: string;
  readonly sizeBytes: number;
}

/** The beginning of a text. */
export interface OpenedText {
  /** From `readHead`: holds the whole first row. */
  readonly head: Buffer;
  /** Offset of the first row, header or not, and the number of lines before it. */
  readonly start: number;
  readonly startLine: number;
  /** Whether `head` is all of it. */
  readonly isWhole: boolean;
  readonly facts: TextFacts;
}

/** A file, by ending and content of `format`. */
export interface OpenedFile extends FileToOpen {
  readonly format: LoadFormat;
  readonly text?: OpenedText;
}

/** Where a row is, as `reasons.jsonl` names it. */
type RowPlace = Readonly<Record<string, number>>;

export interface InputFormat {
  /**
   * For formats that are read from the end: the range of bytes that `open` needs, if the end is
   * there.
   */
  readonly openingRange?: (file: FileToOpen) => readonly [start: number, end: number];
  /** Throws INPUT_AMBIGUOUS, INPUT_INVALID, INVALID_ARGUMENT, UNSUPPORTED. */
  open(file: OpenedFile, flags: DialectFlags, hints: OpeningHints): Opening;
  /**
   * Pieces of about `chunkBytes`, in order, produced lazily. Depends on the file, the dialect and
   * `chunkBytes` only.
   */
  cut(input: InputFile, chunkBytes: number): Iterable<Piece>;
  /**
   * For each offset, which rise, the first offset from there on at which a row begins. Absent: the
   * file is cut into pieces of rows only.
   */
  readonly rowStarts?: (input: InputFile, offsets: readonly number[]) => Promise<number[]>;
  /**
   * Adds the rows of a piece to the empty `context.rows`; `bytes` are those of `pieceParts`, and
   * may be modified.
   */
  parse(context: ParseContext, bytes: Buffer, piece: Piece): void;
  /** The number of lines or rows in the bytes of a piece. */
  lineCount(bytes: Buffer, piece: Piece): number;
  /** The offset in the piece of the row with this key and the beginning of this value. */
  locate(
    dialect: Dialect,
    bytes: Buffer,
    piece: Piece,
    key: Uint8Array,
    valueStart: Uint8Array,
  ): number | undefined;
  /** Lines of the piece before the row at `offset`. */
  linesBefore(bytes: Buffer, offset: number): number;
  /** `at byte 12`, `at byte 12 (line 3)`, `at row 7`: `line` is 1-based, in the file. */
  placeText(piece: Piece, offset: number, line?: number): string;
  /** The row `[start, end)` of the piece, in the file's `line`. */
  place(piece: Piece, start: number, end: number, line: number): RowPlace;
  /** The beginning of a rejected row; `base` is the piece's offset in the table. */
  showRow(
    path: string,
    dialect: Dialect,
    piece: Piece,
    table: RejectTable,
    base: number,
    row: number,
  ): string;
  /** The rejected rows `[from, to)`, each with a line end. */
  rawRows(
    dialect: Dialect,
    bytes: Buffer,
    piece: Piece,
    table: RejectTable,
    base: number,
    from: number,
    to: number,
  ): Buffer;
  /** Whether messages name the column of a fault within a row, too. */
  readonly tellsColumns: boolean;
}

/** Bytes of a row that are read to show it. */
export const SHOWN_BYTES_MAX = 200;

/** The byte ranges to read for a piece: start, end, start, end ... */
export function pieceParts({ end, rows, start }: Piece): readonly number[] {
  return rows === undefined ? [start, end] : rows.parts;
}

/** The number of bytes to read for a piece. */
export function pieceBytes(piece: Piece): number {
  const parts = pieceParts(piece);
  let byteCount = 0;
  for (let at = 0; at < parts.length; at += 2) {
    byteCount += (parts[at + 1] as number) - (parts[at] as number);
  }
  return byteCount;
}

/** The size of the space in which the rows of a piece have their offsets. */
export function pieceExtent({ end, rows, start }: Piece): number {
  return rows === undefined ? end - start : rows.count;
}
