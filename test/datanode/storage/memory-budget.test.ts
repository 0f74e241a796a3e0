import { expect, it } from 'vitest';
import { Holdings } from '../../../datanode/storage/holdings.ts';
import { MemoryBudget } from '../../../datanode/storage/memory-budget.ts';
import type { Segment } from '../../../segment/reader.ts';

const MiB = 1024 ** 2;
const SEGMENT_BYTES = 20 * MiB;

const SEGMENT = {
  bytes: { length: SEGMENT_BYTES },
  header: { fileBytes: SEGMENT_BYTES, crcBlockBytes: 4096 },
} as Segment;

/** A limit of five segments, and the number of collections. */
class Memory {
  readonly holdings = new Holdings();
  collected = 0;
  readonly budget = new MemoryBudget(this.holdings, 5 * SEGMENT_BYTES, () => {
    this.collected++;
  });

  /** Like a load: reserves, holds, and releases the reservation. */
  take(...names: string[]): void {
    for (const name of names) {
      const release = this.budget.reserve(SEGMENT_BYTES);
      this.holdings.add('ks', name, SEGMENT);
      release();
      release();
    }
  }

  drop(...names: string[]): void {
    for (const name of names) this.holdings.remove('ks', name);
  }
}

it('released memory counts until it is collected, which happens when it is needed', () => {
  const memory = new Memory();
  memory.take('a', 'b');
  memory.drop('a', 'b');
  expect(memory.budget.leftBytes).toBe(2 * SEGMENT_BYTES);
  memory.take('c', 'd', 'e');
  expect(memory.collected).toBe(0);
  memory.take('f');
  expect(memory.collected).toBe(1);
  expect(memory.budget.leftBytes).toBe(0);
  memory.take('g');
  expect(memory.collected).toBe(1);
  expect(() => memory.take('h')).toThrow(/may hold 100.0 MiB and would need 120.0 MiB/);
});

it('memory of refused or abandoned segments counts as well', () => {
  const memory = new Memory();
  for (let time = 0; time < 4; time++) memory.budget.reserve(SEGMENT_BYTES)();
  expect(memory.budget.leftBytes).toBe(4 * SEGMENT_BYTES);
  memory.take('a', 'b');
  expect(memory.collected).toBe(1);
});

it('memory of a suspended keyspace is released, and counts again when it is back', () => {
  const memory = new Memory();
  memory.take('a', 'b');
  memory.holdings.setTier('ks', 'none');
  memory.budget.collect();
  expect(memory.collected).toBe(1);
  memory.holdings.setTier('ks', 'memory');
  for (const name of ['a', 'b']) {
    const release = memory.budget.reserve(SEGMENT_BYTES);
    memory.holdings.move('ks', name, SEGMENT);
    release();
  }
  expect(memory.budget.leftBytes).toBe(0);
});

it('lends what nothing needs, and takes it back, the last loan first, when segments need it', () => {
  const memory = new Memory();
  memory.take('a');
  const back: string[] = [];
  const lend = (name: string) => memory.budget.lend(SEGMENT_BYTES, () => back.push(name));
  for (const name of ['x', 'y', 'z', 'v']) expect(lend(name)).toBeTypeOf('function');
  expect(lend('w')).toBeUndefined();
  memory.take('b', 'c');
  // Memory that came back is free once it is collected.
  expect([back, memory.collected]).toEqual([['v', 'z'], 2]);
  memory.take('d', 'e');
  expect([back, memory.collected]).toEqual([['v', 'z', 'y', 'x'], 4]);
  expect(() => memory.take('f')).toThrow(/would need 120.0 MiB/);
  // What is dropped, and not collected yet, is not lent.
  memory.drop('a');
  expect(lend('u')).toBeUndefined();
});

it('a loan that has ended is ended once, and counts until it is collected', () => {
  const memory = new Memory();
  const end = memory.budget.lend(SEGMENT_BYTES, () => undefined);
  end?.();
  end?.();
  expect(memory.budget.leftBytes).toBe(SEGMENT_BYTES);
  memory.budget.collect();
  expect(memory.budget.leftBytes).toBe(0);
  expect(memory.budget.lend(5 * SEGMENT_BYTES, () => undefined)).toBeTypeOf('function');
});

it('counts a loan in full against the limit, and what is in use of it as taken', () => {
  const memory = new Memory();
  const before = memory.budget.accountedBytes;
  expect(
    memory.budget.lend(
      4 * SEGMENT_BYTES,
      () => undefined,
      () => 100,
    ),
  ).toBeTypeOf('function');
  expect(memory.budget.inUse.cache).toBe(100);
  expect(memory.budget.accountedBytes).toBe(before + 100);
  expect(memory.budget.lend(2 * SEGMENT_BYTES, () => undefined)).toBeUndefined();
});
