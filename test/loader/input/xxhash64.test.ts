import { expect, it } from 'vitest';
import { XxHash64 } from '../../../loader/input/xxhash64.ts';

function hash(bytes: Uint8Array, pieces: readonly number[] = []): string {
  const state = new XxHash64();
  let at = 0;
  for (const length of pieces) {
    state.update(bytes.subarray(at, at + length));
    at += length;
  }
  state.update(bytes.subarray(at));
  return state.digest().toString(16).padStart(16, '0');
}

it('gives the published values', () => {
  const text = (value: string): string => hash(Buffer.from(value));
  expect(text('')).toBe('ef46db3751d8e999');
  expect(text('a')).toBe('d24ec4f1a98c6e5b');
  expect(text('abc')).toBe('44bc2cf5ad770999');
  expect(text('Nobody inspects the spammish repetition')).toBe('fbcea83c8a378bf1');
  // The specification's own sanity buffer: bytes of a 64-bit generator.
  const sanity = Buffer.alloc(222);
  let generator = 2654435761n;
  for (let at = 0; at < sanity.length; at++) {
    sanity[at] = Number(generator >> 56n);
    generator = (generator * 11400714785074694797n) & 0xffffffffffffffffn;
  }
  expect(hash(sanity.subarray(0, 1))).toBe('e934a84adb052768');
  expect(hash(sanity.subarray(0, 14))).toBe('8282dcc4994e35c8');
  expect(hash(sanity)).toBe('b641ae8cb691c174');
});

it('does not depend on how the bytes come in pieces', () => {
  const bytes = Buffer.from(Array.from({ length: 1000 }, (_, at) => (at * 131 + (at >> 3)) & 255));
  const whole = hash(bytes);
  for (const pieces of [[1], [31], [32], [33], [5, 27, 1], [64, 1, 31, 100], [0, 999]]) {
    expect(hash(bytes, pieces)).toBe(whole);
  }
});
