import { expect, it } from 'vitest';
import { checkRate, Throttle } from '../../../loader/bytes/throttle.ts';
import { failure, rowsText, setUp, write } from '../load-setup.ts';

it('--max-bytes-per-second holds for all datanodes together, and the load is right', async () => {
  const { folder, load, master } = await setUp();
  const { pairs, text } = rowsText(6000);
  const file = write(folder, 'a.data', text);
  const rate = 800_000;
  const startedMs = performance.now();
  await load([file], { maxBytesPerSecond: rate });
  const seconds = (performance.now() - startedMs) / 1000;
  const segments = master.committed!.shards.map(({ segment }) => segment!.fileBytes);
  const sentBytes = 2 * segments.reduce((sum, byteCount) => sum + byteCount, 0);
  expect(sentBytes).toBeGreaterThan(rate);
  expect(seconds).toBeGreaterThan(sentBytes / rate - 0.3);
  expect(master.pairs()).toEqual(pairs);
});

it('a throttled load stops at once when it is told to', async () => {
  const { folder, load } = await setUp();
  const file = write(folder, 'a.data', rowsText(20_000).text);
  const stop = new AbortController();
  setTimeout(() => stop.abort(), 500);
  const startedMs = performance.now();
  const flags = { maxBytesPerSecond: 65_536 };
  expect((await failure(load([file], flags, { signal: stop.signal }))).code).toBe('CANCELLED');
  expect(performance.now() - startedMs).toBeLessThan(8000);
});

it('slices are small enough for every connection to have its turn', () => {
  expect(new Throttle(65_536).sliceBytes).toBe(4096);
  expect(new Throttle(16 * 1024 * 1024).sliceBytes).toBe(256 * 1024);
  expect(new Throttle(0)).toMatchObject({ sliceBytes: 1024 * 1024, isOn: false });
  expect(() => checkRate(65_535)).toThrow('use 64KiB or more');
  checkRate(65_536);
  checkRate(0);
});
