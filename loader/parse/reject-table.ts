// The bad rows of one chunk with their places and reasons, in typed arrays: 18 bytes per row,
// whatever the row holds. The bytes themselves stay in the input and are read again on demand.
//
//     start, end   offsets in the chunk, without the line end      reason   index into `reasons`
//     line         1-based, within the chunk; with several pieces (chunks.ts), within the piece
//     faultAt      offset in the chunk of the fault, if known; else `start`
//
// A chunk has few kinds of reasons and, at worst, a bad row for every two of its bytes.

import { freeMemory } from '../../base/process/free-memory.ts';
import { reserveGrowth, freeOutgrown } from '../bytes/memory-budget.ts';
import type { MemoryBudget } from '../bytes/memory-budget.ts';

/** Why a row was rejected, for people. */
export type RejectReason = string;

const ROWS_INITIAL = 64;
const GROWTH = 1.5;
/**
 * Reasons may contain numbers (columns, positions); beyond this limit they are counted under one
 * reason.
 */
const REASONS_MAX = 60_000;
const OTHER_REASON = 'another reason (too many different ones in this chunk)';
const ROW_BYTES = 18;
/** Peak memory of a bad row, while the table grows and is encoded. */
export const REJECT_PEAK_BYTES = ROW_BYTES * (GROWTH + 1);

export interface RejectTable {
  count: number;
  start: Uint32Array;
  end: Uint32Array;
  line: Uint32Array;
  faultAt: Uint32Array;
  reason: Uint16Array;
  readonly reasons: string[];
  readonly indexOfReason: Map<string, number>;
  readonly budget: MemoryBudget | undefined;
}

/** `budget` is charged before the table grows beyond `capacity`. */
export function newRejectTable(budget?: MemoryBudget, capacity = ROWS_INITIAL): RejectTable {
  return {
    budget,
    count: 0,
    start: new Uint32Array(capacity),
    end: new Uint32Array(capacity),
    line: new Uint32Array(capacity),
    faultAt: new Uint32Array(capacity),
    reason: new Uint16Array(capacity),
    reasons: [],
    indexOfReason: new Map(),
  };
}

/** Empties the table and keeps its memory for the next chunk. */
export function clearRejects(table: RejectTable): void {
  table.count = 0;
  table.reasons.length = 0;
  table.indexOfReason.clear();
}

/** Adds the row `[start, end)` of the chunk, whose fault is at `faultAt`. */
export function addReject(
  table: RejectTable,
  start: number,
  end: number,
  line: number,
  reason: RejectReason,
  faultAt = start,
): void {
  const at = table.count++;
  if (at === table.start.length) grow(table);
  table.start[at] = start;
  table.end[at] = end;
  table.line[at] = line;
  table.faultAt[at] = faultAt;
  table.reason[at] = reasonIndex(table, reason);
}

/**
 * Adds the rows of another table, for a piece of input that begins at `base`; lines stay relative
 * to the piece.
 */
export function addRejects(table: RejectTable, other: RejectTable, base: number): void {
  for (let row = 0; row < other.count; row++) {
    const [start, end] = [other.start[row] as number, other.end[row] as number];
    const line = other.line[row] as number;
    const faultAt = other.faultAt[row] as number;
    addReject(table, base + start, base + end, line, reasonOf(other, row), base + faultAt);
  }
}

function reasonIndex(table: RejectTable, reason: RejectReason): number {
  const { indexOfReason, reasons } = table;
  const known = indexOfReason.get(reason);
  if (known !== undefined) return known;
  const kept = reasons.length < REASONS_MAX ? reason : OTHER_REASON;
  const index = indexOfReason.get(kept) ?? reasons.push(kept) - 1;
  indexOfReason.set(kept, index);
  return index;
}

function grow(table: RejectTable): void {
  const capacity = Math.ceil(table.start.length * GROWTH);
  if (table.budget !== undefined) {
    reserveGrowth(table.budget, capacity * ROW_BYTES, table.start.length * ROW_BYTES);
  }
  const larger = newRejectTable(undefined, capacity);
  larger.start.set(table.start);
  larger.end.set(table.end);
  larger.line.set(table.line);
  larger.faultAt.set(table.faultAt);
  larger.reason.set(table.reason);
  const { end, faultAt, line, reason, start } = table;
  table.start = larger.start;
  table.end = larger.end;
  table.line = larger.line;
  table.faultAt = larger.faultAt;
  table.reason = larger.reason;
  freeOutgrown(table.budget, [start, end, line, faultAt, reason]);
}

/** Frees the table's memory. */
export function freeRejects({ end, faultAt, line, reason, start }: RejectTable): void {
  freeMemory([start, end, line, faultAt, reason]);
}

export function reasonOf(table: RejectTable, row: number): RejectReason {
  return table.reasons[table.reason[row] as number] as string;
}

/** The reason with its place, for people. The chunk lies at `chunkStart` of its file. */
export function reasonWithPlace(
  table: RejectTable,
  row: number,
  chunkStart: number,
  tellsColumns: boolean,
): string {
  const start = table.start[row] as number;
  const faultAt = table.faultAt[row] as number;
  const reason = reasonOf(table, row);
  if (faultAt === start) return reason;
  const column = tellsColumns ? `column ${faultAt - start + 1}, ` : '';
  return `${reason} (${column}byte ${chunkStart + faultAt})`;
}

/**
 * Empty for no rows; else `rows u32 | bytes of reasons u32 | reasons as JSON`, and for each row
 * `start, end, line, faultAt u32, reason u16`.
 */
export function encodeRejects(table: RejectTable): Buffer {
  if (table.count === 0) return Buffer.alloc(0);
  const reasons = Buffer.from(JSON.stringify(table.reasons), 'utf8');
  const byteCount = 8 + reasons.length + table.count * ROW_BYTES;
  // Freed as soon as they are written, so they replace themselves.
  if (table.budget !== undefined) reserveGrowth(table.budget, byteCount, byteCount);
  const bytes = Buffer.allocUnsafe(byteCount);
  bytes.writeUInt32LE(table.count, 0);
  bytes.writeUInt32LE(reasons.length, 4);
  bytes.set(reasons, 8);
  let at = 8 + reasons.length;
  for (let row = 0; row < table.count; row++, at += ROW_BYTES) {
    bytes.writeUInt32LE(table.start[row] as number, at);
    bytes.writeUInt32LE(table.end[row] as number, at + 4);
    bytes.writeUInt32LE(table.line[row] as number, at + 8);
    bytes.writeUInt32LE(table.faultAt[row] as number, at + 12);
    bytes.writeUInt16LE(table.reason[row] as number, at + 16);
  }
  return bytes;
}

/** Decodes the output of `encodeRejects`. The caller has verified the bytes. */
export function decodeRejects(bytes: Buffer): RejectTable {
  if (bytes.length === 0) return newRejectTable();
  const count = bytes.readUInt32LE(0);
  const rowsAt = 8 + bytes.readUInt32LE(4);
  const table = newRejectTable(undefined, count);
  table.count = count;
  table.reasons.push(...(JSON.parse(bytes.toString('utf8', 8, rowsAt)) as string[]));
  for (let row = 0, at = rowsAt; row < count; row++, at += ROW_BYTES) {
    table.start[row] = bytes.readUInt32LE(at);
    table.end[row] = bytes.readUInt32LE(at + 4);
    table.line[row] = bytes.readUInt32LE(at + 8);
    table.faultAt[row] = bytes.readUInt32LE(at + 12);
    table.reason[row] = bytes.readUInt16LE(at + 16);
  }
  return table;
}
