// Rows of a Parquet file for people: the rejected ones, as JSON.

import type { Dialect } from '../../input/dialect.ts';
import type { Piece } from '../input-format.ts';
import { nestedJson } from './nested.ts';
import { forEachRun } from './rows.ts';
import type { Source, TakeRows } from './rows.ts';

/**
 * The rows of a piece with the given numbers, rising, as JSON objects of the columns that are read,
 * each with a line end. Text that is not UTF-8 is repaired.
 */
export function rowsAsJson(
  dialect: Dialect,
  bytes: Buffer,
  piece: Piece,
  wanted: readonly number[],
): string[] {
  const lines: string[] = [];
  let before = 0;
  let next = 0;
  const take: TakeRows = (sources, row, count) => {
    for (; next < wanted.length && (wanted[next] as number) < before + count; next++) {
      lines.push(`${lineOf(dialect, sources, row, (wanted[next] as number) - before)}\n`);
    }
    before += count;
  };
  forEachRun(dialect, bytes, piece, { budget: undefined, bytes: 0 }, () => true, take);
  return lines;
}

function lineOf(
  { columns }: Dialect,
  sources: readonly Source[],
  row: number,
  index: number,
): string {
  const members = sources.map((source) => {
    const { cells, nested } = source;
    const name = JSON.stringify(columns[source.index]);
    if (cells === undefined) return `${name}:${nestedJson(nested[row + index] ?? null) ?? 'null'}`;
    const start = cells.starts[cells.taken + index] as number;
    const end = cells.ends[cells.taken + index] as number;
    if (end < start) return `${name}:null`;
    const text = Buffer.from(cells.bytes.subarray(start, end)).toString('utf8');
    return `${name}:${cells.type.kind === 'text' ? JSON.stringify(text) : text}`;
  });
  return `{${members.join(',')}}`;
}
