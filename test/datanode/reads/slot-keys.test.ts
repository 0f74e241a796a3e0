import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { SlotKeys } from '../../../datanode/reads/slot-keys.ts';
import type { VersionTable } from '../../../datanode/storage/version-tables.ts';
import { slotOfText } from '../../../ring/slot.ts';
import { openSegment } from '../../../segment/reader.ts';
import { TEST_UID, numberedPairs, segmentsOf } from '../../support/segments.ts';
import type { Pairs } from '../../support/segments.ts';

function tableOf(pairs: Pairs): VersionTable {
  const shards = segmentsOf(pairs, 1).map(({ bytes }) => [openSegment(bytes)]);
  return { keyspaceUid: TEST_UID, version: 1, shards, recordsByShard: [0], records: 0 };
}

const PAIRS = numberedPairs(20_000);
const SLOT = slotOfText('key-7');
const EXPECTED = PAIRS.filter(([key]) => slotOfText(key) === SLOT).length;

describe('the questions about a slot', () => {
  it('leave the event loop to others in between', async () => {
    const state = { done: false, turns: 0 };
    const counted = new SlotKeys().count(tableOf(PAIRS), SLOT).finally(() => (state.done = true));
    for (; !state.done; state.turns++) await turn();
    expect(await counted).toBe(EXPECTED);
    expect(state.turns).toBeGreaterThan(15);
  });

  it('are answered from the first count of their shard afterwards', async () => {
    const slots = new SlotKeys();
    const table = tableOf(PAIRS);
    await slots.count(table, SLOT);
    let turns = 0;
    const again = slots.count(table, slotOfText('key-8')).then(() => turns);
    for (; turns < 10; turns++) await turn();
    expect(await again).toBeLessThan(3);
  });

  it('are refused when too many wait, and answered again later', async () => {
    const slots = new SlotKeys();
    const table = tableOf(PAIRS);
    const asked = Array.from({ length: 70 }, () => slots.keys(table, SLOT, 1000));
    const outcomes = await Promise.allSettled(asked);
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
    expect(refused).toHaveLength(6);
    expect(refused[0]?.reason).toMatchObject({ code: 'OVERLOADED' });
    expect(await slots.keys(table, SLOT, 1000)).toHaveLength(EXPECTED);
  });

  it('end with an error where the keys are too long together, and go on after it', async () => {
    const slots = new SlotKeys();
    const long = 'x'.repeat(60_000);
    const table = tableOf(Array.from({ length: 300 }, (_, at) => [`{t}${long}${at}`, '']));
    const slot = slotOfText('t');
    await expect(slots.keys(table, slot, 300)).rejects.toMatchObject({ code: 'OVERLOADED' });
    expect(await slots.keys(table, slot, 5)).toHaveLength(5);
    expect(await slots.count(table, slot)).toBe(300);
  });

  it('are UNAVAILABLE where the shard is not here', async () => {
    const table: VersionTable = {
      keyspaceUid: TEST_UID,
      version: 1,
      shards: [undefined],
      recordsByShard: [0],
      records: 0,
    };
    await expect(new SlotKeys().count(table, 1)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});
