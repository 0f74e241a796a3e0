import { expect, it } from 'vitest';
import {
  addReject,
  clearRejects,
  decodeRejects,
  encodeRejects,
  newRejectTable,
  reasonOf,
  reasonWithPlace,
} from '../../../loader/parse/reject-table.ts';
import type { RejectTable } from '../../../loader/parse/reject-table.ts';

function listed(table: RejectTable): unknown[] {
  return Array.from({ length: table.count }, (_, row) => [
    table.start[row],
    table.end[row],
    table.line[row],
    reasonOf(table, row),
    table.faultAt[row],
  ]);
}

it('rows come back as they were added, however many', () => {
  const table = newRejectTable();
  const rows = Array.from({ length: 1000 }, (_, row) => [
    row * 4_000_000,
    row * 4_000_000 + 3,
    row + 1,
    `reason ${row % 7}`,
    row * 4_000_000 + (row % 3),
  ]);
  for (const [start, end, line, reason, faultAt] of rows as [
    number,
    number,
    number,
    string,
    number,
  ][]) {
    addReject(table, start, end, line, reason, faultAt);
  }
  expect(listed(table)).toEqual(rows);
  expect(table.reasons).toHaveLength(7);
  expect(listed(decodeRejects(encodeRejects(table)))).toEqual(rows);
});

it('a reason is told with the place of the fault, where there is one but the row itself', () => {
  const table = newRejectTable();
  addReject(table, 10, 20, 1, 'bad');
  addReject(table, 10, 20, 1, 'bad', 14);
  expect(reasonWithPlace(table, 0, 1000, false)).toBe('bad');
  expect(reasonWithPlace(table, 1, 1000, false)).toBe('bad (byte 1014)');
  expect(reasonWithPlace(table, 1, 1000, true)).toBe('bad (column 5, byte 1014)');
});

it('no rows are no bytes', () => {
  const table = newRejectTable();
  expect(encodeRejects(table)).toHaveLength(0);
  expect(decodeRejects(Buffer.alloc(0)).count).toBe(0);
  addReject(table, 1, 2, 3, 'bad');
  clearRejects(table);
  expect([table.count, table.reasons]).toEqual([0, []]);
});

it('reasons of more kinds than can be numbered are counted under one name', () => {
  const table = newRejectTable();
  for (let row = 0; row < 70_000; row++) addReject(table, row, row + 1, row, `position ${row}`);
  expect(reasonOf(table, 59_999)).toBe('position 59999');
  expect(reasonOf(table, 60_000)).toBe('another reason (too many different ones in this chunk)');
  expect(table.reasons).toHaveLength(60_001);
  expect(table.indexOfReason.size).toBe(60_001);
  expect(decodeRejects(encodeRejects(table)).reasons).toEqual(table.reasons);
});
