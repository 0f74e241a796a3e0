import { describe, expect, it } from 'vitest';
import { measureRecords } from '../../../datanode/endpoints/measure-records.ts';
import { numberedPairs, segmentsOf, TEST_UID } from '../../support/segments/segments.ts';
import { RespNode } from '../resp-node.ts';

const SHARDS = 4;
const PAIRS = numberedPairs(4000);

describe.each(['memory', 'disk'] as const)('of records in the tier %s', (tier) => {
  it('are the sizes of a sample, and what their indexes take', async () => {
    const node = await RespNode.open(SHARDS, { tier });
    node.load(PAIRS);
    await node.ask('PING');
    const request = { expectNode: 'n1', keyspaceUid: TEST_UID, version: 1 };
    const found = await measureRecords(node.node, request);
    const sizes = new Set(PAIRS.map(([key, value]) => `${key.length} ${value.length}`));
    const sampled = found.keyBytes.map((bytes, index) => `${bytes} ${found.valueBytes[index]}`);
    expect(sampled.length).toBeGreaterThan(500);
    expect(found.valueBytes).toHaveLength(sampled.length);
    for (const one of sampled) expect(sizes).toContain(one);
    expect(found.records).toBe(PAIRS.length);
    // Index lines and checksums: all of the files but the records.
    const built = segmentsOf(PAIRS, SHARDS);
    const whole = built.reduce((sum, { bytes }) => sum + bytes.length, 0);
    const records = built.reduce((sum, { info }) => sum + info.keyBytes + info.valueBytes, 0);
    expect(found.indexBytes).toBeGreaterThan(4 * PAIRS.length);
    expect(found.indexBytes).toBeLessThan(whole - records);
    const elsewhere = { ...request, version: 9 };
    expect(await measureRecords(node.node, elsewhere)).toMatchObject({ keyBytes: [], records: 0 });
    const wrong = measureRecords(node.node, { ...request, expectNode: 'n2' });
    await expect(wrong).rejects.toMatchObject({ code: 'WRONG_NODE' });
  });
});
