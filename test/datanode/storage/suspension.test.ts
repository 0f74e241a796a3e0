import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BackgroundTasks } from '../../../base/background.ts';
import { systemEnv } from '../../../base/env.ts';
import { silentLogger } from '../../../base/log.ts';
import { Holdings } from '../../../datanode/storage/holdings.ts';
import { MemoryBudget } from '../../../datanode/storage/memory-budget.ts';
import { DiskStore } from '../../../datanode/storage/store.ts';
import { Suspension } from '../../../datanode/storage/suspension.ts';
import { Verifier } from '../../../datanode/storage/verifier.ts';
import type { ClusterView } from '../../../proto/gen/stele/v1/view.ts';
import { openSegment } from '../../../segment/reader.ts';
import { TEST_UID, numberedPairs, segmentsOf } from '../../support/segments/segments.ts';
import { tempDir } from '../../support/temp-dir.ts';

const SEGMENTS = segmentsOf(numberedPairs(100), 4);

const viewOf = (suspended: boolean): ClusterView =>
  ({ keyspaces: [{ uid: TEST_UID, suspended }] }) as unknown as ClusterView;

/** A keyspace that was taken in and then suspended. */
async function suspendedKeyspace() {
  const folder = tempDir();
  const store = new DiskStore({ folder, diskReserveBytes: 0, log: silentLogger });
  await store.prepare();
  const holdings = new Holdings();
  for (const { bytes, info } of SEGMENTS) {
    await store.write(TEST_UID, info.id, bytes);
    holdings.add(TEST_UID, info.id, openSegment(bytes));
  }
  const background = new BackgroundTasks(silentLogger);
  const suspension = new Suspension({
    holdings,
    store,
    verifier: new Verifier({ verified: store.verified, threadsKept: 0, threadsMax: 1 }),
    memory: new MemoryBudget(holdings, 1024 ** 3),
    background,
    log: silentLogger,
    env: systemEnv,
  });
  suspension.apply(viewOf(true));
  await background.settled();
  const resume = async (): Promise<void> => {
    suspension.apply(viewOf(false));
    await background.settled();
  };
  return { folder, holdings, resume, suspension };
}

describe('a keyspace that is brought back into memory', () => {
  it('has all its segments again', async () => {
    const { holdings, resume, suspension } = await suspendedKeyspace();
    expect(holdings.segmentBytes).toBe(0);
    await resume();
    expect(holdings.parkedOf(TEST_UID)).toEqual([]);
    expect([...holdings.of(TEST_UID)]).toHaveLength(SEGMENTS.length);
    expect(suspension.report()).toBeUndefined();
  });

  it.each([
    ['in the records', 300],
    ['in the number of its format', 8],
  ])('comes back without a file that is bad %s, which is set aside', async (_what, at) => {
    const { folder, holdings, resume, suspension } = await suspendedKeyspace();
    const { id } = SEGMENTS[1]!.info;
    const path = join(folder, 'segments', TEST_UID, `${id}.seg`);
    const bytes = readFileSync(path);
    bytes[at]! ^= 4;
    writeFileSync(path, bytes);
    await resume();
    expect(holdings.has(TEST_UID, id)).toBe(false);
    expect([...holdings.of(TEST_UID)]).toHaveLength(SEGMENTS.length - 1);
    expect(readdirSync(join(folder, 'quarantine'))).toHaveLength(1);
    expect(suspension.report()).toBeUndefined();
  });
});
