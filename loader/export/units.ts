// How an export is divided: runs of consecutive shards, each of about as many bytes as one file.

import type { HeldSegment } from '../transfer/cluster-client.ts';

/** The records of a unit go into one file, or into several of this many bytes. */
export const FILE_BYTES = 64 * 1024 * 1024;

/** Shards from `first` to `last`, both included. */
export interface Unit {
  readonly first: number;
  readonly last: number;
}

/** Covers all shards that have segments; these are in the order of their shards. */
export function unitsOf(segments: readonly HeldSegment[]): Unit[] {
  const units: Unit[] = [];
  let byteCount = 0;
  for (const { info } of segments) {
    const { keyBytes, shard, valueBytes } = info;
    const present = units.at(-1);
    // The chain of a shard stays together.
    const isOther = shard !== present?.last;
    if (present === undefined || (isOther && byteCount + keyBytes + valueBytes > FILE_BYTES)) {
      units.push({ first: shard, last: shard });
      byteCount = 0;
    } else units[units.length - 1] = { first: present.first, last: shard };
    byteCount += keyBytes + valueBytes;
  }
  return units;
}

/** The segments of a unit, of one shard each. */
export function chainsOf({ first, last }: Unit, segments: readonly HeldSegment[]): HeldSegment[][] {
  const chains = new Map<number, HeldSegment[]>();
  for (const segment of segments) {
    const { shard } = segment.info;
    if (shard < first || shard > last) continue;
    const chain = chains.get(shard) ?? [];
    chains.set(shard, chain);
    chain.push(segment);
  }
  return [...chains.values()];
}
