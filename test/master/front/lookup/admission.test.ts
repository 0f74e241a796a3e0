import { expect, it } from 'vitest';
import { Admission } from '../../../../master/front/lookup/admission.ts';
import { SlabCache } from '../../../../master/front/lookup/slab-cache.ts';

const slabs = new SlabCache(64 * 1024);
const hashOf = (name: string): number => {
  const key = Buffer.from(name, 'latin1');
  return slabs.hashOf(1, key, 0, key.length);
};
const keys = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, index) => hashOf(`user-${from + index}`));

it('knows what it has seen, and takes few others for seen', () => {
  const admission = new Admission(10_000);
  const first = keys(0, 10_000).filter((key) => admission.wasSeen(key)).length;
  expect(first).toBeLessThan(10_000 * 0.08);
  expect(keys(0, 10_000).every((key) => admission.wasSeen(key))).toBe(true);
});

it('forgets, so that it never takes everything for seen', () => {
  const admission = new Admission(10_000);
  let seen = 0;
  for (const key of keys(0, 500_000)) if (admission.wasSeen(key)) seen++;
  expect(seen).toBeLessThan(500_000 * 0.1);
  expect(admission.wasSeen(hashOf('user-499999'))).toBe(true);
});

it('tells keys apart that differ in one byte, whatever the byte', () => {
  const admission = new Admission(4096);
  const bytes = Array.from({ length: 256 }, (_, byte) => hashOf(`key${String.fromCharCode(byte)}`));
  expect(bytes.filter((key) => admission.wasSeen(key)).length).toBeLessThan(16);
});
