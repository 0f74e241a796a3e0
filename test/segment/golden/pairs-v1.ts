// The pairs of the golden file v1.seg, computed by arithmetic only, so that they never change.

import type { Pair } from '../pairs.ts';

/** Chosen so that one of the buckets gets more than 19 records. */
export const GOLDEN_UID = '0000000000000043';
export const GOLDEN_SHARD = 17;
export const GOLDEN_SHARD_COUNT = 128;

export function goldenPairs(): Pair[] {
  const pairs: Pair[] = [
    [Buffer.alloc(0), Buffer.from('value of the empty key')],
    [Buffer.from('empty value'), Buffer.alloc(0)],
    [bytesOf(256, 1), Buffer.from('binary key of 256 bytes, length in two bytes')],
    [Buffer.from('binary value'), bytesOf(300, 7)],
    [Buffer.from('large'), bytesOf(70_000, 13)],
    [Buffer.from('caf\u00e9'), Buffer.from('\u65e5\u672c\u8a9e')],
  ];
  for (let i = 0; i < 60; i++) {
    pairs.push([Buffer.from(`key-${i}`), Buffer.from(`value ${i * i}`)]);
  }
  return pairs;
}

function bytesOf(length: number, step: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, i) => (i * step) & 0xff));
}
