// The deep store of a cluster of fake datanodes: their segments have no bytes, so only orders,
// manifests and snapshots are real.

import { utimesSync, writeFileSync, mkdirSync, existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { onTestFinished, expect, it } from 'vitest';
import { Archive } from '../../../archive/archive.ts';
import { segmentObject } from '../../../archive/layout.ts';
import type { Snapshot } from '../../../archive/archived.ts';
import { openStore } from '../../../archive/open-store.ts';
import { deepStoreOf } from '../../../master/control/archiving/deep-store.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { ControlPlane, until } from '../control-plane.ts';

const HOUR_MS = 3_600_000;

async function archivingPlane(folder = tempDir()) {
  const plane = new ControlPlane();
  const deepStore = deepStoreOf({ deepStore: pathToFileURL(folder).href });
  plane.deepStore = deepStore && { ...deepStore, deletionMsMax: 50 };
  onTestFinished(() => plane.close());
  await plane.start();
  const nodes = await plane.join('a', 'b', 'c');
  const archive = new Archive(await openStore(pathToFileURL(folder).href));
  const newest = async (): Promise<Snapshot | undefined> => {
    const [first] = await archive.snapshots();
    return first && archive.snapshot(first.name);
  };
  return { plane, nodes, archive, folder, newest };
}

const isWhole = (plane: ControlPlane) => (): boolean =>
  plane.leader.archiving?.report().waiting.length === 0;
const currentOf = (snapshot: Snapshot | undefined): [string, number][] =>
  snapshot?.keyspaces.map(({ currentVersion, name }) => [name, currentVersion]) ?? [];

it('every committed version gets there, with its manifest, and then a snapshot of all', async () => {
  const { archive, newest, nodes, plane } = await archivingPlane();
  const prices = await plane.load('prices');
  await plane.load('geo');
  await until(isWhole(plane), 'all is archived');
  const ordered = new Set(nodes.flatMap(({ archived }) => [...archived]));
  for (const id of prices.ids) expect(ordered).toContain(`${prices.uid} ${id}`);
  await expect
    .poll(async () => currentOf(await newest()))
    .toEqual([
      ['geo', 1],
      ['prices', 1],
    ]);
  const [, { versions } = { versions: [] }] = (await newest())?.keyspaces ?? [];
  const manifest = await archive.manifest(versions[0]?.manifest ?? '');
  expect(manifest.segments.map(({ id }) => id)).toEqual(prices.ids);
  expect(plane.leader.world.archived.size).toBe(2);
});

it('a version that cannot be written yet is reported with the reason, and tried again', async () => {
  const { nodes, plane } = await archivingPlane();
  for (const node of nodes) node.archiveFails = 'the bucket is gone';
  await plane.load('prices');
  const reason = (): string => plane.leader.archiving?.report().waiting[0]?.reason ?? '';
  await until(() => reason() !== '', 'a reason');
  expect(reason()).toMatch(/^Datanode [abc] could not write segment .*: the bucket is gone$/);
  expect(plane.leader.archiving?.report().trouble).toBe(reason());
  expect(plane.leader.world.archived.size).toBe(0);
  for (const node of nodes) node.archiveFails = '';
  plane.skippedMs += HOUR_MS;
  await until(isWhole(plane), 'it is archived');
  await until(() => plane.leader.archiving?.report().trouble === '', 'no trouble');
});

it('copies what all datanodes have lost from the store', async () => {
  const { nodes, plane } = await archivingPlane();
  const { ids, uid } = await plane.load('prices');
  await until(isWhole(plane), 'all is archived');
  for (const node of nodes) for (const id of ids) node.drop(uid, id, 0);
  await until(() => plane.replicas(uid, ids) === 2, 'two copies again');
  expect(nodes.some(({ fromStore }) => fromStore > 0)).toBe(true);
});

it('a load that waits for the store becomes current only once all of it is there', async () => {
  const { nodes, plane } = await archivingPlane();
  await plane.load('prices');
  for (const node of nodes) node.archiveFails = 'the bucket is gone';
  const segments = plane.segments();
  const load = await plane.begin('prices', { archiveFirst: true });
  plane.push(load, segments);
  const first = plane.commit(load, segments, { archiveFirst: true });
  await expect(first).rejects.toThrow(/could not write segment .*: the bucket is gone/);
  const current = (): number =>
    plane.leader.current().keyspaces.find(({ name }) => name === 'prices')?.currentVersion ?? 0;
  expect(current()).toBe(1);
  for (const node of nodes) node.archiveFails = '';
  await plane.commit(load, segments, { archiveFirst: true });
  expect(current()).toBe(2);
  const ordered = new Set(nodes.flatMap(({ archived }) => [...archived]));
  for (const { id } of segments) expect(ordered).toContain(`${load.keyspaceUid} ${id}`);
});

it('a load cannot wait for a store that the cluster does not have', async () => {
  const plane = new ControlPlane();
  onTestFinished(() => plane.close());
  await plane.start();
  await plane.join('a', 'b');
  await expect(plane.begin('prices', { archiveFirst: true })).rejects.toMatchObject({
    code: 'CONFLICT',
    message: expect.stringContaining('--deep-store'),
  });
});

it('writes nothing into the archive of another cluster', async () => {
  const folder = tempDir();
  const archive = new Archive(await openStore(pathToFileURL(folder).href));
  const createdAt = '2026-12-01T00:00:00.000Z';
  await archive.claim({ clusterId: 'f'.repeat(16), shardCount: 8, createdAt });
  const { newest, nodes, plane } = await archivingPlane(folder);
  await plane.load('prices');
  const trouble = (): string => plane.leader.archiving?.report().trouble ?? '';
  await until(() => trouble() !== '', 'trouble');
  expect(trouble()).toContain('is the archive of another cluster');
  expect(nodes.flatMap(({ archived }) => [...archived])).toEqual([]);
  expect(await newest()).toBeUndefined();
});

it('a cleaning removes what neither a kept version nor a kept snapshot needs', async () => {
  const { folder, newest, plane } = await archivingPlane();
  const { ids, uid } = await plane.load('prices');
  await until(isWhole(plane), 'all is archived');
  await expect.poll(async () => currentOf(await newest())).toEqual([['prices', 1]]);
  const write = (id: string, hours: number): string => {
    const path = join(folder, segmentObject(uid, id));
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, 'bytes');
    const at = new Date(Date.now() - hours * HOUR_MS);
    utimesSync(path, at, at);
    return path;
  };
  const garbage = plane.segments().map(({ id }) => id);
  const needed = write(ids[0] ?? '', 100);
  const young = write(garbage[0] ?? '', 1);
  const old = write(garbage[1] ?? '', 100);
  expect(await plane.operations.cleanArchive({ dryRun: true })).toMatchObject({
    removedObjects: 1,
    removedBytes: 5,
  });
  expect(existsSync(old)).toBe(true);
  await plane.operations.cleanArchive({ dryRun: false });
  expect([needed, young, old].map((path) => existsSync(path))).toEqual([true, true, false]);
});
