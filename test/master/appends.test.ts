import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LoadMode } from '../../proto/gen/stele/v1/load.ts';
import { MergeState } from '../../proto/gen/stele/v1/datanode.ts';
import { HealthStatus } from '../../proto/gen/stele/v1/view.ts';
import { versionId } from '../../master/catalog/records.ts';
import { ControlPlane, SHARDS, until } from './control-plane.ts';
import type { FakeDatanode } from './fake-datanodes.ts';

let plane: ControlPlane;
let nodes: FakeDatanode[];
beforeEach(async () => {
  plane = new ControlPlane();
  await plane.start();
  nodes = await plane.join('a', 'b', 'c');
});
afterEach(() => plane.close());

const APPEND = { mode: LoadMode.APPEND };

async function append() {
  const load = await plane.begin('prices', APPEND);
  const segments = plane.segments();
  plane.push(load, segments);
  const response = await plane.commit(load, segments);
  return { ...response, uid: load.keyspaceUid, segments };
}

const manifestOf = (uid: string, version: number) =>
  plane.leader.catalog.state.manifest.get(versionId(uid, version))!;

const deltasOf = (uid: string, version: number): number =>
  manifestOf(uid, version).segments.length / SHARDS - 1;

/** Versions 1 to 5: a base and four deltas, which is as many as are left alone. */
async function fourDeltas(): Promise<{ uid: string; digest: string }> {
  await append();
  for (let delta = 0; delta < 4; delta++) await append();
  const [keyspace] = plane.leader.catalog.state.keyspace.values();
  const uid = keyspace!.uid;
  expect(deltasOf(uid, 5)).toBe(4);
  return { uid, digest: plane.leader.catalog.state.version.get(versionId(uid, 5))!.digest };
}

describe('an append', () => {
  test('to nothing is a version like any other', async () => {
    const { append: outcome, records, segments, uid, version } = await append();
    const sum = segments.reduce((total, segment) => total + segment.records, 0);
    expect({ version, records }).toEqual({ version: 1, records: sum });
    expect(outcome).toEqual({ baseVersion: 0, added: sum, replaced: 0, unchanged: 0 });
    expect(manifestOf(uid, 1).segments.map(({ id }) => id)).toEqual(segments.map(({ id }) => id));
  });

  test('makes a version of the old segments with the new ones on them, and adds up', async () => {
    const first = await append();
    const second = await append();
    expect(second.version).toBe(2);
    expect(second.records).toBe(2 * first.records);
    expect(second.append).toEqual({ baseVersion: 1, added: 7 * SHARDS, replaced: 0, unchanged: 0 });
    const chains = manifestOf(second.uid, 2).segments;
    expect(chains.filter(({ shard }) => shard === 3).map(({ id }) => id)).toEqual([
      first.segments[3]!.id,
      second.segments[3]!.id,
    ]);
    expect(plane.leader.current().keyspaces).toMatchObject([
      { currentVersion: 2, records: second.records },
    ]);
    expect(plane.leader.health.status).toBe(HealthStatus.GREEN);
  });

  test('is refused when another version has become current, and goes on from there when taken up', async () => {
    await append();
    await append();
    const load = await plane.begin('prices', APPEND);
    const segments = plane.segments();
    plane.push(load, segments);
    await plane.operations.rollback({ keyspace: 'prices', to: 1 });
    await expect(plane.commit(load, segments)).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringMatching(/append to version 2.*version 1 .*run the same/) as string,
    });
    await plane.begin('prices', { ...APPEND, loadId: load.loadId });
    const done = await plane.commit(load, segments);
    expect(done.append?.baseVersion).toBe(1);
    expect(done.version).toBe(3);
  });

  test('is rejected where replicas do not agree on what it changes', async () => {
    await append();
    nodes[1]!.miscounts = true;
    await expect(append()).rejects.toMatchObject({
      code: 'LOAD_REJECTED',
      message: expect.stringMatching(/datanodes \w and \w do not agree/) as string,
    });
    expect(plane.leader.current().keyspaces[0]?.currentVersion).toBe(1);
  });

  test('waits for replicas that have the base as well', async () => {
    const { uid } = await append();
    const load = await plane.begin('prices', APPEND);
    const segments = plane.segments();
    plane.push(load, segments);
    const base = manifestOf(uid, 1).segments[0]!.id;
    const holder = nodes.find((node) => node.segments.has(`${uid} ${base}`))!;
    for (const node of nodes) node.copyFails = true;
    holder.lose(uid, base);
    await expect(plane.commit(load, segments)).rejects.toMatchObject({ code: 'REPLICAS_MISSING' });
    for (const node of nodes) node.copyFails = false;
    holder.store(uid, base);
    expect((await plane.commit(load, segments)).version).toBe(2);
  });

  test('of the current version`s own input is left out on request, a replace by it is not', async () => {
    await append();
    const fingerprinted = { inputFingerprint: 'f', skipIfCurrent: true };
    const load = await plane.begin('prices', { ...APPEND, ...fingerprinted });
    const segments = plane.segments();
    plane.push(load, segments);
    await plane.commit(load, segments);
    const again = await plane.begin('prices', { ...APPEND, ...fingerprinted });
    expect(again.alreadyCurrent).toBe(true);
    expect((await plane.begin('prices', fingerprinted)).alreadyCurrent).toBe(false);
  });
});

describe('an append to deltas that are not merged', () => {
  test('waits when there are sixteen of them, and is made once they are merged', async () => {
    const { uid } = await fourDeltas();
    nodes.forEach((node) => (node.merging = MergeState.WAITING));
    for (let delta = 4; delta < 16; delta++) await append();
    const load = await plane.begin('prices', APPEND);
    const segments = plane.segments();
    plane.push(load, segments);
    await expect(plane.commit(load, segments)).rejects.toMatchObject({
      code: 'OVERLOADED',
      message: expect.stringMatching(/Shard 0 has 16 deltas/) as string,
    });
    expect(plane.leader.current().keyspaces[0]?.currentVersion).toBe(17);
    nodes.forEach((node) => (node.merging = MergeState.DONE));
    await until(() => deltasOf(uid, 17) === 0, 'merged');
    expect(await plane.commit(load, segments)).toMatchObject({ version: 18 });
    expect(deltasOf(uid, 18)).toBe(1);
  });
});

describe('more than four deltas', () => {
  test('are merged by all replicas and take their place, with the same version and digest', async () => {
    const { uid } = await fourDeltas();
    const { version, records, digest } = await append();
    await until(() => deltasOf(uid, version) === 0, 'merged');
    const record = plane.leader.catalog.state.version.get(versionId(uid, version));
    expect(record).toMatchObject({ records, digest: digest.toString('hex') });
    expect(plane.leader.current().keyspaces[0]?.currentVersion).toBe(version);
    expect(plane.leader.health.status).toBe(HealthStatus.GREEN);
    // Every replica did it by itself.
    expect(nodes.reduce((sum, node) => sum + node.mergesDone, 0)).toBe(2 * SHARDS);
    // The version before has the same base and deltas but the last, and stays as it is.
    expect(deltasOf(uid, version - 1)).toBe(4);
  });

  test('go from the nodes once these have the new manifest', async () => {
    const { uid } = await fourDeltas();
    const { segments, version } = await append();
    const isHere = (id: string): boolean => nodes.some((node) => node.segments.has(`${uid} ${id}`));
    await until(() => segments.every(({ id }) => !isHere(id)), 'the last deltas are gone');
    for (const node of nodes) {
      expect(node.manifests.get(versionId(uid, version))?.revision).toBeGreaterThan(0);
    }
    // The version before still needs the others.
    const kept = manifestOf(uid, version - 1).segments;
    expect(kept.every(({ id }) => isHere(id))).toBe(true);
    await plane.operations.rollback({ keyspace: 'prices', to: version - 1 });
    expect(plane.leader.health.status).toBe(HealthStatus.GREEN);
  });

  test('stay in place while a replica is not done, and while a load is being committed', async () => {
    const { uid } = await fourDeltas();
    nodes[2]!.merging = MergeState.WAITING;
    const { version } = await append();
    await until(() => nodes[0]!.mergesDone > 0 && nodes[1]!.mergesDone > 0, 'two are done');
    const shared = manifestOf(uid, version).segments.filter(({ id }) =>
      nodes[2]!.segments.has(`${uid} ${id}`),
    );
    expect(shared.length).toBeGreaterThan(0);
    plane.leader.committing.set('load', uid);
    nodes[2]!.merging = MergeState.DONE;
    await until(() => nodes[2]!.mergesDone > 0, 'the third is done');
    const isAsBefore = shared.every(({ id }) =>
      manifestOf(uid, version).segments.some((one) => one.id === id),
    );
    expect(isAsBefore).toBe(true);
    plane.leader.committing.delete('load');
    await until(() => deltasOf(uid, version) === 0, 'merged');
  });

  test('are copied by a node that cannot merge them', async () => {
    const { uid } = await fourDeltas();
    nodes[0]!.merging = MergeState.FAILED;
    const { version } = await append();
    await until(() => deltasOf(uid, version) === 0, 'merged');
    expect(nodes[0]!.mergesDone).toBe(0);
    expect(nodes[0]!.copiesDone).toBeGreaterThan(0);
  }, 20_000);

  test('are merged without a node that is away; it gets the result when it is back', async () => {
    const { uid } = await fourDeltas();
    nodes.forEach((node) => (node.merging = MergeState.WAITING));
    const { version } = await append();
    nodes[0]!.alive = false;
    await until(() => plane.leader.world.nodes.get('a')?.liveness === 'DOWN', 'a is down');
    nodes.forEach((node) => (node.merging = MergeState.DONE));
    await until(() => deltasOf(uid, version) === 0, 'merged');
    nodes[0]!.restart();
    await plane.register(nodes[0]!);
    const ref = versionId(uid, version);
    await until(() => (nodes[0]!.manifests.get(ref)?.revision ?? 0) > 0, 'the new manifest');
    await until(() => plane.leader.health.status === HealthStatus.GREEN, 'green');
    expect(nodes[0]!.mergesDone).toBe(0);
  });

  test('go on being merged after a restart of the master', async () => {
    const { uid } = await fourDeltas();
    nodes.forEach((node) => (node.merging = MergeState.WAITING));
    const { digest, version } = await append();
    await plane.stop();
    nodes.forEach((node) => (node.merging = MergeState.DONE));
    await plane.start();
    await until(() => deltasOf(uid, version) === 0, 'merged');
    const record = plane.leader.catalog.state.version.get(versionId(uid, version));
    expect(record?.digest).toBe(digest.toString('hex'));
  });

  test('are merged even when appends come faster: the result fits below the later deltas', async () => {
    const { uid } = await fourDeltas();
    nodes.forEach((node) => (node.merging = MergeState.WAITING));
    const { version } = await append();
    const later = await append();
    nodes.forEach((node) => (node.merging = MergeState.DONE));
    await until(() => deltasOf(uid, later.version) === 1, 'merged');
    await until(() => deltasOf(uid, version) === 0, 'in the version before too');
    expect(later.version).toBe(version + 1);
  });
});
