import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { BackgroundTasks } from '../../../base/background.ts';
import { silentLogger } from '../../../base/log.ts';
import { Copier } from '../../../datanode/transfer/copier.ts';
import { IntakeBrake } from '../../../datanode/transfer/intake-brake.ts';
import { ObjectStores } from '../../../datanode/transfer/object-stores.ts';
import type { CopyOrder } from '../../../proto/gen/stele/v1/datanode.ts';
import type { FetchTarget } from '../../../proto/ports.ts';
import type { SegmentWish } from '../../../proto/segment-transfer.ts';

const MIB = 1024 * 1024;
const PART_BYTES = 64 * 1024;
const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

/** A copier whose peers send everything at once. */
function copierBeside(readsPerSecond: number) {
  const brake = new IntakeBrake(() => (performance.now() / 1000) * readsPerSecond);
  const seen = { fetching: 0, fetchingMax: 0, stored: 0 };
  async function fetchSegment(_wish: SegmentWish, into: FetchTarget): Promise<void> {
    seen.fetchingMax = Math.max(seen.fetchingMax, ++seen.fetching);
    for (let left = into.byteLength; left > 0; left -= PART_BYTES) {
      const pauseMs = into.pace(Math.min(left, PART_BYTES));
      if (pauseMs > 0) await sleep(pauseMs);
      else await Promise.resolve();
    }
    seen.fetching--;
  }
  const copier = new Copier({
    intake: {
      claim: () => false,
      open: async ({ byteLength }: { byteLength: number }) => ({
        ...{ byteLength, room: new Uint8Array(1), filled: () => undefined },
        ...{ finish: async () => void seen.stored++, abandon: () => undefined },
      }),
    } as never,
    stores: new ObjectStores(() => Promise.reject(new Error('no store here'))),
    links: { connect: () => ({ fetchSegment, close: () => undefined }) } as never,
    ...{ brake, concurrency: 2, log: silentLogger },
    background: new BackgroundTasks(silentLogger),
  });
  ends.push(() => {
    copier.close();
    brake.close();
  });
  /** Resolves when all copies are there, to the time taken in milliseconds. */
  const copy = async (bytes: number, count: number, bytesPerSecondMax: number): Promise<number> => {
    const startedMs = performance.now();
    const goal = seen.stored + count;
    const orders = Array.from({ length: count }, (_unused, at): CopyOrder => {
      const id = `segment-${at}`;
      const address = { host: 'peer', httpPort: 1, respPort: 2, grpcPort: 3 };
      const segment = { id, fileBytes: bytes } as CopyOrder['segment'];
      return { keyspaceUid: 'uid', segment, sources: [{ nodeId: 'peer', address }] };
    });
    expect(copier.accept(orders, bytesPerSecondMax)).toBe(count);
    await expect.poll(() => seen.stored, { timeout: 20_000, interval: 5 }).toBe(goal);
    return performance.now() - startedMs;
  };
  return { brake, copy, seen };
}

/** The thread that answers readers is busy for 10 ms of every 11. */
function keepBusy(): void {
  const timer = setInterval(() => {
    const untilMs = performance.now() + 10;
    while (performance.now() < untilMs) continue;
  }, 1);
  ends.push(() => clearInterval(timer));
}

test('a repair copy is slowed down to a few MiB a second while reads come late', async () => {
  keepBusy();
  const { brake, copy } = copierBeside(2000);
  const tookMs = await copy(2 * MIB, 3, 0);
  expect(brake.bytesPerSecond).toBeLessThan(8 * MIB);
  // 6 MiB at 8 MiB/s, and slower once it is late.
  expect(tookMs).toBeGreaterThan(750);
});

test('without readers it is not slowed down, however late it is', async () => {
  keepBusy();
  const { brake, copy } = copierBeside(0);
  await copy(2 * MIB, 1, 0);
  await expect.poll(() => brake.bytesPerSecond, { timeout: 5_000 }).toBe(Infinity);
  const sleepless = await copy(2 * MIB, 3, 0);
  expect(brake.bytesPerSecond).toBe(Infinity);
  expect(sleepless).toBeLessThan(5_000);
});

test('all copies together keep to the byte rate of the order, however many run at once', async () => {
  const { copy, seen } = copierBeside(0);
  const tookMs = await copy(256 * 1024, 6, 2 * MIB);
  expect(tookMs).toBeGreaterThan(650);
  expect(seen.fetchingMax).toBe(2);
});
