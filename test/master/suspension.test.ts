import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { HealthStatus } from '../../proto/gen/stele/v1/view.ts';
import { ControlPlane, until } from './control-plane.ts';

let plane: ControlPlane;
beforeEach(async () => {
  plane = new ControlPlane();
  await plane.start();
});
afterEach(() => plane.close());

const isGreen = () => plane.leader.health.status === HealthStatus.GREEN;
const summary = async (name = 'prices') => {
  const { keyspaces } = await plane.operations.listKeyspaces();
  return keyspaces.find((keyspace) => keyspace.name === name);
};
const reaches = (state: string) =>
  until(() => {
    const { uid = '' } = plane.leader.current().keyspaces[0] ?? {};
    return plane.leader.observed(uid)?.state === state;
  }, state);
/** Advances the master's clock, a little with each check. */
const reachesInTime = (state: string) =>
  until(() => {
    plane.skippedMs += 100;
    const { uid = '' } = plane.leader.current().keyspaces[0] ?? {};
    return plane.leader.observed(uid)?.state === state;
  }, state);
const inView = () => plane.leader.current().keyspaces[0];

describe('a suspended keyspace', () => {
  test('is freed on all datanodes, keeps its files, and leaves the cluster green and ready', async () => {
    const [a, b] = await plane.join('a', 'b');
    const { uid, ids } = await plane.load('prices');
    await plane.load('other');
    await plane.operations.suspendKeyspace({ keyspace: 'prices' });
    expect(inView()).toMatchObject({ name: 'prices', suspended: true });
    await reaches('SUSPENDED');
    expect([a!.parked.has(uid), b!.parked.has(uid)]).toEqual([true, true]);
    expect(plane.replicas(uid, ids)).toBe(2);
    expect(plane.leader.current()).toMatchObject({ ready: true, health: HealthStatus.GREEN });
    expect((await summary('other'))?.state).toBe('RUNNING');
  });

  test('comes back when it is resumed: readers are refused until every shard is in memory', async () => {
    const [a, b] = await plane.join('a', 'b');
    await plane.load('prices');
    await plane.operations.suspendKeyspace({ keyspace: 'prices' });
    await reaches('SUSPENDED');
    a!.memoryFull = true;
    b!.memoryFull = true;
    await plane.operations.resumeKeyspace({ keyspace: 'prices' });
    expect(inView()).toMatchObject({ suspended: true, resuming: true });
    expect(plane.leader.current().ready).toBe(true);
    await reachesInTime('REPAIRING');
    expect((await summary())?.repairing).toMatchObject({
      from: 'INITIALIZING',
      error: 'datanode a: no memory',
      needsPerson: false,
    });
    b!.memoryFull = false;
    await reachesInTime('RUNNING');
    await until(() => inView()?.suspended === undefined, 'readers are answered');
    a!.memoryFull = false;
  });

  test('loses no copy: a datanode that dies is replaced from the disks of the others', async () => {
    const [a] = await plane.join('a', 'b', 'c');
    const { uid, ids } = await plane.load('prices');
    await plane.operations.suspendKeyspace({ keyspace: 'prices' });
    await reaches('SUSPENDED');
    a!.alive = false;
    await until(() => plane.leader.health.status === HealthStatus.YELLOW, 'yellow');
    await until(isGreen, 'green');
    expect(plane.replicas(uid, ids)).toBe(2);
    await reaches('SUSPENDED');
  });

  test('is suspended still after a master restart, and a resume goes on after one', async () => {
    const [a, b] = await plane.join('a', 'b');
    await plane.load('prices');
    await plane.operations.suspendKeyspace({ keyspace: 'prices' });
    await reaches('SUSPENDED');
    await plane.stop();
    await plane.start();
    await until(isGreen, 'green');
    expect(inView()?.suspended).toBe(true);
    await reaches('SUSPENDED');
    a!.memoryFull = true;
    b!.memoryFull = true;
    await plane.operations.resumeKeyspace({ keyspace: 'prices' });
    await reaches('INITIALIZING');
    await plane.stop();
    await plane.start();
    await until(isGreen, 'green');
    expect(inView()).toMatchObject({ suspended: true, resuming: true });
    a!.memoryFull = false;
    b!.memoryFull = false;
    await reachesInTime('RUNNING');
  });

  test('takes no load, rollback or promote; a running load keeps it from being suspended', async () => {
    await plane.join('a', 'b');
    await plane.load('prices');
    await plane.load('prices');
    const load = await plane.begin('prices');
    const suspend = () => plane.operations.suspendKeyspace({ keyspace: 'prices' });
    await expect(suspend()).rejects.toMatchObject({ code: 'LOAD_IN_PROGRESS' });
    await plane.operations.cancelLoad({ loadId: load.loadId, reason: '' });
    await suspend();
    const refused = { code: 'SUSPENDED' };
    await expect(plane.begin('prices')).rejects.toMatchObject(refused);
    const { operations } = plane;
    await expect(operations.rollback({ keyspace: 'prices', to: 0 })).rejects.toMatchObject(refused);
    await expect(operations.promote({ keyspace: 'prices', to: 1 })).rejects.toMatchObject(refused);
    await expect(operations.suspendKeyspace({ keyspace: 'nix' })).rejects.toMatchObject({
      code: 'KEYSPACE_NOT_FOUND',
    });
  });

  test('can be dropped; the observed record goes with the others', async () => {
    const [a] = await plane.join('a', 'b');
    await plane.load('prices');
    await plane.operations.suspendKeyspace({ keyspace: 'prices' });
    await reaches('SUSPENDED');
    const { catalog } = plane.leader;
    await until(() => catalog.state.observed.size === 1, 'noted');
    await plane.operations.dropKeyspace({ keyspace: 'prices' });
    await until(() => catalog.state.keyspace.size === 0, 'the record is gone');
    expect([a!.segments.size, catalog.state.observed.size]).toEqual([0, 0]);
  });
});

describe('a keyspace that is dropped', () => {
  test('while a datanode is away is REPAIRING, says so, and is finished when it is back', async () => {
    const [a] = await plane.join('a', 'b');
    const { uid } = await plane.load('prices');
    a!.alive = false;
    await plane.operations.dropKeyspace({ keyspace: 'prices' });
    await until(() => plane.leader.world.nodes.get('a')?.liveness === 'DOWN', 'down');
    plane.skippedMs += 61_000;
    const state = () => plane.leader.observed(uid);
    await until(() => state()?.state === 'REPAIRING', 'repairing');
    expect(state()?.repairing).toMatchObject({
      from: 'DELETING',
      error: 'not known to be rid of it, because silent: a',
    });
    await plane.stop();
    await plane.start();
    expect((await summary())?.state).toBe('REPAIRING');
    a!.alive = true;
    await until(() => plane.leader.catalog.state.keyspace.size === 0, 'the record is gone');
    expect(a!.segments.size).toBe(0);
  });
});

describe('a running keyspace', () => {
  test('without a replica of a shard is REPAIRING, and RUNNING again by itself', async () => {
    const nodes = await plane.join('a', 'b');
    await plane.load('prices');
    for (const node of nodes) node.alive = false;
    await until(() => plane.leader.health.status === HealthStatus.RED, 'red');
    await reachesInTime('REPAIRING');
    const repairing = (await summary())?.repairing;
    expect(repairing).toMatchObject({ from: 'RUNNING', attempts: expect.any(Number) as number });
    expect(repairing?.error).toMatch(/^no datanode that serves has shards 0, 1, 2/);
    for (const node of nodes) node.alive = true;
    await reaches('RUNNING');
    const noted = () => [...plane.leader.catalog.state.observed.values()];
    await until(() => noted().every(({ state }) => state === 'RUNNING'), 'noted');
  });
});
