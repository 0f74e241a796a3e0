// Tables for people: aligned columns, two spaces between them, no lines to draw.
//
//   NODE    STATE    REPLICAS
//   node-0  serving        86

import { stripVTControlCharacters } from 'node:util';

export interface Column {
  readonly title: string;
  /** Numbers go to the right, so that their digits stand below each other. */
  readonly align?: 'left' | 'right';
}

const GAP = '  ';

/** The table as lines, without a newline at the end of the last; cells may carry colour. */
export function formatTable(columns: readonly Column[], rows: readonly string[][]): string {
  const widths = columns.map((column, index) =>
    rows.reduce((width, row) => Math.max(width, widthOf(row[index] ?? '')), column.title.length),
  );
  const titles = columns.map((column) => column.title);
  return [titles, ...rows].map((row) => formatRow(columns, widths, row)).join('\n');
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

/** Characters as a terminal counts them; names and numbers of ours are one column wide each. */
function widthOf(cell: string): number {
  return Array.from(stripVTControlCharacters(cell)).length;
}

/** `12,345`, whatever the locale of the machine. */
export function formatCount(value: number): string {
  return String(value).replace(/\B(?=(?:[0-9]{3})+$)/g, ',');
}
