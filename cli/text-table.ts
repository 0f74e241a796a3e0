// Text tables: aligned columns, separated by two spaces, without lines.
//
//   NODE    STATE    REPLICAS
//   node-0  serving        86

import { stripVTControlCharacters } from 'node:util';

export interface Column {
  readonly title: string;
  /** Numbers are right-aligned, so that their digits line up. */
  readonly align?: 'left' | 'right';
}

const GAP = '  ';

/**
 * The table as lines, without a newline after the last; cells may be coloured. `noHeaders` leaves
 * the line of titles out.
 */
export function formatTable(
  columns: readonly Column[],
  rows: readonly string[][],
  { noHeaders = false }: { readonly noHeaders?: boolean } = {},
): string {
  return new GrowingTable(columns, noHeaders).add(rows);
}

/** A table whose rows come bit by bit. Its columns only ever become wider. */
export class GrowingTable {
  readonly #columns: readonly Column[];
  readonly #widths: number[] = [];
  #hasTitles: boolean;

  constructor(columns: readonly Column[], noHeaders: boolean) {
    this.#columns = columns;
    this.#hasTitles = noHeaders;
  }

  /** `rows` as lines, the first time after the line of titles. */
  add(rows: readonly string[][]): string {
    const titles = this.#hasTitles ? [] : [this.#columns.map(({ title }) => title)];
    this.#hasTitles = true;
    const lines = [...titles, ...rows];
    for (const row of lines) {
      for (const index of this.#columns.keys()) {
        this.#widths[index] = Math.max(this.#widths[index] ?? 0, widthOf(row[index] ?? ''));
      }
    }
    return lines.map((row) => formatRow(this.#columns, this.#widths, row)).join('\n');
  }
}

function formatRow(
  columns: readonly Column[],
  widths: readonly number[],
  cells: readonly string[],
): string {
  return columns
    .map((column, index) => pad(cells[index] ?? '', widths[index] ?? 0, column.align ?? 'left'))
    .join(GAP)
    .trimEnd();
}

function pad(cell: string, width: number, align: 'left' | 'right'): string {
  const space = ' '.repeat(Math.max(0, width - widthOf(cell)));
  return align === 'left' ? cell + space : space + cell;
}

/** The width of a cell on a terminal, if each character takes one column. */
function widthOf(cell: string): number {
  return Array.from(stripVTControlCharacters(cell)).length;
}

/** `12,345`, independent of the machine's locale. */
export function formatCount(value: number): string {
  return String(value).replace(/\B(?=(?:[0-9]{3})+$)/g, ',');
}
