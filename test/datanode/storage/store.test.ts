// Folders of a datanode that are removed, or hold more than they should, while it runs.

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemFiles } from '../../../base/disk/files.ts';
import type { Files } from '../../../base/disk/files.ts';
import { systemEnv } from '../../../base/env.ts';
import { silentLogger } from '../../../base/log.ts';
import { DiskStore } from '../../../datanode/storage/store.ts';
import { openTestNode, orderHeader, pushTo } from '../../support/peers/datanode.ts';
import { segmentNames } from '../../support/segments/segment-files.ts';
import { TEST_UID, numberedPairs, segmentsOf } from '../../support/segments/segments.ts';
import { tempDir } from '../../support/temp-dir.ts';

const SEGMENTS = segmentsOf(numberedPairs(100), 4);

describe('folders that are removed under a running datanode', () => {
  it.each([
    ['of a keyspace', `segments/${TEST_UID}`],
    ['of all segments', 'segments'],
    ['of segments that arrive', 'incoming'],
    ['of all data', '.'],
  ])('%s come back with the next segment, and with the files from memory', async (_name, path) => {
    const folder = tempDir();
    const { node } = await openTestNode(folder);
    const [first, ...others] = SEGMENTS;
    await pushTo(node, others);
    await node.applyView({ header: orderHeader(node), view: undefined }).catch(() => undefined);
    const before = segmentNames(folder);
    await node.missingFiles.check();
    rmSync(join(folder, path), { recursive: true });
    // Without any folder nothing is accepted until the next check, some seconds later.
    if (path === '.') await node.missingFiles.check();
    if (first !== undefined) await pushTo(node, [first]);
    await node.missingFiles.check();
    const names = [...before, `${TEST_UID}/${first?.info.id}.seg`];
    expect(segmentNames(folder)).toEqual(names.sort());
    expect(existsSync(join(folder, 'node.json'))).toBe(true);
    const { node: again } = await openTestNode(folder);
    expect(again.holdings.count).toBe(SEGMENTS.length);
  });

  it('neither delay nor fail heartbeats', async () => {
    const folder = tempDir();
    const { node } = await openTestNode(folder);
    rmSync(folder, { recursive: true });
    const ask = (nowMs: number) => node.heartbeat({ header: orderHeader(node) }, nowMs);
    await ask(0);
    let trouble;
    for (let nowMs = 2000; trouble === undefined; nowMs += 2000) {
      ({ diskTrouble: trouble } = await ask(nowMs));
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    expect(trouble.writeError).toMatch(/ENOENT/);
  });

  it('do not prevent a single missing file from being written again', async () => {
    const folder = tempDir();
    const { node } = await openTestNode(folder);
    await pushTo(node, SEGMENTS);
    await node.missingFiles.check();
    const names = segmentNames(folder);
    rmSync(join(folder, 'segments', names[1] ?? ''));
    await node.missingFiles.check();
    expect(segmentNames(folder)).toEqual(names);
  });
});

describe('a segment whose folder cannot be synced', () => {
  const ID = `00000-${'0'.repeat(32)}-${'0'.repeat(32)}`;

  /** A store in which the next sync of the keyspace's folder fails. */
  async function openStore(): Promise<{ store: DiskStore; fail: () => void; path: string }> {
    const folder = tempDir();
    let fails = false;
    const open: Files['open'] = async (path, flags) => {
      const file = await systemFiles.open(path, flags);
      if (!fails || !path.endsWith(TEST_UID)) return file;
      fails = false;
      await file.close();
      throw Object.assign(new Error('EIO'), { code: 'EIO' });
    };
    const files = { ...systemFiles, open };
    const env = { ...systemEnv, files };
    const store = new DiskStore({ folder, diskReserveBytes: 0, log: silentLogger, env });
    await store.prepare();
    const path = store.fileOf(TEST_UID, ID).path;
    return { store, path, fail: () => (fails = true) };
  }

  const writeTo = (store: DiskStore, bytes: string, isHeld: () => boolean): Promise<void> =>
    store.writeBy(TEST_UID, ID, async (path) => writeFileSync(path, bytes), isHeld);

  it('leaves no file that is not held', async () => {
    const { fail, path, store } = await openStore();
    await writeTo(store, 'first', () => false);
    fail();
    await expect(writeTo(store, 'second', () => false)).rejects.toMatchObject({ code: 'IO' });
    expect(existsSync(path)).toBe(false);
  });

  it('leaves the file of one that is held, or that another sender brings meanwhile', async () => {
    const { fail, path, store } = await openStore();
    await writeTo(store, 'first', () => true);
    fail();
    await expect(writeTo(store, 'second', () => true)).rejects.toMatchObject({ code: 'IO' });
    expect(existsSync(path)).toBe(true);
    fail();
    const outcomes = await Promise.allSettled(
      ['third', 'fourth'].map((bytes) => writeTo(store, bytes, () => false)),
    );
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
    expect(readFileSync(path, 'utf8')).toBe('fourth');
  });
});

it('the quarantine keeps the newest files, at most 64', async () => {
  const folder = tempDir();
  const store = new DiskStore({ folder, diskReserveBytes: 0, log: silentLogger });
  await store.prepare();
  const keyspaceFolder = join(folder, 'segments', TEST_UID);
  mkdirSync(keyspaceFolder);
  const moved: string[] = [];
  for (let number = 0; number < 70; number++) {
    const segmentId = `${String(number).padStart(5, '0')}-${'0'.repeat(32)}-${'0'.repeat(32)}`;
    const file = store.fileOf(TEST_UID, segmentId);
    writeFileSync(file.path, 'bad');
    moved.push(await store.quarantine(file));
  }
  const kept = readdirSync(join(folder, 'quarantine'));
  expect(kept).toHaveLength(64);
  expect(moved.slice(-1).every((path) => existsSync(path))).toBe(true);
});

describe('ids from the network', () => {
  const UID = '../../../tmp/x';

  it('never become paths unchecked', async () => {
    const folder = tempDir();
    const { node, store } = await openTestNode(folder);
    const header = orderHeader(node);
    const id = SEGMENTS[0]?.info.id ?? '';
    const keyspace = {
      uid: UID,
      name: 'x',
      index: 1,
      currentVersion: 0,
      versions: [],
      fingerprints: [],
    };
    const view = {
      ...{ epoch: 1, revision: 1, shardCount: 4, replication: 1, nodes: [], routes: [] },
      ...{ keyspaces: [{ ...keyspace, suspended: true }], health: 1, ready: true },
    } as never;
    const segments = [{ keyspaceUid: TEST_UID, segmentId: '../../x' }];
    const refused: [string, () => Promise<unknown>][] = [
      ['a view', () => node.applyView({ header, view })],
      [
        'a drop order',
        () => node.dropSegments({ header, segments, versions: [], holdingsRevision: 0 }),
      ],
      ['a mark', () => store.markTier(UID, 'none')],
      ['a mark taken away', () => store.markTier('..', 'memory')],
      [
        'an announcement',
        () =>
          node.receiving.admit({
            ...{ keyspaceUid: UID, segmentId: id, byteLength: 1000 },
            ...{ expectNode: '', expectIncarnation: '', loadId: '' },
          }),
      ],
    ];
    for (const [name, action] of refused) {
      await expect(action(), name).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    }
    expect(() => store.fileOf(TEST_UID, 'x/y')).toThrow(/not the id of a segment/);
    expect(node.cluster.view).toBeUndefined();
  });
});
