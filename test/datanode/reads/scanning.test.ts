import { describe, expect, it } from 'vitest';
import { LongScans, planOfHeld, scanTable } from '../../../datanode/reads/scanning.ts';
import { KeyspaceReads } from '../../../datanode/read-stats/keyspace-reads.ts';
import type { VersionTable } from '../../../datanode/storage/version-tables.ts';
import { shardOfSlot } from '../../../ring/shard.ts';
import { slotOfText } from '../../../ring/slot.ts';
import { openSegment } from '../../../segment/reader.ts';
import { TEST_UID, numberedPairs, segmentsOf } from '../../support/segments/segments.ts';

const SHARDS = 4;
const PAIRS = numberedPairs(5000);
const table: VersionTable = {
  keyspaceUid: TEST_UID,
  version: 1,
  shards: segmentsOf(PAIRS, SHARDS)
    .toSorted((left, right) => left.info.shard - right.info.shard)
    .map(({ bytes }) => [openSegment(bytes)]),
  diskShards: [],
  isAnyOnDisk: false,
  recordsByShard: [],
  records: 0,
  reads: new KeyspaceReads(),
};

describe('a scan of a slot', () => {
  it('returns its keys, reads only its shard, and ends there', () => {
    const slot = slotOfText('key-7');
    const shard = shardOfSlot(slot, SHARDS);
    const limits = { recordsMax: 10_000, slot };
    const from = { shard, position: 0 };
    const planOf = planOfHeld(table, from, false, slot);
    const { keys, records, next } = scanTable(table, from, planOf, limits);
    const inShard = PAIRS.filter(([key]) => shardOfSlot(slotOfText(key), SHARDS) === shard);
    const expected = inShard.map(([key]) => key).filter((key) => slotOfText(key) === slot);
    expect(keys.map(String)).toEqual(expected);
    expect(records).toBe(inShard.length);
    expect(next).toEqual({ shard: shard + 1, position: 0 });
  });
});

describe('scans of whole shards', () => {
  it('run one after the other, even if one fails', async () => {
    const scans = new LongScans();
    const events: string[] = [];
    const work = (name: string) => async (): Promise<void> => {
      events.push(`${name} begins`);
      await Promise.resolve();
      events.push(`${name} ends`);
      if (name === 'a') throw new Error(name);
    };
    await Promise.allSettled([scans.run(work('a')), scans.run(work('b'))]);
    expect(events).toEqual(['a begins', 'a ends', 'b begins', 'b ends']);
  });

  it('are refused when too many wait, and accepted again later', async () => {
    const scans = new LongScans();
    const outcomes = await Promise.allSettled(
      Array.from({ length: 70 }, () => scans.run(() => Promise.resolve())),
    );
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
    expect(refused).toHaveLength(6);
    expect(refused[0]?.reason).toMatchObject({ code: 'OVERLOADED' });
    await scans.run(() => Promise.resolve());
  });
});
