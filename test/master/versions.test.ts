// Versions as the whole control plane handles them: gates, promotes, rollbacks, and what leaves
// when.

import { asUid } from '../support/test-ids.ts';
import { versionId } from '../../master/catalog/records.ts';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { BeginLoadResponse, LoadGate } from '../../proto/gen/stele/v1/load.ts';
import { ControlPlane, SHARDS, until } from './control-plane.ts';

/** The totals of a made-up version of ControlPlane. */
const ROWS = SHARDS * 10 + (SHARDS * (SHARDS - 1)) / 2;

let plane: ControlPlane;
beforeEach(async () => {
  plane = new ControlPlane();
  await plane.start();
});
afterEach(() => plane.close());

function gate(more: Partial<LoadGate>): LoadGate {
  return {
    expectRows: undefined,
    expectTolerance: 0,
    minRows: undefined,
    maxShrink: undefined,
    requireKeys: [],
    ...more,
  };
}

const required = (key: string, value?: string) => ({
  key: Buffer.from(key),
  value: value === undefined ? undefined : Buffer.from(value),
});
const failsGate = (pattern: RegExp) => ({
  code: 'GATE_FAILED',
  message: expect.stringMatching(pattern) as string,
});
const view = () => plane.leader.current().keyspaces[0];
const versions = async () =>
  (await plane.operations.listVersions({ keyspace: 'prices' })).versions.map(
    ({ state, version }) => `${version} ${state}`,
  );
const promote = (to: number) => plane.operations.promote({ keyspace: 'prices', to });
const rollback = (to = 0) => plane.operations.rollback({ keyspace: 'prices', to });
const held = (load: { uid: string; ids: string[] }) => plane.replicas(load.uid, load.ids);

describe('a load whose version does not pass its gate', () => {
  test.each([
    [
      '--expect-rows',
      { expectRows: ROWS * 2, expectTolerance: 0.02 },
      `${ROWS} rows, .* ${ROWS * 2}±2%`,
    ],
    ['--min-rows', { minRows: ROWS + 1 }, `${ROWS} rows, .* at least ${ROWS + 1}`],
    ['--require-key', { requireKeys: [required('gone')] }, "no key 'gone'"],
    ['--require-key', { requireKeys: [required('k', 'other')] }, "'k' .* 'v', .* wants 'other'"],
  ])('because of %s is told so; the version before stays', async (_flag, asked, sentence) => {
    await plane.join('a', 'b');
    plane.network.values.set('k', 'v');
    await plane.load('prices');
    await expect(plane.load('prices', { gate: gate(asked) })).rejects.toMatchObject(
      failsGate(new RegExp(`^Version 2 .*${sentence}.*version 1 is still read`)),
    );
    expect(view()).toMatchObject({ currentVersion: 1, records: ROWS, versions: [1, 2] });
    expect(await versions()).toEqual(['1 COMMITTED', '2 REJECTED']);
    const { loads } = await plane.operations.listLoads({ keyspace: 'prices' });
    expect(loads[0]).toMatchObject({ state: 3, version: 2, records: ROWS });
  });

  test('passes with the same version where the gate holds', async () => {
    await plane.join('a', 'b');
    plane.network.values.set('k', 'v').set('empty', '');
    const requireKeys = [required('k'), required('k', 'v'), required('empty', '')];
    const asked = gate({ expectRows: ROWS, minRows: ROWS, maxShrink: 0, requireKeys });
    await plane.load('prices');
    expect((await plane.load('prices', { gate: asked })).version).toBe(2);
    const { versions: listed } = await plane.operations.listVersions({ keyspace: 'prices' });
    expect(listed[1]).toMatchObject({ gate: asked, reason: '', current: true });
  });

  test('a file cut in half does not replace the whole one, without any flag', async () => {
    await plane.join('a', 'b');
    await plane.load('prices');
    const half = plane.segments().slice(0, SHARDS / 2 - 1);
    await expect(plane.load('prices', {}, half)).rejects.toMatchObject(
      failsGate(/% fewer than the 108 of version 1, and --max-shrink allows 50%/),
    );
    expect(view()?.currentVersion).toBe(1);
    // And a first version is as large as it is.
    expect((await plane.load('other', {}, plane.segments().slice(0, 1))).version).toBe(1);
  });

  test('repeats its answer to a repeated commit, also after a restart of the master', async () => {
    await plane.join('a', 'b');
    const load = await plane.begin('prices');
    const segments = plane.segments();
    plane.push(load, segments);
    const commit = () => plane.commit(load, segments, { gate: gate({ minRows: 1e6 }) });
    for (let time = 0; time < 2; time++) {
      await expect(commit()).rejects.toMatchObject(
        failsGate(/Version 1 .* nothing can be read yet/),
      );
    }
    await plane.stop();
    await plane.start();
    await expect(commit()).rejects.toMatchObject(failsGate(/Version 1 /));
    await expect(plane.begin('prices', { loadId: load.loadId })).rejects.toMatchObject({
      code: 'LOAD_NOT_FOUND',
    });
  });

  test('shows nothing when the master dies between the gate and its record, and is rejected then', async () => {
    await plane.join('a', 'b');
    await plane.load('prices');
    const load = await plane.begin('prices');
    const segments = plane.segments();
    plane.push(load, segments);
    const commit = () => plane.commit(load, segments, { gate: gate({ minRows: 1e6 }) });
    // The number is set aside; what would be recorded next never is.
    const { catalog } = plane.leader;
    const update = catalog.update.bind(catalog);
    let isDead: () => void = () => undefined;
    const died = new Promise<void>((resolve) => (isDead = resolve));
    let updates = 0;
    catalog.update = (transition) => {
      if (++updates < 2) return update(transition);
      isDead();
      return new Promise(() => undefined);
    };
    void commit();
    await died;
    expect(catalog.state.keyspace.get(asUid(load.keyspaceUid))?.attempt?.version).toBe(2);
    await plane.stop();
    await plane.start();
    expect(view()).toMatchObject({ currentVersion: 1, versions: [1] });
    await until(() => plane.leader.current().ready, 'ready');
    await expect(commit()).rejects.toMatchObject(failsGate(/Version 2 /));
    expect(await versions()).toEqual(['1 COMMITTED', '2 REJECTED']);
  });
});

describe('the keys that a load requires', () => {
  test('are asked of another replica where one cannot know', async () => {
    const [a] = await plane.join('a', 'b');
    plane.network.values.set('k', 'v');
    a!.blind = true;
    const asked = gate({ requireKeys: [required('k', 'v')] });
    expect((await plane.load('prices', { gate: asked })).version).toBe(1);
  });

  test('that nobody can look up fail no gate: the commit is tried again', async () => {
    const nodes = await plane.join('a', 'b');
    plane.network.values.set('k', 'v');
    for (const node of nodes) node.blind = true;
    const load = await plane.begin('prices');
    const segments = plane.segments();
    plane.push(load, segments);
    const commit = () =>
      plane.commit(load, segments, { gate: gate({ requireKeys: [required('k')] }) });
    await expect(commit()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(await versions()).toEqual([]);
    for (const node of nodes) node.blind = false;
    expect((await commit()).version).toBe(1);
  });
});

test('a datanode that reads another digest out of its file stops the commit', async () => {
  const [a] = await plane.join('a', 'b');
  await plane.load('prices');
  a!.lies = true;
  await expect(plane.load('prices')).rejects.toMatchObject({
    code: 'LOAD_REJECTED',
    message: expect.stringMatching(/datanode a finds digest (ee)+ in segment/) as string,
  });
  expect(view()).toMatchObject({ currentVersion: 1, versions: [1] });
});

describe('a promote', () => {
  test('puts a rejected version live, with all readers, and a rollback takes it back', async () => {
    await plane.join('a', 'b');
    await plane.load('prices');
    await expect(plane.load('prices', { gate: gate({ minRows: 1e6 }) })).rejects.toThrow();
    expect(await promote(2)).toEqual({ version: 2, from: 1 });
    for (const node of plane.network.nodes.values()) {
      expect(node.view?.keyspaces[0]?.currentVersion).toBe(2);
    }
    expect(await versions()).toEqual(['1 COMMITTED', '2 COMMITTED']);
    expect(await rollback()).toEqual({ version: 1, from: 2 });
  });

  test('waits for missing replicas, where a rollback goes at once', async () => {
    const [a] = await plane.join('a', 'b', 'c');
    await plane.load('prices');
    await plane.load('prices');
    await expect(plane.load('prices', { gate: gate({ minRows: 1e6 }) })).rejects.toThrow();
    a!.alive = false;
    await until(() => plane.leader.world.nodes.get('a')?.liveness === 'DOWN', 'down');
    await expect(promote(3)).rejects.toMatchObject({ code: 'REPLICAS_MISSING' });
    expect(await rollback()).toEqual({ version: 1, from: 2 });
    a!.alive = true;
    await until(() => plane.leader.world.nodes.get('a')?.liveness === 'SERVING', 'back');
    await until(() => a!.view?.keyspaces[0]?.currentVersion === 1, 'in step');
    expect(await promote(3)).toEqual({ version: 3, from: 1 });
  });

  test('rollback and commit at one time have an order, and each says where it came from', async () => {
    await plane.join('a', 'b');
    for (let load = 0; load < 2; load++) await plane.load('prices', { keep: 5 });
    await expect(plane.load('prices', { gate: gate({ minRows: 1e6 }) })).rejects.toThrow();
    const load = await plane.begin('prices');
    const segments = plane.segments();
    plane.push(load, segments);
    const [committed, ...moves] = await Promise.all([
      plane.commit(load, segments),
      promote(3),
      rollback(1),
      promote(2),
    ]);
    const ends = [...moves.map(({ version }) => version), committed.version];
    // Each move begins where another one ended: together they are one path from version 2.
    const starts = moves.map(({ from }) => from);
    expect(new Set([...starts, view()?.currentVersion])).toEqual(new Set([2, ...ends]));
    expect(ends).toContain(view()?.currentVersion);
  });
});

describe('what leaves', () => {
  test('stays until the retire delay is over', async () => {
    await plane.stop();
    plane.retireDelayMs = 300;
    await plane.start();
    await plane.join('a', 'b');
    const first = await plane.load('prices');
    await plane.load('prices');
    await plane.load('prices');
    const leftMs = performance.now();
    expect(view()?.versions).toEqual([2, 3]);
    expect(held(first)).toBe(2);
    await until(() => held(first) === 0, 'version 1 is gone');
    expect(performance.now() - leftMs).toBeGreaterThan(250);
  });

  test('stays, with its manifest, while a datanode has not taken the view without it', async () => {
    const [a, b] = await plane.join('a', 'b');
    const first = await plane.load('prices');
    await plane.load('prices');
    a!.deaf = true;
    await plane.load('prices');
    const { catalog } = plane.leader;
    const turns = plane.leader.world;
    await until(() => plane.leader.world !== turns, 'a turn');
    await new Promise((resolve) => setTimeout(resolve, 10 * plane.retireDelayMs));
    expect(held(first)).toBe(2);
    expect(b!.manifests.has(`${first.uid}/1`)).toBe(true);
    a!.deaf = false;
    await until(() => held(first) === 0, 'version 1 is gone');
    await until(
      () => !catalog.state.manifest.has(versionId(first.uid, 1)),
      'its manifest is forgotten',
    );
  });

  test('a dropped version leaves the nodes, a rejected one too; the current one does not', async () => {
    await plane.join('a', 'b');
    await plane.load('prices');
    const segments = plane.segments();
    const rejected = plane.load('prices', { gate: gate({ minRows: 1e6 }) }, segments);
    await expect(rejected).rejects.toThrow();
    const uid = view()?.uid ?? '';
    const of = { uid, ids: segments.map(({ id }) => id) };
    expect(held(of)).toBe(2);
    await plane.operations.dropVersion({ keyspace: 'prices', version: 2 });
    await until(() => held(of) === 0, 'version 2 is gone');
    await expect(
      plane.operations.dropVersion({ keyspace: 'prices', version: 1 }),
    ).rejects.toMatchObject({ code: 'CONFLICT' });
  });

  test('fewer versions to keep lets the oldest go, and is remembered', async () => {
    await plane.join('a', 'b');
    for (let load = 0; load < 4; load++) await plane.load('prices', { keep: 4 });
    expect(view()?.versions).toEqual([1, 2, 3, 4]);
    expect(await plane.operations.setKeep({ keyspace: 'prices', keep: 3 })).toEqual({
      keep: 3,
      retired: [1],
    });
    await plane.load('prices');
    expect(view()?.versions).toEqual([3, 4, 5]);
    expect((await plane.operations.listKeyspaces()).keyspaces[0]?.keep).toBe(3);
  });

  test('of a rollback during a load: the commit comes, and what was gone back to stays', async () => {
    await plane.join('a', 'b');
    const first = await plane.load('prices');
    await plane.load('prices');
    const load = await plane.begin('prices');
    await rollback();
    expect(view()?.currentVersion).toBe(1);
    const segments = plane.segments();
    plane.push(load, segments);
    expect((await plane.commit(load, segments)).version).toBe(3);
    expect(view()).toMatchObject({ currentVersion: 3, versions: [1, 3] });
    await until(() => plane.leader.catalog.state.manifest.size === 2, 'version 2 is forgotten');
    expect(held(first)).toBe(2);
    expect(await rollback()).toEqual({ version: 1, from: 3 });
  });
});

describe('a drop order that is on its way when a load wants the same segments', () => {
  /** Ends when the drop order for version 1 has been sent and not arrived. */
  async function underWay(): Promise<{
    readonly segments: ReturnType<ControlPlane['segments']>;
    readonly release: () => void;
  }> {
    await plane.join('a', 'b');
    const segments = plane.segments();
    await plane.load('prices', {}, segments);
    let release: () => void = () => undefined;
    const gateOpen = new Promise<void>((resolve) => (release = resolve));
    const sent = new Set<string>();
    plane.network.beforeDrop = (nodeId) => {
      sent.add(nodeId);
      return gateOpen;
    };
    await plane.load('prices');
    await plane.load('prices');
    await until(() => sent.size === 2, 'drop orders are sent to both');
    return { segments, release };
  }

  /** Acts as a loader: announces each segment, and sends those that are missing. */
  function offer(load: BeginLoadResponse, segments: ReturnType<ControlPlane['segments']>): number {
    let sent = 0;
    for (const segment of segments) {
      for (const node of plane.network.nodes.values()) {
        if (node.claim(load.keyspaceUid, segment.id)) continue;
        node.store(load.keyspaceUid, segment.id);
        sent += 1;
      }
    }
    return sent;
  }

  test('takes none of what the load was told is there', async () => {
    const { release, segments } = await underWay();
    const load = await plane.begin('prices');
    expect(offer(load, segments)).toBe(0);
    release();
    await until(
      () =>
        [...plane.network.nodes.values()].every(
          (node) => !node.manifests.has(`${load.keyspaceUid}/1`),
        ),
      'the order is carried out',
    );
    const of = { uid: load.keyspaceUid, ids: segments.map(({ id }) => id) };
    expect(held(of)).toBe(2);
    expect((await plane.commit(load, segments)).version).toBe(4);
    expect(held(of)).toBe(2);
  });

  test('nor of what its commit has counted', async () => {
    const { release, segments } = await underWay();
    const load = await plane.begin('prices');
    offer(load, segments);
    expect((await plane.commit(load, segments)).version).toBe(4);
    release();
    const of = { uid: load.keyspaceUid, ids: segments.map(({ id }) => id) };
    await until(
      () => !plane.leader.catalog.state.manifest.has(versionId(load.keyspaceUid, 1)),
      'forgotten',
    );
    expect(held(of)).toBe(2);
  });
});
