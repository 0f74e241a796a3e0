import { expect, it } from 'vitest';
import { SegmentMemory } from '../../../loader/stages/shard-stage.ts';
import { buildSegment } from '../../../segment/builder.ts';
import { numberedPairs } from '../../support/segments/segments.ts';
import { recordBytes, writeRecord } from '../../../segment/record.ts';

it('what was given back is taken again where it fits, and only there', () => {
  const memory = new SegmentMemory();
  const large = memory.take(1_000_000);
  memory.release(new Uint8Array(large, 0, 900_000));
  expect(memory.take(400_000)).not.toBe(large);
  expect(memory.take(1_000_000)).toBe(large);
  expect(memory.take(1_000_000)).not.toBe(large);
});

it('takes the smallest piece that is large enough', () => {
  const memory = new SegmentMemory();
  const [small, middle, large] = [100_000, 120_000, 150_000].map((size) => memory.take(size));
  for (const piece of [large, middle, small]) memory.release(new Uint8Array(piece!));
  expect(memory.take(110_000)).toBe(middle);
});

it('a segment built in used memory has the bytes of one built in fresh memory', () => {
  const parts = [Buffer.concat(numberedPairs(2000).map(([key, value]) => record(key, value)))];
  const input = { keyspaceUid: '0123456789abcdef', shard: 0, shardCount: 1, parts } as const;
  const used = new SharedArrayBuffer(400_000);
  new Uint8Array(used).fill(0xff);
  const fresh = buildSegment({ ...input, onConflict: 'error' }).segment;
  const again = buildSegment({ ...input, onConflict: 'error', memory: used }).segment;
  expect(again?.bytes.buffer).toBe(used);
  expect(fresh?.bytes.equals(again!.bytes)).toBe(true);
  const small = new SharedArrayBuffer(1000);
  const elsewhere = buildSegment({ ...input, onConflict: 'error', memory: small }).segment;
  expect(elsewhere?.bytes.equals(fresh!.bytes)).toBe(true);
});

function record(keyText: string, valueText: string): Buffer {
  const [key, value] = [Buffer.from(keyText), Buffer.from(valueText)];
  const bytes = Buffer.alloc(recordBytes(key.length, value.length));
  writeRecord(bytes, 0, key, 0, key.length, value, 0, value.length);
  return bytes;
}
