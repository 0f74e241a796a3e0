// What the rows of an input cost in memory, measured on its first rows: a wide table whose values
// become JSON objects takes ten times what plain lines do. Later rows may cost more; then a task
// stops at its allowance (allowance.ts), and is given more.

import { ARENA_PEAK_FACTOR } from '../bytes/arena.ts';
import type { Arena } from '../bytes/arena.ts';
import { cutIntoChunks } from '../parse/chunks.ts';
import type { InputFile } from '../input/inputs.ts';
import type { RowCost } from './memory-plan.ts';
import { parseChunk } from '../parse/parse-chunk.ts';
import { newParseContext } from '../parse/parse-context.ts';
import { REJECT_PEAK_BYTES } from '../parse/reject-table.ts';
import { readRange } from '../bytes/file-window.ts';
import { ROW_TABLE_PEAK_BYTES } from '../parse/row-table.ts';
import type { RowTable } from '../parse/row-table.ts';

const HEAD_BYTES = 256 * 1024;
/** A first row that is longer costs what long rows cost: itself, and itself in the run. */
const FIRST_CHUNK_BYTES_MAX = 4 * 1024 * 1024;
/** Inputs that are looked at, one of each dialect. */
const INPUTS_MAX = 8;
/** Later rows may be somewhat dearer than the first. */
export const PARSE_MARGIN = 1.25;
/** Where nothing can be measured. */
const UNKNOWN: RowCost = { parseFactor: 4, recordFactor: 1, recordBytes: 64 };

/** The dearest of the first inputs of each dialect. */
export function measureRowCost(inputs: readonly InputFile[]): RowCost {
  const seen = new Set<string>();
  const costs: RowCost[] = [];
  for (const input of inputs) {
    const dialect = JSON.stringify(input.dialect);
    if (seen.has(dialect) || costs.length === INPUTS_MAX) continue;
    seen.add(dialect);
    costs.push(costOf(input));
  }
  return {
    parseFactor: Math.max(...costs.map((cost) => cost.parseFactor)),
    recordFactor: Math.max(...costs.map((cost) => cost.recordFactor)),
    recordBytes: Math.min(...costs.map((cost) => cost.recordBytes)),
  };
}

/** What the rows of a chunk take beside its bytes: tables, what was put together, the run. */
export function bytesOfParsed(rows: RowTable, arena: Arena): number {
  const tables = rows.count * ROW_TABLE_PEAK_BYTES + rows.rejects.count * REJECT_PEAK_BYTES;
  return tables + arena.length * ARENA_PEAK_FACTOR + encodedBytes(rows);
}

function encodedBytes({ shardBytes }: RowTable): number {
  return shardBytes.reduce((sum, byteCount) => sum + byteCount, 0);
}

function costOf(input: InputFile): RowCost {
  const [chunk] = cutIntoChunks([input], HEAD_BYTES);
  const byteCount = chunk === undefined ? 0 : chunk.end - chunk.start;
  if (chunk === undefined || byteCount > FIRST_CHUNK_BYTES_MAX) return UNKNOWN;
  const context = newParseContext(input.dialect, 1);
  parseChunk(context, readRange(input.readPath, chunk.start, chunk.end));
  const { arena, rows } = context;
  const encoded = encodedBytes(rows);
  return {
    parseFactor: (1 + bytesOfParsed(rows, arena) / byteCount) * PARSE_MARGIN,
    recordFactor: encoded / byteCount,
    recordBytes: rows.count === 0 ? UNKNOWN.recordBytes : encoded / rows.count,
  };
}
