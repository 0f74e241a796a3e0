import { describe, expect, it } from 'vitest';
import { SlabCache } from '../../../../master/front/lookup/slab-cache.ts';
import { seededRandom } from '../../../support/inputs/rows.ts';

const MIB = 1024 * 1024;

class Subject {
  readonly cache: SlabCache;

  constructor(bytesMax: number, mayGrow?: () => boolean) {
    this.cache = new SlabCache(bytesMax, mayGrow);
  }

  get(name: string | Buffer, dataset = 1): string | undefined {
    const key = Buffer.from(name);
    const hash = this.cache.hashOf(dataset, key, 0, key.length);
    const found = this.cache.find(hash, dataset, key, 0, key.length);
    return found && `${found.nodeId}:${found.bytes.toString('latin1', found.start, found.end)}`;
  }

  put(name: string | Buffer, value: string | Buffer, dataset = 1, nodeId = 'a'): void {
    const key = Buffer.from(name);
    const bytes = Buffer.from(value);
    const hash = this.cache.hashOf(dataset, key, 0, key.length);
    this.cache.put(hash, dataset, key, bytes, nodeId);
  }
}

describe('a small cache', () => {
  it('gives back what was put, by dataset and key, with the node', () => {
    const subject = new Subject(MIB);
    subject.put('k', 'one', 1, 'node-a');
    subject.put('k', 'two', 2, 'node-b');
    subject.put('', '');
    expect(subject.get('k')).toBe('node-a:one');
    expect(subject.get('k', 2)).toBe('node-b:two');
    expect(subject.get('k', 3)).toBeUndefined();
    expect(subject.get('')).toBe('a:');
    expect(subject.get('kk')).toBeUndefined();
    expect(subject.cache.entryCount).toBe(3);
  });

  it('takes keys and values of any bytes, wherever they lie', () => {
    const subject = new Subject(MIB);
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    for (let length = 0; length < 200; length++) subject.put(bytes.subarray(length), bytes);
    for (let length = 0; length < 200; length++) {
      expect(subject.get(bytes.subarray(length))).toBe(`a:${bytes.toString('latin1')}`);
    }
    const { cache } = subject;
    const inside = Buffer.concat([Buffer.from('xyz'), bytes]);
    const hash = cache.hashOf(1, inside, 3, 259);
    expect(cache.find(hash, 1, inside, 3, 259)).toBeDefined();
  });

  it('keeps one record of a key that is put twice', () => {
    const subject = new Subject(MIB);
    for (let time = 0; time < 5; time++) subject.put('k', 'value');
    expect(subject.cache.entryCount).toBe(1);
  });

  it('passes over what is too large for it, or has no room at all', () => {
    const subject = new Subject(MIB);
    subject.put('k', Buffer.alloc(subject.cache.recordBytesMax));
    expect(subject.cache.entryCount).toBe(0);
    subject.put('k', Buffer.alloc(subject.cache.recordBytesMax - 1));
    expect(subject.cache.entryCount).toBe(1);
    const tiny = new Subject(100);
    tiny.put('k', '');
    expect([tiny.cache.recordBytesMax, tiny.get('k')]).toEqual([0, undefined]);
  });

  it('never gives a wrong value, and stays within its bytes, whatever comes', () => {
    const random = seededRandom(20_261);
    const subject = new Subject(MIB);
    const nodes = ['a', 'b', 'c'];
    const valueOf = (number: number): string =>
      `${number}|`.repeat(1 + ((number * 7919) % 60)) + 'x'.repeat(number % 9);
    let found = 0;
    for (let step = 0; step < 200_000; step++) {
      // Some keys are asked for often, most rarely.
      const number = Math.floor(random() ** 4 * 40_000);
      const nodeId = nodes[number % 3] ?? '';
      const got = subject.get(`key-${number}`);
      if (got === undefined) subject.put(`key-${number}`, valueOf(number), 1, nodeId);
      else if (got === `${nodeId}:${valueOf(number)}`) found++;
      else throw new Error(`key-${number} gave ${got}`);
    }
    expect(found).toBeGreaterThan(80_000);
    expect(subject.cache.byteLength + subject.cache.indexBytes).toBeLessThanOrEqual(MIB);
    expect(subject.cache.byteLength).toBeGreaterThan(0.7 * MIB);
  });

  it('is bounded by its index, too: the smallest records there are', () => {
    const subject = new Subject(MIB);
    for (let number = 0; number < 100_000; number++) subject.put(String(number), '');
    expect(subject.cache.entryCount).toBeLessThan(MIB / 64);
    expect(subject.get('99999')).toBe('a:');
    expect(subject.get('0')).toBeUndefined();
  });

  it('keeps what is used while the rest goes through it', () => {
    const subject = new Subject(MIB);
    for (let number = 0; number < 200_000; number++) {
      subject.put(`key-${number}`, 'x'.repeat(50));
      if (number >= 100 && number % 100 === 0) {
        for (let used = 0; used < 100; used++) expect(subject.get(`key-${used}`)).toBeDefined();
      }
    }
  });

  it('grows only where it may, and gives memory back when told to', () => {
    let mayGrow = true;
    const subject = new Subject(MIB, () => mayGrow);
    const fill = (from: number): void => {
      for (let number = from; number < from + 3000; number++) {
        subject.put(`key-${number}`, 'x'.repeat(50));
      }
    };
    fill(0);
    const { byteLength } = subject.cache;
    mayGrow = false;
    fill(10_000);
    expect(subject.cache.byteLength).toBe(byteLength);
    expect(subject.get('key-12999')).toBeDefined();
    while (subject.cache.byteLength > 0) subject.cache.dropOldest();
    subject.cache.dropOldest();
    expect(subject.cache.entryCount).toBe(0);
    subject.put('k', 'v');
    expect(subject.get('k')).toBeUndefined();
    mayGrow = true;
    fill(20_000);
    expect(subject.get('key-22999')).toBeDefined();
  });
});
