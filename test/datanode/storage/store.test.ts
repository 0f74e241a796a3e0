// What becomes of a datanode whose folders are removed, or hold more than they should, while it runs.

import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../../base/log.ts';
import { DiskStore } from '../../../datanode/storage/store.ts';
import { openTestNode, orderHeader, pushTo } from '../../support/datanode.ts';
import { segmentNames } from '../../support/segment-files.ts';
import { TEST_UID, numberedPairs, segmentsOf } from '../../support/segments.ts';
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
    // Without any folder nothing is taken until the next look, some seconds later.
    if (path === '.') await node.missingFiles.check();
    if (first !== undefined) await pushTo(node, [first]);
    await node.missingFiles.check();
    const names = [...before, `${TEST_UID}/${first?.info.id}.seg`];
    expect(segmentNames(folder)).toEqual(names.sort());
    expect(existsSync(join(folder, 'node.json'))).toBe(true);
    const { node: again } = await openTestNode(folder);
    expect(again.holdings.count).toBe(SEGMENTS.length);
  });

  it('do not make it wait, or fail, when the master asks how it is', async () => {
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

  it('leave a single file that is missing to be written again, too', async () => {
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

it('the quarantine keeps the newest files, at most 64', async () => {
  const folder = tempDir();
  const store = new DiskStore({ folder, diskReserveBytes: 0, log: silentLogger });
  await store.prepare();
  const keyspaceFolder = join(folder, 'segments', TEST_UID);
  mkdirSync(keyspaceFolder);
  const moved: string[] = [];
  for (let number = 0; number < 70; number++) {
    const segmentId = `${String(number).padStart(5, '0')}-${'0'.repeat(32)}-00000000`;
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
      ['a mark', () => store.markSuspended(UID, true)],
      ['a mark taken away', () => store.markSuspended('..', false)],
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
