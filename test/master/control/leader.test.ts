import { versionId } from '../../../master/catalog/records.ts';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { LoadMode } from '../../../proto/gen/stele/v1/load.ts';
import { HealthStatus, NodeState } from '../../../proto/gen/stele/v1/view.ts';
import { ControlPlane, SHARDS, until } from '../control-plane.ts';

let plane: ControlPlane;
beforeEach(async () => {
  plane = new ControlPlane();
  await plane.start();
});
afterEach(() => plane.close());

const health = () => plane.leader.health.status;
const isGreen = () => health() === HealthStatus.GREEN;

describe('a cluster without data', () => {
  test('is not ready before a datanode serves, and is afterwards', async () => {
    expect(plane.leader.current().ready).toBe(false);
    expect(health()).toBe(HealthStatus.RED);
    await plane.join('a');
    await until(() => plane.leader.current().ready, 'ready');
    expect(isGreen()).toBe(true);
  });

  test('refuses a datanode of another cluster, and a second one of the same id', async () => {
    const [a] = await plane.join('a');
    await expect(plane.register(a!, 'elsewhere')).rejects.toMatchObject({ code: 'WRONG_NODE' });
    const double = plane.network.add('double');
    Object.defineProperty(double, 'id', { value: 'a' });
    await expect(plane.register(double)).rejects.toMatchObject({ code: 'WRONG_NODE' });
    a!.alive = false;
    await expect(plane.register(double)).resolves.toMatchObject({ clusterId: 'c000000000000001' });
  });
});

describe('what throws', () => {
  test('a listener: the others get the view, and the control loop goes on', async () => {
    const seen: number[] = [];
    plane.leader.subscribe(() => {
      throw new Error('broken');
    });
    plane.leader.subscribe(({ revision }) => seen.push(revision));
    await plane.join('a', 'b');
    await until(() => plane.leader.current().ready, 'ready');
    expect(seen.at(-1)).toBe(plane.leader.current().revision);
  });

  test('a turn: the next one is as if it had not been', async () => {
    const { catalog } = plane.leader;
    const broken = Object.defineProperty({}, 'keyspace', {
      get: () => {
        throw new Error('broken');
      },
    });
    const { state } = catalog;
    Object.defineProperty(catalog, 'state', { value: broken, configurable: true });
    expect(() => plane.leader.turn()).not.toThrow();
    Object.defineProperty(catalog, 'state', { value: state, configurable: true });
    await plane.join('a');
    await until(() => plane.leader.current().ready, 'ready');
  });
});

describe('a load', () => {
  test('becomes visible at the commit, on all nodes, with the next version', async () => {
    await plane.join('a', 'b', 'c');
    expect((await plane.load('prices')).version).toBe(1);
    expect((await plane.load('prices')).version).toBe(2);
    const view = plane.leader.current();
    expect(view.keyspaces).toMatchObject([
      { name: 'prices', index: 1, currentVersion: 2, versions: [1, 2] },
    ]);
    expect(view.routes.every((route) => route.nodes.length === 2)).toBe(true);
    expect(isGreen()).toBe(true);
    for (const node of plane.network.nodes.values()) {
      expect(node.view?.keyspaces[0]?.currentVersion).toBe(2);
      expect(node.manifests.size).toBe(2);
    }
  });

  test('with too few replicas is refused, shows nothing, and keeps its number for the same content', async () => {
    const [a] = await plane.join('a', 'b');
    const load = await plane.begin('prices');
    const segments = plane.segments();
    plane.push(load, segments);
    a!.lose(load.keyspaceUid, segments[3]!.id);
    await expect(plane.commit(load, segments)).rejects.toMatchObject({ code: 'REPLICAS_MISSING' });
    expect(plane.leader.current().keyspaces[0]?.currentVersion).toBe(0);
    a!.store(load.keyspaceUid, segments[3]!.id);
    expect((await plane.commit(load, segments)).version).toBe(1);
    expect((await plane.commit(load, segments)).version).toBe(1);
  });

  test('of other content never takes a number that datanodes have seen', async () => {
    await plane.join('a', 'b');
    const first = await plane.begin('prices');
    await expect(plane.commit(first, plane.segments())).rejects.toMatchObject({
      code: 'REPLICAS_MISSING',
    });
    const other = plane.segments();
    plane.push(first, other);
    expect((await plane.commit(first, other)).version).toBe(2);
    await until(
      () => [...plane.network.nodes.values()].every((node) => node.manifests.size === 1),
      'the refused manifest is dropped',
    );
  });

  test('whose counts or digest do not add up is rejected', async () => {
    await plane.join('a', 'b');
    const load = await plane.begin('prices');
    const segments = plane.segments();
    plane.push(load, segments);
    const request = {
      loadId: load.loadId,
      shards: segments.map((segment) => ({ segment, nodeIds: [] })),
      records: segments.reduce((sum, segment) => sum + segment.records, 0),
      keyBytes: SHARDS * 5,
      valueBytes: SHARDS * 7,
      digest: Buffer.alloc(16),
      minReplicas: 0,
      gate: undefined,
      keep: 0,
    };
    await expect(plane.loads.commitLoad(request)).rejects.toMatchObject({
      code: 'LOAD_REJECTED',
      message: expect.stringContaining('digests') as string,
    });
    await expect(plane.loads.commitLoad({ ...request, records: 1 })).rejects.toMatchObject({
      message: expect.stringContaining('1') as string,
    });
  });

  test('keeps a second one out and says which; skips what is current; resumes by id', async () => {
    await plane.join('a', 'b');
    const load = await plane.begin('prices', { source: 'first.csv', inputFingerprint: 'f' });
    await expect(plane.begin('prices')).rejects.toMatchObject({
      code: 'LOAD_IN_PROGRESS',
      message: expect.stringMatching(new RegExp(`${load.loadId}.*first.csv`)) as string,
    });
    expect((await plane.begin('prices', { loadId: load.loadId })).loadId).toBe(load.loadId);
    const segments = plane.segments();
    plane.push(load, segments);
    await plane.commit(load, segments);
    const again = await plane.begin('prices', { inputFingerprint: 'f', skipIfCurrent: true });
    expect(again).toMatchObject({ alreadyCurrent: true, currentVersion: 1 });
    expect(await plane.begin('prices', { loadId: load.loadId })).toMatchObject({
      alreadyCurrent: true,
    });
    await expect(plane.begin('prices', { loadId: 'nope' })).rejects.toMatchObject({
      code: 'LOAD_NOT_FOUND',
    });
    await expect(plane.begin('a/b')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(plane.begin('x', { mode: 3 as LoadMode })).rejects.toMatchObject({
      code: 'UNSUPPORTED',
    });
  });

  test('gives `default` the index 0 and others the next ones', async () => {
    await plane.join('a', 'b');
    for (const name of ['x', 'default', 'y']) await plane.load(name);
    const { keyspaces } = await plane.operations.listKeyspaces();
    expect(keyspaces.map(({ name, index }) => [name, index])).toEqual([
      ['default', 0],
      ['x', 1],
      ['y', 2],
    ]);
  });
});

describe('a datanode that dies', () => {
  test('turns the cluster YELLOW at once, and GREEN after the delay with all replicas elsewhere', async () => {
    const [a] = await plane.join('a', 'b', 'c');
    const { uid, ids } = await plane.load('prices');
    a!.alive = false;
    await until(() => health() === HealthStatus.YELLOW, 'yellow');
    expect(plane.leader.current().routes.every((route) => route.nodes.length > 0)).toBe(true);
    await until(() => plane.leader.world.nodes.get('a')?.liveness === 'DOWN', 'down');
    expect(health()).toBe(HealthStatus.YELLOW);
    await until(isGreen, 'green');
    expect(plane.replicas(uid, ids)).toBe(2);
    expect((await plane.operations.health({ waitFor: 1, timeoutMs: 0 })).reached).toBe(true);
  });

  test('and comes back within the delay moves nothing', async () => {
    const nodes = await plane.join('a', 'b', 'c');
    await plane.load('prices');
    nodes[0]!.alive = false;
    await until(() => plane.leader.world.nodes.get('a')?.liveness === 'DOWN', 'down');
    nodes[0]!.alive = true;
    await until(isGreen, 'green');
    expect(nodes.map((node) => node.copiesDone)).toEqual([0, 0, 0]);
  });

  test('and comes back later is used with the files it has; the surplus goes', async () => {
    const [a] = await plane.join('a', 'b', 'c');
    const { uid, ids } = await plane.load('prices');
    const before = a!.segments.size;
    a!.alive = false;
    await until(() => plane.leader.world.nodes.get('a')?.liveness === 'DOWN', 'down');
    await until(isGreen, 'green without it');
    a!.restart();
    await plane.register(a!);
    const total = () =>
      [...plane.network.nodes.values()].reduce((sum, node) => sum + node.segments.size, 0);
    await until(() => total() === 2 * ids.length && isGreen(), 'the surplus is gone');
    expect(a!.copiesDone).toBe(0);
    expect(a!.segments.size).toBe(before);
    expect(plane.replicas(uid, ids)).toBe(2);
  });

  test('with the last replica turns its shards RED and the cluster unready, until it is back', async () => {
    const [a, b] = await plane.join('a', 'b');
    await plane.load('prices');
    a!.alive = false;
    b!.alive = false;
    await until(() => health() === HealthStatus.RED, 'red');
    expect(plane.leader.current().ready).toBe(false);
    expect((await plane.operations.health({ waitFor: 0, timeoutMs: 0 })).uncovered).toHaveLength(
      SHARDS,
    );
    a!.alive = true;
    await until(() => plane.leader.current().ready, 'ready');
  });

  test('is fetched again where a copy was lost, also after the copy failed once', async () => {
    const [a, b] = await plane.join('a', 'b');
    const { uid, ids } = await plane.load('prices');
    a!.copyFails = true;
    a!.lose(uid, ids[0]!);
    await until(() => health() === HealthStatus.YELLOW, 'yellow');
    a!.copyFails = false;
    await until(isGreen, 'green');
    expect([a!.copiesDone, b!.copiesDone]).toEqual([1, 0]);
  });
});

describe('versions', () => {
  test('a rollback goes back at once, forward again by number, and says what is not there', async () => {
    await plane.join('a', 'b');
    await plane.load('prices');
    await plane.load('prices');
    expect(await plane.operations.rollback({ keyspace: 'prices', to: 0 })).toEqual({
      version: 1,
      from: 2,
    });
    expect(plane.network.nodes.get('a')?.view?.keyspaces[0]?.currentVersion).toBe(1);
    expect((await plane.operations.rollback({ keyspace: 'prices', to: 2 })).version).toBe(2);
    await expect(plane.operations.rollback({ keyspace: 'prices', to: 7 })).rejects.toMatchObject({
      code: 'VERSION_NOT_FOUND',
    });
    await expect(plane.operations.rollback({ keyspace: 'nix', to: 0 })).rejects.toMatchObject({
      code: 'KEYSPACE_NOT_FOUND',
    });
  });

  test('older than the one to roll back to leave every node', async () => {
    await plane.join('a', 'b');
    const first = await plane.load('prices');
    const second = await plane.load('prices');
    const third = await plane.load('prices');
    const held = (load: { uid: string; ids: string[] }) => plane.replicas(load.uid, load.ids);
    await until(() => held(first) === 0, 'version 1 is gone');
    expect([held(second), held(third)]).toEqual([2, 2]);
    const { catalog } = plane.leader;
    await until(
      () => !catalog.state.manifest.has(versionId(first.uid, 1)),
      'its manifest is forgotten',
    );
    expect((await plane.operations.listVersions({ keyspace: 'prices' })).versions).toMatchObject([
      { version: 2, current: false },
      { version: 3, current: true },
    ]);
  });

  test('a dropped keyspace leaves the view at once and the nodes soon; its name is free', async () => {
    const [a] = await plane.join('a', 'b');
    const old = await plane.load('prices');
    await plane.operations.dropKeyspace({ keyspace: 'prices' });
    expect(plane.leader.current().keyspaces).toEqual([]);
    await until(() => plane.leader.catalog.state.keyspace.size === 0, 'the record is gone');
    expect(a!.segments.size).toBe(0);
    expect(a!.manifests.size).toBe(0);
    const fresh = await plane.load('prices');
    expect(fresh.version).toBe(1);
    expect(fresh.uid).not.toBe(old.uid);
  });

  test('segments of an unknown keyspace are left alone', async () => {
    const [a] = await plane.join('a', 'b');
    a!.store('ffffffffffffffff', 'mystery');
    await plane.load('prices');
    await until(isGreen, 'green');
    expect(a!.segments.has('ffffffffffffffff mystery')).toBe(true);
  });
});

describe('membership by wish', () => {
  test('a drained node serves on until others have its shards, then says so', async () => {
    const [a] = await plane.join('a', 'b', 'c');
    const { uid, ids } = await plane.load('prices');
    await plane.operations.drainNode('a');
    const stateOfA = () => plane.leader.current().nodes.find((node) => node.id === 'a')?.state;
    await until(() => stateOfA() === NodeState.DRAINED, 'drained');
    expect(isGreen()).toBe(true);
    a!.alive = false;
    expect(plane.replicas(uid, ids)).toBe(2);
    await plane.operations.resumeNode('a');
    a!.alive = true;
    await until(() => stateOfA() === NodeState.SERVING, 'serving');
  });

  test('a node is removed only when it is silent', async () => {
    const [a] = await plane.join('a', 'b');
    await expect(plane.operations.removeNode('a', false)).rejects.toMatchObject({
      code: 'CONFLICT',
    });
    await expect(plane.operations.removeNode('zz', false)).rejects.toMatchObject({
      code: 'NODE_NOT_FOUND',
    });
    a!.alive = false;
    await until(() => plane.leader.world.nodes.get('a')?.liveness === 'DOWN', 'down');
    await plane.operations.removeNode('a', false);
    expect(plane.leader.current().nodes.map((node) => node.id)).toEqual(['b']);
  });

  test('a node that may have the only copies of something is not removed, unless by force', async () => {
    const [a, b] = await plane.join('a', 'b');
    const { uid, ids } = await plane.load('prices');
    a!.lose(uid, ids[3]!);
    a!.copyFails = true;
    a!.lose(uid, ids[5]!);
    b!.alive = false;
    await until(() => plane.leader.world.nodes.get('b')?.liveness === 'DOWN', 'down');
    await expect(plane.operations.removeNode('b', false)).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining("shards 3, 5 of 'prices' version 1") as string,
    });
    await plane.operations.removeNode('b', true);
    expect(plane.leader.current().nodes.map((node) => node.id)).toEqual(['a']);
  });

  test('a node of which nothing was heard since the start is not removed without a copy elsewhere', async () => {
    const [a, b] = await plane.join('a', 'b');
    await plane.load('prices');
    await plane.stop();
    b!.alive = false;
    a!.alive = false;
    await plane.start();
    const livenessOf = (id: string) => plane.leader.world.nodes.get(id)?.liveness;
    await until(() => livenessOf('b') === 'DOWN', 'down');
    await expect(plane.operations.removeNode('b', false)).rejects.toMatchObject({
      code: 'CONFLICT',
    });
    a!.alive = true;
    await until(() => plane.leader.current().ready, 'the other one has everything');
    await plane.operations.removeNode('b', false);
  });

  test('a drain that is taken back in the middle leaves two copies of all and no more', async () => {
    const nodes = await plane.join('a', 'b', 'c');
    const { uid, ids } = await plane.load('prices');
    for (const node of nodes) node.copyFails = true;
    await plane.operations.drainNode('a');
    const stateOfA = () => plane.leader.current().nodes.find((node) => node.id === 'a')?.state;
    await until(() => stateOfA() === NodeState.DRAINING, 'draining');
    await plane.operations.resumeNode('a');
    for (const node of nodes) node.copyFails = false;
    const total = () => nodes.reduce((sum, node) => sum + node.segments.size, 0);
    await until(() => stateOfA() === NodeState.SERVING && isGreen(), 'serving');
    await until(() => total() === 2 * ids.length, 'what was copied meanwhile is gone');
    expect(plane.replicas(uid, ids)).toBe(2);
  });

  test('a drained node is draining again where who took its replicas is gone', async () => {
    const [, b] = await plane.join('a', 'b');
    await plane.load('prices');
    await plane.operations.drainNode('a');
    const stateOfA = () => plane.leader.current().nodes.find((node) => node.id === 'a')?.state;
    await until(() => stateOfA() === NodeState.DRAINED, 'drained');
    b!.alive = false;
    await until(() => stateOfA() === NodeState.DRAINING, 'its copies are needed');
  });

  test('a joining node takes its share', async () => {
    await plane.join('a', 'b');
    const { uid, ids } = await plane.load('prices');
    const [c] = await plane.join('c');
    await until(() => c!.segments.size > 0 && isGreen(), 'it has data');
    const total = () =>
      [...plane.network.nodes.values()].reduce((sum, node) => sum + node.segments.size, 0);
    await until(() => total() === 2 * ids.length, 'the rest is cleaned up');
    expect(plane.replicas(uid, ids)).toBe(2);
  });
});
