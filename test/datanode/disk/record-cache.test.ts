import { expect, it } from 'vitest';
import { RecordCache, cached } from '../../../datanode/disk/record-cache.ts';

const MiB = 1024 ** 2;
const RECORD = Buffer.alloc(1000, 7);

/** Memory that is lent until it is taken back. */
class Memory {
  readonly loans = new Map<() => void, number>();
  isFull = false;

  lend(byteCount: number, takeBack: () => void): (() => void) | undefined {
    if (this.isFull) return undefined;
    this.loans.set(takeBack, byteCount);
    return () => void this.loans.delete(takeBack);
  }

  get lentBytes(): number {
    return [...this.loans.values()].reduce((sum, bytes) => sum + bytes, 0);
  }

  takeBackOne(): void {
    const [takeBack] = this.loans.keys();
    this.loans.delete(takeBack!);
    takeBack!();
  }
}

function add(cache: RecordCache, from: number, count: number): void {
  for (let at = from; at < from + count; at++) cache.add(1, at * 1000, RECORD, 0, RECORD.length);
}

function countOf(cache: RecordCache, from: number, count: number): number {
  let found = 0;
  for (let at = from; at < from + count; at++) {
    if (!cache.find(1, at * 1000)) continue;
    found++;
    const { bytes, start } = cached;
    expect(RECORD.equals(bytes.subarray(start, start + RECORD.length))).toBe(true);
  }
  return found;
}

it('takes memory once there are records, and never more than it may', () => {
  const memory = new Memory();
  const cache = new RecordCache(4 * MiB, memory, MiB);
  expect([cache.usedBytes, memory.lentBytes]).toEqual([0, 0]);
  add(cache, 0, 1);
  expect(cache.usedBytes).toBe(MiB);
  // The record, and a page of the index and of the ghost each.
  expect(cache.touchedBytes).toBe(1000 + 12 + 2 * 4096);
  expect(countOf(cache, 0, 2)).toBe(1);
  add(cache, 0, 20_000);
  expect([cache.usedBytes, memory.lentBytes]).toEqual([4 * MiB, 4 * MiB]);
  expect(cache.touchedBytes).toBeGreaterThan(3.9 * MiB);
  expect(cache.touchedBytes).toBeLessThanOrEqual(4 * MiB);
  expect(countOf(cache, 0, 20_000)).toBe(cache.count);
  expect(cache.count).toBeGreaterThan(3000);
  expect(cache.count).toBeLessThan((4 * MiB) / RECORD.length);
  cache.clear();
  expect([cache.usedBytes, memory.lentBytes, cache.count]).toEqual([0, 0, 0]);
});

it('does not find a record by another segment, or at another place', () => {
  const cache = new RecordCache(MiB, new Memory());
  cache.add(1, 5000, RECORD, 0, RECORD.length);
  expect([cache.find(1, 5000), cache.find(2, 5000), cache.find(1, 5001)]).toEqual([
    true,
    false,
    false,
  ]);
});

it('loses the part of which the memory is taken back, and asks for it again later', () => {
  const memory = new Memory();
  const cache = new RecordCache(2 * MiB, memory, MiB);
  add(cache, 0, 1000);
  expect(countOf(cache, 0, 1000)).toBe(1000);
  let released = 0;
  cache.onRelease = () => released++;
  memory.isFull = true;
  memory.takeBackOne();
  memory.takeBackOne();
  expect([cache.usedBytes, cache.count]).toEqual([0, 0]);
  // Nothing refers to it any more.
  expect([released, cached.bytes.length, cached.view.byteLength]).toEqual([2, 0, 0]);
  add(cache, 0, 1000);
  expect(countOf(cache, 0, 1000)).toBe(0);
  memory.isFull = false;
  add(cache, 0, 1000);
  expect(cache.usedBytes).toBe(0);
  add(cache, 0, 250_000);
  expect(cache.usedBytes).toBe(2 * MiB);
});

it('does not keep large records, or anything if it is off', () => {
  const cache = new RecordCache(64 * MiB, new Memory());
  for (const [start, length] of [64 * 1024, 64 * 1024 + 1].entries()) {
    cache.add(1, start, Buffer.alloc(length), 0, length);
    expect(cache.find(1, start)).toBe(start === 0);
  }
  const memory = new Memory();
  const off = new RecordCache(0, memory);
  add(off, 0, 10);
  expect([countOf(off, 0, 10), memory.lentBytes, off.usedBytes]).toEqual([0, 0, 0]);
});

it('has the parts for which there is memory', () => {
  const loans: number[] = [];
  const lend = (byteCount: number) => (loans.push(byteCount) > 3 ? undefined : () => undefined);
  const cache = new RecordCache(64 * MiB, { lend });
  add(cache, 0, 1000);
  expect(loans).toEqual(Array.from({ length: 8 }, () => 8 * MiB));
  expect(cache.usedBytes).toBe(3 * 8 * MiB);
  expect(countOf(cache, 0, 1000)).toBe(cache.count);
  expect(cache.count).toBeGreaterThan(200);
});
