// Test helpers: shards as bases with deltas, and their expected content as a Map.

import * as fc from 'fast-check';
import { Digest } from '../../segment/digest.ts';
import { openSegment } from '../../segment/reader.ts';
import type { Segment } from '../../segment/reader.ts';
import { built } from './pairs.ts';

/** The pairs of one layer, by key. */
export type Layer = ReadonlyMap<string, string>;

/** Few keys, so that layers overwrite one another; values of all sizes, often equal. */
const layer: fc.Arbitrary<Layer> = fc
  .array(
    fc.tuple(
      fc.nat(40).map((number) => (number === 0 ? '' : `key-${number}`)),
      fc.oneof(
        fc.constantFrom('', 'a', 'b'),
        fc.nat(70_000).map((length) => 'x'.repeat(length)),
      ),
    ),
    { minLength: 1, maxLength: 30 },
  )
  .map((pairs) => new Map(pairs));

/** A base and up to six deltas, oldest first. */
export const layers = fc.array(layer, { minLength: 1, maxLength: 7 });

export function segmentOf(rows: Layer): Segment {
  const pairs = [...rows].map(([key, value]) => [Buffer.from(key), Buffer.from(value)] as const);
  return openSegment(built(pairs).bytes);
}

/** The merged content of the layers: the newest value of each key. */
export function flatten(rows: readonly Layer[]): Map<string, string> {
  return new Map(rows.flatMap((one) => [...one]));
}

export function digestOf(rows: Layer): string {
  const digest = new Digest();
  for (const [key, value] of rows) {
    const bytes = Buffer.from(key + value);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    digest.addRecord(view, 0, Buffer.byteLength(key), bytes.length);
  }
  return digest.toHex();
}

/** Runs steps to completion. */
export function finish<Result>(steps: Generator<unknown, Result, void>): Result {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}
