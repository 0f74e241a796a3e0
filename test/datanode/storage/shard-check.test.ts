// Segments whose records belong to other shards: intact, but never to be served.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { contentSteps } from '../../../datanode/storage/shard-check.ts';
import { verifyFiles } from '../../../datanode/storage/verify-files.ts';
import { shardOfSlot } from '../../../ring/shard.ts';
import { slotOfText } from '../../../ring/slot.ts';
import { buildSegment } from '../../../segment/builder.ts';
import type { BuiltSegment } from '../../../segment/builder.ts';
import { openSegment } from '../../../segment/reader.ts';
import type { Segment } from '../../../segment/reader.ts';
import { recordBytes, writeRecord } from '../../../segment/record.ts';
import { checksumSteps, verifySegment } from '../../../segment/verify.ts';
import { openTestNode, pushTo } from '../../support/peers/datanode.ts';
import { TEST_UID, numberedPairs, segmentsOf } from '../../support/segments/segments.ts';
import { tempDir } from '../../support/temp-dir.ts';

const SHARDS = 8;

/** A segment of `shard` with these keys, wherever they belong. */
function segmentWith(shard: number, keys: readonly string[]): BuiltSegment {
  const parts = keys.map((key) => {
    const record = Buffer.alloc(recordBytes(key.length, 1));
    writeRecord(record, 0, Buffer.from(key), 0, key.length, Buffer.from('v'), 0, 1);
    return record;
  });
  const { segment } = buildSegment({
    ...{ keyspaceUid: TEST_UID, shard, shardCount: SHARDS },
    ...{ parts: [Buffer.concat(parts)], onConflict: 'error' },
  });
  if (segment === undefined) throw new Error('The keys of a test are distinct.');
  return segment;
}

const shardOf = (key: string): number => shardOfSlot(slotOfText(key), SHARDS);
const keysOf = (shard: number, count: number): string[] => {
  const keys: string[] = [];
  for (let number = 0; keys.length < count; number++) {
    if (shardOf(`{user ${number}}:key`) === shard) keys.push(`{user ${number}}:key`);
  }
  return keys;
};
const run = (segment: Segment): void => {
  for (const _bytes of contentSteps(segment));
};

describe('the shard of the records', () => {
  it.each([1, 2, 30, 5000])('passes in a correct segment of %i', (rows) => {
    for (const { bytes } of segmentsOf(numberedPairs(rows), SHARDS)) run(openSegment(bytes));
    for (let shard = 0; shard < SHARDS; shard++) {
      run(openSegment(segmentWith(shard, keysOf(shard, Math.min(rows, 300))).bytes));
    }
  });

  it('passes in an empty segment', () => {
    run(openSegment(segmentWith(3, []).bytes));
  });

  it.each([1, 2, 20, 1000])('fails in a segment of %i records of another shard', (count) => {
    const segment = openSegment(segmentWith(3, keysOf(4, count)).bytes);
    expect(() => run(segment)).toThrow(
      /of shard 3 of 8 has a key of shard 4, in the record at offset \d+/,
    );
  });

  it('fails in some segment if a small part of the keys belongs elsewhere', () => {
    // One key in 50: as by a writer that treats some keys differently.
    const refused = Array.from({ length: SHARDS }, (_, shard) => {
      const keys = [...keysOf(shard, 2000), ...keysOf((shard + 1) % SHARDS, 40)];
      try {
        run(openSegment(segmentWith(shard, keys).bytes));
        return false;
      } catch {
        return true;
      }
    });
    expect(refused).toContain(true);
  });
});

describe('a segment with the keys of another shard', () => {
  const wrong = segmentWith(3, keysOf(4, 2000));
  const { id } = wrong.info;

  it('is refused when it arrives, with correct checksums and structure', async () => {
    expect([...checksumSteps(openSegment(wrong.bytes))]).not.toEqual([]);
    verifySegment(openSegment(wrong.bytes));
    const { node } = await openTestNode(tempDir());
    await expect(pushTo(node, [wrong])).rejects.toMatchObject({ code: 'CORRUPT' });
    expect(node.holdings.has(TEST_UID, id)).toBe(false);
  });

  it('is reported by `stele verify`', async () => {
    const folder = join(tempDir(), TEST_UID);
    mkdirSync(folder);
    const path = join(folder, `${id}.seg`);
    writeFileSync(path, wrong.bytes);
    for await (const { error } of verifyFiles([{ path }])) {
      expect(error).toMatchObject({ code: 'CORRUPT', message: expect.stringMatching(/shard 4/) });
    }
  });
});
