// A datanode that cannot write node.json obeys a restarted master only in what it serves; and one
// that does not accept the master's view reports it.

import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { monotonicNowMs } from '../../../base/clock.ts';
import { MasterContact } from '../../../datanode/view/master-contact.ts';
import type { Datanode } from '../../../datanode/node.ts';
import { notReadyReason, readinessChecks } from '../../../datanode/endpoints/readiness.ts';
import { HealthStatus } from '../../../proto/gen/stele/v1/view.ts';
import type { ClusterView } from '../../../proto/gen/stele/v1/view.ts';
import { lookUpIn, openTestNode, orderHeader, pushTo } from '../../support/peers/datanode.ts';
import {
  TEST_UID,
  manifestOf,
  numberedPairs,
  segmentsOf,
} from '../../support/segments/segments.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { RespNode, shown } from '../resp-node.ts';

const SHARDS = 4;
const PAIRS = numberedPairs(60);
const SEGMENTS = segmentsOf(PAIRS, SHARDS);
const [FIRST] = SEGMENTS;
const VERSION_1 = { ...manifestOf(SEGMENTS, SHARDS), fingerprint: 'f1' };
const VERSION_2 = { ...VERSION_1, version: 2, fingerprint: 'f2' };

function viewAt(epoch: number, revision: number, versions: number[]): ClusterView {
  const fingerprints = versions.map((version) => `f${version}`);
  const currentVersion = versions.at(-1) ?? 0;
  return {
    ...{ epoch, revision, shardCount: SHARDS, replication: 1, nodes: [], routes: [] },
    keyspaces: [
      {
        uid: TEST_UID,
        name: 'test',
        index: 1,
        records: 60,
        versions,
        fingerprints,
        currentVersion,
      },
    ],
    ...{ health: HealthStatus.GREEN, ready: true },
  };
}

/** Serves version 1 under epoch 1, and cannot write node.json any more. */
async function blockedNode(): Promise<{ node: Datanode; folder: string; unblock: () => void }> {
  const folder = tempDir();
  const { node } = await openTestNode(folder);
  const header = orderHeader(node);
  await pushTo(node, SEGMENTS);
  await node.applyView({ header, view: viewAt(1, 5, [1]) });
  await node.putManifest({ header, manifest: VERSION_1 });
  const path = join(folder, 'node.json.tmp');
  mkdirSync(join(path, 'in the way'), { recursive: true });
  return { node, folder, unblock: () => rmSync(path, { recursive: true }) };
}

describe('if node.json cannot be written', () => {
  it('views and manifests of a restarted master are accepted, and none of the previous master', async () => {
    const { node } = await blockedNode();
    const header = orderHeader(node, { epoch: 2 });
    const view = viewAt(2, 1, [1, 2]);
    expect(await node.applyView({ header, view })).toEqual({
      ...{ viewEpoch: 2, viewRevision: 1, viewTerm: '' },
      missingManifests: [{ keyspaceUid: TEST_UID, version: 2 }],
    });
    await node.putManifest({ header, manifest: VERSION_2 });
    expect(await lookUpIn(node, ['key-1'], 2)).toEqual(['value of key-1']);

    const older = orderHeader(node);
    const late = node.applyView({ header: older, view: viewAt(1, 9, [1]) });
    await expect(late).rejects.toMatchObject({ code: 'STALE_EPOCH' });
    const lateManifest = node.putManifest({ header: older, manifest: VERSION_1 });
    await expect(lateManifest).rejects.toMatchObject({ code: 'STALE_EPOCH' });
    expect(node.cluster.view).toMatchObject({ epoch: 2, revision: 1 });
  });

  it('nothing is removed, nothing is promised, and no segments are accepted', async () => {
    const { node, folder, unblock } = await blockedNode();
    const header = orderHeader(node, { epoch: 2 });
    const segments = [{ keyspaceUid: TEST_UID, segmentId: FIRST?.info.id ?? '' }];
    const order = { header, segments, versions: [], holdingsRevision: 0 };
    await expect(node.dropSegments(order)).rejects.toThrow(/node\.json cannot be written/);
    const path = join(folder, 'segments', TEST_UID, `${FIRST?.info.id ?? ''}.seg`);
    expect(existsSync(path)).toBe(true);
    const { held, heldSegmentIds } = await node.putManifest({ header, manifest: VERSION_2 });
    expect({ held, heldSegmentIds }).toEqual({ held: [], heldSegmentIds: [] });
    const { diskTrouble } = await node.heartbeat({ header }, monotonicNowMs());
    expect(diskTrouble?.writeError).not.toBe('');

    unblock();
    const put = () => node.putManifest({ header, manifest: VERSION_2 });
    await expect.poll(async () => (await put()).held.length).toBe(SEGMENTS.length);
    expect(await node.dropSegments(order)).toEqual({ dropped: 1 });
    const beat = await node.heartbeat({ header }, monotonicNowMs());
    expect(beat.diskTrouble).toBeUndefined();
  });
});

describe('a view that is not accepted', () => {
  it('is reported in readiness, INFO and the age, though the master is heard all the time', async () => {
    const resp = await RespNode.open(SHARDS);
    resp.load(PAIRS);
    const { node } = resp;
    const nowMs = monotonicNowMs();
    node.contact.heard(nowMs - 7000, true);
    const header = orderHeader(node, { epoch: 2 });
    await node.heartbeat({ header, viewRevision: 3 }, nowMs);
    expect(notReadyReason(node)).toMatch(
      /the master is heard, but its view has not been accepted for 7/,
    );
    const failed = readinessChecks(node, false).filter(({ passed }) => !passed);
    expect(failed.map(({ text }) => text)).toEqual([expect.stringMatching(/^stale: the master/)]);
    const info = shown(await resp.ask('INFO'));
    expect(info).toMatch(/stele_view_stale:1\r\nstele_view_age_seconds:7/);
    expect(info).toContain('loading:1');

    await node.applyView({ header, view: { ...viewAt(2, 3, []), keyspaces: [] } });
    expect(notReadyReason(node)).toBeUndefined();
    expect(shown(await resp.ask('INFO'))).toContain('stele_view_stale:0');
  });

  const beats: [string, { epoch?: number; term?: string; viewRevision?: number }, boolean][] = [
    ['the view in force', { viewRevision: 5 }, false],
    ['a view before the one in force', { viewRevision: 4 }, false],
    ['no view, as masters of 0.1.0', {}, false],
    ['a newer view', { viewRevision: 6 }, true],
    ['a view of another epoch', { epoch: 2, viewRevision: 1 }, true],
  ];
  it.each(beats)('is reported by a heartbeat that names %s', async (_name, beat, isBehind) => {
    const { node } = await openTestNode(tempDir());
    const { viewRevision, ...more } = beat;
    await node.applyView({ header: orderHeader(node), view: viewAt(1, 5, []) });
    await node.heartbeat({ header: orderHeader(node, more), viewRevision }, monotonicNowMs());
    expect(node.contact.unsure(monotonicNowMs()) !== undefined).toBe(isBehind);
    // A restart of a master takes a few seconds.
    expect(node.contact.isStale(monotonicNowMs())).toBe(false);
  });

  it('limits how long reads are answered', () => {
    const contact = new MasterContact(10_000);
    contact.heard(0, true);
    for (let nowMs = 500; nowMs <= 30_000; nowMs += 500) {
      contact.heard(nowMs, false);
      expect(contact.viewAgeMs(nowMs)).toBe(nowMs);
      expect(contact.isOutdated(nowMs)).toBe(nowMs > 5000);
      expect(contact.refusal(nowMs) !== undefined).toBe(nowMs > 10_000);
    }
    expect(contact.refusal(30_000)?.message).toMatch(/has not accepted its master's view for 30/);
    contact.heard(30_500, true);
    expect(contact.refusal(30_500)).toBeUndefined();
  });
});
