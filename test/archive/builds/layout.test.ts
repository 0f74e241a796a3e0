// The mark and the manifests of a build: what is written is read, and what is torn, altered or
// does not add up is refused.

import { expect, test } from 'vitest';
import {
  decodeBuildMark,
  decodeMerge,
  decodeTask,
  encodeBuildMark,
  encodeMerge,
  encodeTask,
  taskIdentity,
} from '../../../archive/builds/layout.ts';
import { someMark, someMerge, someTask } from '../../support/builds.ts';

const task = encodeTask(someTask(3, 8));
const merge = encodeMerge(someMerge(0, 3, [someTask(1, 1)]));

test('are read as they were written, under names that say what they are', () => {
  expect(task.name).toMatch(/^tasks\/8\/3-[0-9a-f]{32}\.json$/);
  expect(merge.name).toMatch(/^merges\/0-3-[0-9a-f]{32}\.json$/);
  expect(decodeTask(task.name, task.bytes)).toMatchObject(someTask(3, 8));
  expect(decodeMerge(merge.name, merge.bytes)).toMatchObject(someMerge(0, 3, [someTask(1, 1)]));
  expect(decodeBuildMark(encodeBuildMark(someMark()))).toMatchObject(someMark());
});

test('are refused with any byte changed, and cut at any byte', () => {
  for (const [{ bytes, name }, decode] of [
    [task, decodeTask],
    [merge, decodeMerge],
  ] as const) {
    for (let at = 0; at < bytes.length; at++) {
      const flipped = Buffer.from(bytes);
      flipped[at] = (flipped[at] as number) ^ 1;
      const corrupt = expect.objectContaining({ code: 'CORRUPT' }) as Error;
      expect(() => decode(name, flipped)).toThrow(corrupt);
      expect(() => decode(name, bytes.subarray(0, at))).toThrow(corrupt);
    }
  }
});

test('are refused under the name of another, and say what to do', () => {
  const other = encodeTask(someTask(4, 8));
  const name = other.name.replace('/4-', '/3-');
  expect(() => decodeTask(name, other.bytes)).toThrow(
    /it is the manifest of another task\. Remove it and run the task or merge again/,
  );
});

test.each([
  ['rows that its shards do not have', { rows: 9 }, 'its rows do not add up'],
  ['too few shards', { shardCount: 8 }, 'it does not describe 8 shards'],
  ['a number above the number of tasks', { task: 9 }, 'there is no task 9 of 8'],
])('a task is refused with %s', (_, more, why) => {
  const { bytes, name } = encodeTask(someTask(3, 8, more));
  expect(() => decodeTask(name, bytes)).toThrow(why);
});

test.each([
  ['shards that there are not', { last: 7 }, 'there are no shards 0 to 7'],
  ['shards outside of its range', { last: 1 }, 'shard 2 is not in its order'],
])('a merge is refused with %s', (_, more, why) => {
  const { bytes, name } = encodeMerge(someMerge(0, 3, [someTask(1, 1)], more));
  expect(() => decodeMerge(name, bytes)).toThrow(why);
});

test('a newer format is refused with what to do', () => {
  const text = encodeBuildMark(someMark()).toString().replace('"format":1', '"format":2');
  expect(() => decodeBuildMark(Buffer.from(text))).toThrow('Use the release that wrote it');
});

test('attempts that cut their rows otherwise are one and the same task', () => {
  const one = someTask(3, 8);
  const run = { hash: 'e'.repeat(32), bytes: 60, rows: 2, from: 'prices.csv at byte 9' };
  expect(taskIdentity({ ...one, runs: [run, run] })).toBe(taskIdentity(one));
  expect(taskIdentity(someTask(4, 8))).not.toBe(taskIdentity(one));
  const shards = { ...one.shards, digests: one.shards.digests.replace('03', '04') };
  expect(taskIdentity({ ...one, shards })).not.toBe(taskIdentity(one));
});
