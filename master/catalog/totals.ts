// Arithmetic of counts and digests. A digest is a sum (docs/segment-format.md), so the content of a
// shard is the sum of its segments minus the records that its deltas overwrite. Pure.

import type { RecordTotals } from '../../proto/gen/stele/v1/segment.ts';

const DIGEST_LANES = 4;

/** Counts and digest of a set of records. */
export interface TotalsRecord {
  readonly records: number;
  readonly keyBytes: number;
  readonly valueBytes: number;
  readonly digest: string;
}

/**
 * The segments of one shard, oldest first, and the totals that its deltas overwrite, by segment id.
 */
export interface Chain {
  readonly segments: readonly (TotalsRecord & { readonly id: string })[];
  readonly overwritten: ReadonlyMap<string, TotalsRecord>;
}

/** The combined content of a shard's segments. */
export function chainTotals({ overwritten, segments }: Chain): TotalsRecord {
  return addTotals(
    segments,
    segments.flatMap(({ id }) => overwritten.get(id) ?? []),
  );
}

/** The sum of `plus` minus the sum of `minus`. */
export function addTotals(
  plus: readonly TotalsRecord[],
  minus: readonly TotalsRecord[] = [],
): TotalsRecord {
  const lanes = new Uint32Array(DIGEST_LANES);
  const sum = { records: 0, keyBytes: 0, valueBytes: 0 };
  for (const [sign, list] of [
    [1, plus],
    [-1, minus],
  ] as const) {
    for (const { digest, keyBytes, records, valueBytes } of list) {
      sum.records += sign * records;
      sum.keyBytes += sign * keyBytes;
      sum.valueBytes += sign * valueBytes;
      addLanes(lanes, sign, Buffer.from(digest, 'hex'));
    }
  }
  const digest = Buffer.alloc(DIGEST_LANES * 4);
  lanes.forEach((value, lane) => digest.writeUInt32LE(value, lane * 4));
  return { ...sum, digest: digest.toString('hex') };
}

/** Modulo 2^32, as Uint32Array has it. An empty digest is zero. */
function addLanes(lanes: Uint32Array, sign: number, digest: Buffer): void {
  if (digest.length === 0) return;
  for (let lane = 0; lane < DIGEST_LANES; lane++) {
    lanes[lane] = (lanes[lane] ?? 0) + sign * digest.readUInt32LE(lane * 4);
  }
}

export function isSameTotals(one: TotalsRecord, other: TotalsRecord): boolean {
  return (
    one.records === other.records &&
    one.keyBytes === other.keyBytes &&
    one.valueBytes === other.valueBytes &&
    one.digest === other.digest
  );
}

export function totalsRecord(totals: RecordTotals | undefined): TotalsRecord {
  const { digest, keyBytes, records, valueBytes } = totals ?? NOTHING;
  return { records, keyBytes, valueBytes, digest: digest.toString('hex') };
}

export function totalsMessage({ digest, ...counts }: TotalsRecord): RecordTotals {
  const { keyBytes, records, valueBytes } = counts;
  return { records, keyBytes, valueBytes, digest: Buffer.from(digest, 'hex') };
}

const NOTHING: RecordTotals = {
  records: 0,
  keyBytes: 0,
  valueBytes: 0,
  digest: Buffer.alloc(DIGEST_LANES * 4),
};
