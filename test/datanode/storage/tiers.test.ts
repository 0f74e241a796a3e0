import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { BackgroundTasks } from '../../../base/background.ts';
import { systemEnv } from '../../../base/env.ts';
import { silentLogger } from '../../../base/log.ts';
import { DamagedSegments } from '../../../datanode/storage/damaged-segments.ts';
import { Holdings } from '../../../datanode/storage/holdings.ts';
import { MemoryBudget } from '../../../datanode/storage/memory-budget.ts';
import { DiskStore } from '../../../datanode/storage/store.ts';
import { Tiers } from '../../../datanode/storage/tiers.ts';
import { FileSource } from '../../../datanode/disk/file-source.ts';
import { Verifier } from '../../../datanode/storage/verifier.ts';
import { Tier } from '../../../proto/gen/stele/v1/view.ts';
import type { ClusterView } from '../../../proto/gen/stele/v1/view.ts';
import { openSegment } from '../../../segment/reader.ts';
import { TEST_UID, numberedPairs, segmentsOf } from '../../support/segments/segments.ts';
import { tempDir } from '../../support/temp-dir.ts';

const SEGMENTS = segmentsOf(numberedPairs(100), 4);

type Wanted = 'memory' | 'disk' | 'none';

const viewOf = (tier: Wanted): ClusterView =>
  ({
    keyspaces: [
      {
        uid: TEST_UID,
        suspended: tier === 'none',
        tier: tier === 'disk' ? Tier.DISK : Tier.MEMORY,
      },
    ],
  }) as unknown as ClusterView;

/** A keyspace in memory, with its files, and what moves it. */
async function keyspace(memoryMaxBytes = 1024 ** 3) {
  const folder = tempDir();
  const store = new DiskStore({ folder, diskReserveBytes: 0, log: silentLogger });
  await store.prepare();
  const holdings = new Holdings();
  onTestFinished(() => holdings.closeFiles());
  for (const { bytes, info } of SEGMENTS) {
    await store.write(TEST_UID, info.id, bytes);
    holdings.add(TEST_UID, info.id, openSegment(bytes));
  }
  const background = new BackgroundTasks(silentLogger);
  const tiers = new Tiers({
    holdings,
    store,
    damaged: new DamagedSegments({ holdings, store, background, log: silentLogger }),
    order: { reads: () => 0, currentIds: () => undefined },
    source: new FileSource(systemEnv),
    verifier: new Verifier({ verified: store.verified, threadsKept: 0, threadsMax: 1 }),
    memory: new MemoryBudget(holdings, memoryMaxBytes),
    background,
    log: silentLogger,
    env: systemEnv,
  });
  tiers.warm();
  const move = async (tier: Wanted): Promise<void> => {
    tiers.apply(viewOf(tier));
    await background.settled();
  };
  const damage = (id: string, at: number): void => {
    const path = join(folder, 'segments', TEST_UID, `${id}.seg`);
    const bytes = readFileSync(path);
    bytes[at]! ^= 4;
    writeFileSync(path, bytes);
  };
  return { folder, holdings, move, tiers, store, damage };
}

const MOVES: [Wanted, Wanted][] = [
  ['none', 'memory'],
  ['none', 'disk'],
  ['disk', 'memory'],
  ['disk', 'none'],
];

describe.each(MOVES)('a keyspace that was moved to the tier %s, and then to %s,', (first, then) => {
  it('has all its segments there, and its memory is counted', async () => {
    const { holdings, move, store, tiers } = await keyspace();
    const inMemory = holdings.segmentBytes;
    await move(first);
    expect(holdings.segmentBytes).toBeLessThan(inMemory / 2);
    await move(then);
    expect(holdings.misplacedOf(TEST_UID)).toEqual([]);
    expect(tiers.moves()).toEqual([]);
    expect(holdings.segmentIdsOf(TEST_UID)).toHaveLength(SEGMENTS.length);
    const fileBytes = SEGMENTS.reduce((sum, { bytes }) => sum + bytes.length, 0);
    expect(holdings.diskBytes).toBe(then === 'disk' ? fileBytes : 0);
    if (then === 'memory') expect(holdings.segmentBytes).toBe(inMemory);
    expect(tiers.report() === undefined).toBe(then !== 'none');
    const marks = then === 'memory' ? [] : [[TEST_UID, then]];
    expect([...(await store.markedTiers())]).toEqual(marks);
  });

  if (then === 'none') return;

  it.each([
    ['in its header', 40],
    ['in the number of its format', 8],
    ['in its index', 200],
  ])('comes without a file that is bad %s, which is set aside', async (_what, at) => {
    const { damage, folder, holdings, move, tiers } = await keyspace();
    await move(first);
    const { id } = SEGMENTS[1]!.info;
    damage(id, at);
    await move(then);
    expect(holdings.has(TEST_UID, id)).toBe(false);
    expect([...holdings.of(TEST_UID)]).toHaveLength(SEGMENTS.length - 1);
    expect(readdirSync(join(folder, 'quarantine'))).toHaveLength(1);
    expect(tiers.report()).toBeUndefined();
  });
});

it('segments that arrive in a keyspace on disk move there', async () => {
  const { holdings, move, store } = await keyspace();
  await move('disk');
  const later = segmentsOf(numberedPairs(50, 'later'), 4);
  for (const { bytes, info } of later) {
    await store.write(TEST_UID, info.id, bytes);
    holdings.add(TEST_UID, info.id, openSegment(bytes));
  }
  await expect.poll(() => holdings.misplacedOf(TEST_UID)).toEqual([]);
  expect(holdings.segmentIdsOf(TEST_UID)).toHaveLength(SEGMENTS.length + later.length);
});

it('what has no room in memory stays on disk, and says so', async () => {
  const { holdings, move, tiers } = await keyspace(SEGMENTS[0]!.bytes.length * 2.5);
  await move('disk');
  await move('memory');
  const [left] = tiers.moves();
  expect(left?.segmentsLeft).toBeGreaterThan(0);
  expect(left?.failure).toMatch(/may hold/);
  for (const { info } of SEGMENTS) expect(holdings.readable(TEST_UID, info.id)).toBeDefined();
});
