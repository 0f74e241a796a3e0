// The rows of one chunk while it is parsed: for each row four offsets into the source bytes and a
// shard number, in typed arrays; no string and no object per row.
//
//     source   ...k e y \t v a l u e \n...        shard    [ 17 ]
//                 ^   ^    ^         ^
//         keyStart keyEnd  valueStart valueEnd
//
// `source` is the chunk itself, or the growable buffer if values had to be assembled. Hot loop:
// `addRow` is called once for each row and allocates only when the table grows.

import { freeMemory } from '../../base/process/free-memory.ts';
import { KEY_BYTES_MAX, SLOT_COUNT, VALUE_BYTES_MAX } from '../../base/limits.ts';
import { shardOfSlot } from '../../ring/shard.ts';
import { slotOfKey } from '../../ring/slot.ts';
import { recordBytes } from '../../segment/record.ts';
import { reserveGrowth, freeOutgrown } from '../bytes/memory-budget.ts';
import type { MemoryBudget } from '../bytes/memory-budget.ts';
import { addReject, clearRejects, freeRejects, newRejectTable } from './reject-table.ts';
import type { RejectReason, RejectTable } from './reject-table.ts';

const EMPTY_KEY: RejectReason = 'empty key';
const KEY_TOO_LONG: RejectReason = `key longer than ${KEY_BYTES_MAX} bytes`;
const VALUE_TOO_LONG: RejectReason = `value longer than ${VALUE_BYTES_MAX} bytes`;

const ROWS_INITIAL = 65_536;
/** A smaller factor than two wastes less memory, also while tables are copied. */
const GROWTH = 1.5;
/** Bytes of one row in the table. */
const ROW_TABLE_BYTES = 18;
/** Peak memory of a row, while the table grows and the smaller one is copied. */
export const ROW_TABLE_PEAK_BYTES = ROW_TABLE_BYTES * (GROWTH + 1);

export interface RowTable {
  readonly shardCount: number;
  readonly shardOfSlot: Uint16Array;
  source: Uint8Array;
  count: number;
  keyStart: Uint32Array;
  keyEnd: Uint32Array;
  valueStart: Uint32Array;
  valueEnd: Uint32Array;
  shard: Uint16Array;
  /** Per shard: encoded bytes and rows. */
  readonly shardBytes: Float64Array;
  readonly shardRows: Uint32Array;
  keyBytes: number;
  valueBytes: number;
  readonly rejects: RejectTable;
  /** Lines of the chunk, including blank ones. */
  lineCount: number;
  /** Rows that span several lines, by line ends in quotes. */
  spanningCount: number;
  readonly budget: MemoryBudget | undefined;
}

/** `budget` is charged before this table, or that of the bad rows, grows. */
export function newRowTable(shardCount: number, budget?: MemoryBudget): RowTable {
  const table = new Uint16Array(SLOT_COUNT);
  for (let slot = 0; slot < SLOT_COUNT; slot++) table[slot] = shardOfSlot(slot, shardCount);
  return {
    shardCount,
    shardOfSlot: table,
    source: new Uint8Array(0),
    count: 0,
    keyStart: new Uint32Array(ROWS_INITIAL),
    keyEnd: new Uint32Array(ROWS_INITIAL),
    valueStart: new Uint32Array(ROWS_INITIAL),
    valueEnd: new Uint32Array(ROWS_INITIAL),
    shard: new Uint16Array(ROWS_INITIAL),
    shardBytes: new Float64Array(shardCount),
    shardRows: new Uint32Array(shardCount),
    keyBytes: 0,
    valueBytes: 0,
    rejects: newRejectTable(budget),
    lineCount: 0,
    spanningCount: 0,
    budget,
  };
}

/** Empties the table and keeps its memory for the next chunk. */
export function clearRowTable(rows: RowTable): void {
  rows.source = new Uint8Array(0);
  rows.count = 0;
  rows.shardBytes.fill(0);
  rows.shardRows.fill(0);
  rows.keyBytes = 0;
  rows.valueBytes = 0;
  clearRejects(rows.rejects);
  rows.lineCount = 0;
  rows.spanningCount = 0;
}

/**
 * Adds the row with key `source[keyStart, keyEnd)` and value `source[valueStart, valueEnd)`.
 * Returns '' or, if the row is not allowed, the reason; then nothing was added.
 */
export function addRow(
  rows: RowTable,
  source: Uint8Array,
  keyStart: number,
  keyEnd: number,
  valueStart: number,
  valueEnd: number,
): RejectReason {
  const keyBytes = keyEnd - keyStart;
  const valueBytes = valueEnd - valueStart;
  if (keyBytes === 0) return EMPTY_KEY;
  if (keyBytes > KEY_BYTES_MAX) return KEY_TOO_LONG;
  if (valueBytes > VALUE_BYTES_MAX) return VALUE_TOO_LONG;
  const at = rows.count;
  if (at === rows.shard.length) growRowTable(rows);
  const shard = rows.shardOfSlot[slotOfKey(source, keyStart, keyEnd)] as number;
  rows.keyStart[at] = keyStart;
  rows.keyEnd[at] = keyEnd;
  rows.valueStart[at] = valueStart;
  rows.valueEnd[at] = valueEnd;
  rows.shard[at] = shard;
  rows.shardBytes[shard] = (rows.shardBytes[shard] as number) + recordBytes(keyBytes, valueBytes);
  rows.shardRows[shard] = (rows.shardRows[shard] as number) + 1;
  rows.keyBytes += keyBytes;
  rows.valueBytes += valueBytes;
  rows.count = at + 1;
  return '';
}

function growRowTable(rows: RowTable): void {
  const { budget, keyEnd, keyStart, shard, valueEnd, valueStart } = rows;
  const capacity = Math.ceil(shard.length * GROWTH);
  if (budget !== undefined) {
    reserveGrowth(budget, capacity * ROW_TABLE_BYTES, shard.length * ROW_TABLE_BYTES);
  }
  rows.keyStart = grown(keyStart, capacity);
  rows.keyEnd = grown(keyEnd, capacity);
  rows.valueStart = grown(valueStart, capacity);
  rows.valueEnd = grown(valueEnd, capacity);
  rows.shard = new Uint16Array(capacity);
  rows.shard.set(shard);
  freeOutgrown(budget, [keyStart, keyEnd, valueStart, valueEnd, shard]);
}

/** Frees the table's memory. The table must not be used any more. */
export function freeRowTable(rows: RowTable): void {
  const { keyEnd, keyStart, shard, valueEnd, valueStart } = rows;
  freeMemory([keyStart, keyEnd, valueStart, valueEnd, shard]);
  freeRejects(rows.rejects);
}

function grown(from: Uint32Array, capacity: number): Uint32Array {
  const to = new Uint32Array(capacity);
  to.set(from);
  return to;
}

/**
 * Records a bad row, `[start, end)` of the chunk without its line end. `faultAt` is the offset of
 * the fault, if known; else the row's start.
 */
export function rejectRow(
  rows: RowTable,
  start: number,
  end: number,
  line: number,
  reason: RejectReason,
  faultAt = start,
): void {
  addReject(rows.rejects, start, end, line, reason, faultAt);
}
