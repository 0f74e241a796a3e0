import { describe, expect, it } from 'vitest';
import { HotKeys } from '../../../datanode/read-stats/hot-keys.ts';
import { KeyspaceReads } from '../../../datanode/read-stats/keyspace-reads.ts';
import { seededRandom } from '../../support/inputs/rows.ts';

function add(keys: HotKeys, key: string | Buffer, valueBytes?: number): void {
  const bytes = Buffer.concat([Buffer.from('..'), Buffer.from(key), Buffer.from('.')]);
  keys.add(bytes, 2, bytes.length - 1, valueBytes);
}

describe('hot keys', () => {
  it('are those that are read most, among any number of others', () => {
    const keys = new HotKeys();
    const random = seededRandom(7);
    for (let sample = 0; sample < 50_000; sample++) {
      const at = random();
      if (at < 0.2) add(keys, 'first', 10);
      else if (at < 0.3) add(keys, 'second');
      else add(keys, `other-${Math.floor(random() * 100_000)}`, 1);
    }
    const [first, second, third] = keys.hottest(3);
    expect([first?.key.toString(), second?.key.toString()]).toEqual(['first', 'second']);
    expect([first?.valueBytes, second?.valueBytes]).toEqual([10, undefined]);
    expect(first?.share).toBeGreaterThan(0.15);
    expect(first?.share).toBeLessThan(0.21);
    expect(third?.share).toBeLessThan(0.01);
  });

  it('fade when others are read', () => {
    const keys = new HotKeys();
    for (let sample = 0; sample < 10_000; sample++) add(keys, 'old', 1);
    for (let sample = 0; sample < 60_000; sample++) add(keys, 'new', 1);
    const [now, before] = keys.hottest(2);
    expect(now?.key.toString()).toBe('new');
    expect(before?.share ?? 0).toBeLessThan(0.02);
  });

  it('keep every byte of a key, and leave out those above 512 bytes', () => {
    const keys = new HotKeys();
    add(keys, Buffer.from([0, 0xff, 0x80]), 1);
    add(keys, 'x'.repeat(513), 1);
    add(keys, 'y'.repeat(512), 1);
    const names = keys.hottest(10).map(({ key }) => key);
    expect(names).toEqual([Buffer.from([0, 0xff, 0x80]), Buffer.from('y'.repeat(512))]);
  });

  it('name the largest values, as they were sampled last', () => {
    const keys = new HotKeys();
    for (let at = 0; at < 1000; at++) add(keys, `k${at}`, at);
    add(keys, 'k999', 5);
    add(keys, 'k998');
    expect(keys.largest(2).map(({ key, valueBytes }) => [key.toString(), valueBytes])).toEqual([
      ['k997', 997],
      ['k996', 996],
    ]);
  });
});

describe('the reads of a keyspace', () => {
  it('have a rate that follows them', () => {
    const reads = new KeyspaceReads();
    expect(reads.ratePerSecond(1000)).toBe(0);
    for (let second = 1; second <= 60; second++) {
      reads.hits += 400;
      reads.misses += 100;
      reads.ratePerSecond(1000 + second * 1000);
    }
    expect(reads.ratePerSecond(61_000)).toBeGreaterThan(480);
    expect(reads.ratePerSecond(61_000)).toBeLessThan(501);
    for (let second = 1; second <= 60; second++) reads.ratePerSecond(61_000 + second * 1000);
    expect(reads.ratePerSecond(121_000)).toBeLessThan(5);
  });

  it('are sampled a hundred times a second at most', () => {
    const reads = new KeyspaceReads();
    reads.ratePerSecond(0);
    reads.hits = 60_000_000;
    reads.ratePerSecond(60_000);
    const mean = 10_000;
    let distance = 0;
    for (let sample = 0; sample < 1000; sample++) {
      reads.sample(Buffer.from('k'), 0, 1, 1);
      distance += reads.untilSample / 1000;
    }
    expect(distance).toBeGreaterThan(mean * 0.8);
    expect(distance).toBeLessThan(mean * 1.2);
  });
});
