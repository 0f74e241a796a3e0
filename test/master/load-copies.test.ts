// The copies that a load and a promote need, and the report if there are fewer than there should
// be.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { eligibleNodes } from '../../master/core/world/world.ts';
import { ControlPlane, until } from './control-plane.ts';

let plane: ControlPlane;
beforeEach(async () => {
  plane = new ControlPlane();
  await plane.start();
});
afterEach(() => plane.close());

/** A datanode dies and stays away for longer than the repair delay. */
async function loseForLong(id: string): Promise<void> {
  plane.network.nodes.get(id)!.alive = false;
  const counts = (): boolean => eligibleNodes(plane.leader.world).some((node) => node.id === id);
  await until(() => !counts(), `that ${id} no longer counts`);
}

/** The last event, with its reason. */
async function lastEvents(limit = 1): Promise<string[]> {
  const { events } = await plane.operations.listEvents({ keyspace: 'prices', limit });
  return events.map(({ reason, what }) => `${what}: ${reason}`);
}

describe('the copies that a load needs', () => {
  test('are those of its keyspace, and fewer where fewer datanodes count; it says so', async () => {
    await plane.join('a', 'b');
    await loseForLong('b');
    const segments = plane.segments();
    const load = await plane.begin('prices');
    plane.push(load, segments);
    await expect(plane.commit(load, segments, { minReplicas: 2 })).rejects.toMatchObject({
      code: 'REPLICAS_MISSING',
    });
    const few = { version: 1, replicas: 1, replication: 2 };
    expect(await plane.commit(load, segments)).toMatchObject(few);
    // A client that missed the answer gets the same one.
    expect(await plane.commit(load, segments)).toMatchObject(few);
    expect((await lastEvents(2)).sort()).toEqual([
      'commit: 1 of 2 copies',
      'load-committed: 1 of 2 copies',
    ]);
  });

  test('are not told of where there are enough', async () => {
    await plane.join('a', 'b', 'c');
    const segments = plane.segments();
    const load = await plane.begin('prices');
    plane.push(load, segments);
    // One more copy than wanted.
    for (const { id } of segments) {
      for (const node of plane.network.nodes.values()) node.store(load.keyspaceUid, id);
    }
    const enough = { replicas: 2, replication: 2 };
    expect(await plane.commit(load, segments)).toMatchObject(enough);
    expect((await lastEvents(2)).sort()).toEqual(['commit: ', 'load-committed: ']);
  });
});

describe('a promote', () => {
  test('needs no more copies than there are datanodes that count, and says how many it has', async () => {
    await plane.join('a', 'b');
    await plane.load('prices');
    await plane.load('prices');
    await loseForLong('b');
    await plane.operations.rollback({ keyspace: 'prices', to: 1 });
    expect(await plane.operations.promote({ keyspace: 'prices', to: 2 })).toEqual({
      version: 2,
      from: 1,
    });
    expect(await lastEvents()).toEqual(['promote: 1 of 2 copies']);
  });
});
