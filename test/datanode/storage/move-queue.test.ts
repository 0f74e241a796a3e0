import { expect, it } from 'vitest';
import { Holdings } from '../../../datanode/storage/holdings.ts';
import { MoveQueue } from '../../../datanode/storage/move-queue.ts';
import type { Segment } from '../../../segment/reader.ts';

const SEGMENT = { bytes: { length: 8 }, header: { fileBytes: 8, crcBlockBytes: 4096 } } as Segment;

/** Keyspaces whose segments are in memory, and should be on disk. */
function misplaced(...uids: string[]): Holdings {
  const holdings = new Holdings();
  for (const uid of uids) {
    for (const id of ['old', 'current', 'older']) holdings.add(uid, id, SEGMENT);
    holdings.setTier(uid, 'disk');
  }
  return holdings;
}

const current = new Set(['current']);

it('moves what readers want first: the most read keyspace, and its current version', () => {
  const reads = new Map([['a', 5]]);
  const order = { reads: (uid: string) => reads.get(uid) ?? 0, currentIds: () => current };
  const queue = new MoveQueue(misplaced('a', 'b'), order);
  expect([queue.add('a', 0), queue.add('b', 0), queue.add('a', 0)]).toEqual([true, true, false]);
  const take = () => {
    const move = queue.hottest()!;
    return [move.uid, queue.take(move)?.segmentId];
  };
  expect(take()).toEqual(['a', 'current']);
  reads.set('b', 6);
  expect([take(), take(), take(), take(), take()]).toEqual([
    ['b', 'current'],
    ['b', 'old'],
    ['b', 'older'],
    ['a', 'old'],
    ['a', 'older'],
  ]);
  expect(queue.hottest()).toBeUndefined();
});

it('a move is over when nothing is misplaced, and begins again if its tier has changed', () => {
  const holdings = misplaced('a');
  const queue = new MoveQueue(holdings, { reads: () => 0, currentIds: () => undefined });
  queue.add('a', 0);
  const move = queue.hottest()!;
  expect(queue.take(move)?.segmentId).toBe('old');
  expect(queue.isOver(move)).toBe(false);
  holdings.setTier('a', 'memory');
  expect(queue.take(move)).toBeUndefined();
  expect(queue.isOver(move)).toBe(true);
  expect([queue.has('a'), queue.add('a', 0)]).toEqual([false, false]);
});

it('a move that has failed is over once no segment of it moves', () => {
  const queue = new MoveQueue(misplaced('a'), { reads: () => 0, currentIds: () => undefined });
  queue.add('a', 0);
  const move = queue.hottest()!;
  Object.assign(move, { queue: [], failure: new Error('no room'), running: 1 });
  expect(queue.isOver(move)).toBe(false);
  move.running = 0;
  expect(queue.isOver(move)).toBe(true);
});
