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

/** The table as lines, without a newline after the last; cells may be coloured. */
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

/** The width of a cell on a terminal, if each character takes one column. */
function widthOf(cell: string): number {
  return Array.from(stripVTControlCharacters(cell)).length;
}

/** `12,345`, independent of the machine's locale. */
export function formatCount(value: number): string {
  return String(value).replace(/\B(?=(?:[0-9]{3})+$)/g, ',');
}
