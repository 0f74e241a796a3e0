// What formats share whose rows are known by numbers: the name of a row, and how it is found again.

import { newParseContext, setFolderCells } from '../parse/parse-context.ts';
import type { Dialect } from '../input/dialect.ts';
import { clearRowTable } from '../parse/row-table.ts';
import type { RejectReason } from '../parse/reject-table.ts';
import type { InputFormat, Piece } from './input-format.ts';
import { SHOWN_BYTES_MAX } from './input-format.ts';
import { readPiece } from './read-piece.ts';
import { isRow } from './text.ts';

/** Why a row of such a format is rejected that has no key. */
export const NULL_KEY: RejectReason = 'the key is null';

interface NumberedParts extends Pick<InputFormat, 'open' | 'openingRange' | 'cut' | 'parse'> {
  /** The rows with these numbers in the piece, rising, as JSON, each with a line end. */
  readonly rowsAsJson: (
    dialect: Dialect,
    bytes: Buffer,
    piece: Piece,
    wanted: readonly number[],
  ) => string[];
  /** More about the place of a row: its number in the piece. */
  readonly placeMore?: (piece: Piece, offset: number) => Readonly<Record<string, number>>;
  /** The same in words. */
  readonly placeMoreText?: (piece: Piece, offset: number) => string;
}

export function numberedFormat({
  placeMore = () => ({}),
  placeMoreText = () => '',
  rowsAsJson,
  ...parts
}: NumberedParts): InputFormat {
  return {
    ...parts,
    tellsColumns: false,
    lineCount: (_bytes, piece) => piece.rows?.count ?? 0,
    linesBefore: (_bytes, offset) => offset,
    placeText: (piece, offset) => `at row ${rowOf(piece, offset)}${placeMoreText(piece, offset)}`,
    place: (piece, start) => ({ row: rowOf(piece, start), ...placeMore(piece, start) }),
    showRow(path, dialect, piece, table, base, row) {
      const bytes = readPiece(path, piece);
      if (bytes === undefined) return '';
      const [line = ''] = rowsAsJson(dialect, bytes, piece, [(table.start[row] as number) - base]);
      return line.slice(0, Math.min(SHOWN_BYTES_MAX, line.length - 1));
    },
    rawRows(dialect, bytes, piece, table, base, from, to) {
      const wanted: number[] = [];
      for (let row = from; row < to; row++) wanted.push((table.start[row] as number) - base);
      return Buffer.from(rowsAsJson(dialect, bytes, piece, wanted).join(''), 'utf8');
    },
    locate(dialect, bytes, piece, key, valueStart) {
      const context = newParseContext(dialect, 1);
      clearRowTable(context.rows);
      if (piece.folderValues !== undefined) setFolderCells(context, piece.folderValues);
      parts.parse(context, bytes, piece);
      const { rows } = context;
      let [offset, reject] = [0, 0];
      for (let row = 0; row < rows.count; row++, offset++) {
        // Rejected rows have a number, and no place in the table.
        for (; reject < rows.rejects.count && rows.rejects.start[reject] === offset; reject++) {
          offset++;
        }
        if (isRow(rows, row, key, valueStart)) return offset;
      }
      return undefined;
    },
  };
}

/** 1-based, in the file. */
function rowOf({ rows }: Piece, offset: number): number {
  return (rows?.first ?? 0) + offset + 1;
}
