// Lookups of a datanode whose records are on disk, with a cache of those that were read.

import { statSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { LookupStatus } from '../../../proto/gen/stele/v1/lookup.ts';
import { FRAME_HEAD_BYTES, PackedWriter } from '../../../proto/lookup-protocol.ts';
import { answererOf } from '../../../datanode/reads/lookup-batch.ts';
import { eventually, lookUpIn } from '../../support/peers/datanode.ts';
import { flipBit, segmentFiles } from '../../support/segments/segment-files.ts';
import { TEST_UID, numberedPairs } from '../../support/segments/segments.ts';
import { RespNode } from '../resp-node.ts';

const MiB = 1024 ** 2;
const SHARDS = 2;
const PAIRS = numberedPairs(3000);
const KEYS = PAIRS.map(([key]) => key);
const VALUES = PAIRS.map(([, value]) => value);

async function nodeWith(
  pairs: Iterable<readonly [string, string]>,
  diskCacheBytes = 8 * MiB,
  memoryMaxBytes = 1024 * MiB,
): Promise<RespNode> {
  const node = await RespNode.open(SHARDS, { tier: 'disk', diskCacheBytes, memoryMaxBytes });
  node.load(pairs);
  await node.settled();
  return node;
}

/** The records read from disk by `work`. */
async function readsOf({ node }: RespNode, work: () => Promise<unknown>): Promise<number> {
  const before = node.disk.stats.reads;
  await work();
  return node.disk.stats.reads - before;
}

describe('a record that is cached', () => {
  it('is answered by every command in the same tick, and counted', async () => {
    const node = await nodeWith([
      ...PAIRS,
      ['{a}1', 'one'],
      ['{a}2', 'two'],
      ['long', 'x'.repeat(20_000)],
    ]);
    const questions: [words: string[], answer: unknown][] = [
      [['GET', '{a}1'], 'one'],
      [['STRLEN', '{a}2'], 3],
      [['GETRANGE', '{a}2', '1', '1'], 'w'],
      [['EXISTS', '{a}1', '{a}2', '{a}1'], 3],
      [
        ['MGET', '{a}1', '{a}2'],
        ['one', 'two'],
      ],
      [['TYPE', '{a}1'], 'string'],
      [['GET', 'long'], 'x'.repeat(20_000)],
      [
        ['MGET', 'long', 'long'],
        ['x'.repeat(20_000), 'x'.repeat(20_000)],
      ],
    ];
    for (const [words, answer] of questions) expect(await node.ask(...words)).toEqual(answer);
    const reads = await readsOf(node, async () => {
      for (const [words, answer] of questions) {
        expect([await node.ask(...words), node.wasAtOnce]).toEqual([answer, true]);
      }
    });
    expect(reads).toBe(0);
    const [counted] = node.node.tables.reads.values();
    expect(counted?.diskCacheMisses).toBe(node.node.disk.stats.reads);
    expect(counted?.diskCacheHits).toBeGreaterThanOrEqual(questions.length);
  });

  it('is answered to lookups of many keys, beside absent keys and those that are read', async () => {
    const node = await nodeWith(PAIRS);
    const some = KEYS.filter((_, at) => at % 3 === 0);
    await lookUpIn(node.node, some);
    const absent = Array.from({ length: 500 }, (_, at) => `absent ${at}`);
    const [found, missing] = [await lookUpIn(node.node, KEYS), await lookUpIn(node.node, absent)];
    expect(found).toEqual(VALUES);
    expect(new Set(missing).size).toBe(1);
    const reads = await readsOf(node, async () => {
      expect(await lookUpIn(node.node, KEYS)).toEqual(VALUES);
    });
    expect(reads).toBe(0);
  });

  it('stays right while the cache is much smaller than the data, and within its bytes', async () => {
    const pairs = PAIRS.map(([key, value]) => [key, value.repeat(100)] as const);
    const node = await nodeWith(pairs, MiB);
    const { cache } = node.node.disk;
    for (let round = 0; round < 3; round++) {
      const keys = KEYS.filter((_, at) => at % (round + 1) === 0);
      const values = pairs.filter((_, at) => at % (round + 1) === 0).map(([, value]) => value);
      expect(await lookUpIn(node.node, keys)).toEqual(values);
      expect(cache.usedBytes).toBe(MiB);
    }
    expect(cache.count).toBeLessThan(KEYS.length);
  });

  it('is of the version that is asked for, with deltas, and of none once its segment is gone', async () => {
    const node = await nodeWith(PAIRS);
    expect(await lookUpIn(node.node, KEYS, 1)).toEqual(VALUES);
    node.loadLayers([PAIRS, PAIRS.slice(0, 1000).map(([key]) => [key, 'newer'] as const)]);
    await node.settled();
    for (let round = 0; round < 2; round++) {
      const second = VALUES.map((value, at) => (at < 1000 ? 'newer' : value));
      expect(await lookUpIn(node.node, KEYS, 2)).toEqual(second);
      // As after a rollback.
      expect(await lookUpIn(node.node, KEYS, 1)).toEqual(VALUES);
    }
    expect(node.node.disk.cache.hits).toBeGreaterThan(3 * 3000);
    for (const { meta } of [...node.node.holdings.of(TEST_UID)]) {
      node.node.holdings.remove(TEST_UID, meta.id);
    }
    expect(new Set(await lookUpIn(node.node, KEYS.slice(0, 100), 1))).toEqual(
      new Set([LookupStatus.UNAVAILABLE]),
    );
  });

  it('was verified, so it is served while its file rots, until the damage is found', async () => {
    const node = await nodeWith(PAIRS);
    const cached = KEYS.slice(0, 1500);
    expect(await lookUpIn(node.node, cached)).toEqual(VALUES.slice(0, 1500));
    const files = segmentFiles(node.folder);
    for (const { path } of files) {
      const { size } = statSync(path);
      for (let at = size * 0.3; at < size * 0.95; at += 1024) flipBit(path, Math.floor(at));
    }
    expect(await lookUpIn(node.node, cached)).toEqual(VALUES.slice(0, 1500));
    await lookUpIn(node.node, KEYS);
    await eventually('both segments to be taken out', () => node.node.holdings.count === 0);
    expect(new Set(await lookUpIn(node.node, cached))).toEqual(new Set([LookupStatus.UNAVAILABLE]));
  });
});

describe('a batch of the lookup protocol', () => {
  /** The values, in order, of all replies; fails unless they are of consecutive keys. */
  async function answersOf(node: RespNode, keys: readonly string[]): Promise<string[]> {
    const packed = new PackedWriter();
    for (const key of keys) packed.addKey(0, Buffer.from(key));
    const targets = [{ keyspaceUid: TEST_UID, version: 1 }];
    const request = { id: 7, count: keys.length, targets, keys: packed.take() };
    const values: string[] = [];
    await new Promise<void>((resolve) => {
      const late = answererOf(node.node).answerLate?.(
        request,
        ({ count, first, results }) => {
          expect(first).toBe(values.length);
          for (let left = count, at = FRAME_HEAD_BYTES; left > 0; left--) {
            const end = at + 5 + results.readUInt32LE(at + 1);
            const isFound = results[at] === LookupStatus.OK;
            values.push(isFound ? results.toString('latin1', at + 5, end) : 'absent');
            at = end;
          }
          return true;
        },
        resolve,
      );
      late?.goOn();
    });
    return values;
  }

  it('has its answers in order, whichever of the records are cached', async () => {
    const node = await nodeWith(PAIRS);
    for (let round = 1; round < 6; round++) {
      const keys = KEYS.slice(0, 300 * round).flatMap((key, at) =>
        at % 7 === 0 ? [key, 'absent'] : at % 5 < round ? [key] : [],
      );
      const values = keys.map((key) => (key === 'absent' ? key : `value of ${key}`));
      expect(await answersOf(node, keys)).toEqual(values);
    }
    expect(node.node.disk.cache.hits).toBeGreaterThan(0);
  });
});

it('scans leave the cache as it is', async () => {
  const node = await nodeWith(PAIRS);
  await node.ask('GET', KEYS[0]!);
  expect(node.node.disk.cache.count).toBe(1);
  await node.ask('SCAN', '0', 'COUNT', '10000');
  await node.ask('KEYS', '*');
  await node.ask('RANDOMKEY');
  expect(node.node.disk.cache.count).toBe(1);
});

it('a cache that gave its memory to segments is read past', async () => {
  const node = await nodeWith(PAIRS, 4 * MiB, 8 * MiB);
  expect(await lookUpIn(node.node, KEYS)).toEqual(VALUES);
  expect(node.node.disk.cache.usedBytes).toBe(4 * MiB);
  const reserved = await node.node.intake.reserve(5 * MiB);
  expect(node.node.disk.cache.usedBytes).toBe(0);
  expect(await lookUpIn(node.node, KEYS)).toEqual(VALUES);
  reserved.release();
});
