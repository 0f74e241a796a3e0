// A datanode that is started without a master uses what the master said to its previous process.

import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { monotonicNowMs } from '../../../base/clock.ts';
import type { Datanode } from '../../../datanode/node.ts';
import { notReadyReason, viewText } from '../../../datanode/endpoints/readiness.ts';
import { LookupStatus } from '../../../proto/gen/stele/v1/lookup.ts';
import { HealthStatus } from '../../../proto/gen/stele/v1/view.ts';
import type { ClusterView } from '../../../proto/gen/stele/v1/view.ts';
import {
  eventually,
  lookUpIn,
  openTestNode,
  orderHeader,
  pushTo,
} from '../../support/peers/datanode.ts';
import {
  TEST_UID,
  manifestOf,
  numberedPairs,
  segmentsOf,
} from '../../support/segments/segments.ts';
import { tempDir } from '../../support/temp-dir.ts';

const SHARDS = 4;
const PAIRS = numberedPairs(60);
const SEGMENTS = segmentsOf(PAIRS, SHARDS);
const MANIFEST = { ...manifestOf(SEGMENTS, SHARDS), fingerprint: 'f1' };
const KEYS = PAIRS.map(([key]) => key);
const VALUES = PAIRS.map(([, value]) => value);

function viewAt(revision: number, more: Partial<ClusterView> = {}): ClusterView {
  const versions = { currentVersion: 1, versions: [1], fingerprints: ['f1'] };
  return {
    ...{ epoch: 1, revision, shardCount: SHARDS, replication: 1, nodes: [], routes: [] },
    keyspaces: [{ uid: TEST_UID, name: 'test', index: 1, records: 60, ...versions }],
    ...{ health: HealthStatus.GREEN, ready: true },
    ...more,
  };
}

/** A folder of a node that has served version 1 under a view of revision 7. */
async function servedFolder(): Promise<string> {
  const folder = tempDir();
  const { node } = await openTestNode(folder);
  await pushTo(node, SEGMENTS);
  const header = orderHeader(node);
  await node.heartbeat({ header }, monotonicNowMs());
  await node.putManifest({ header, manifest: MANIFEST });
  await node.applyView({ header, view: viewAt(6) });
  await node.applyView({ header, view: viewAt(7) });
  await eventually('the view is saved', () => existsSync(join(folder, 'cluster', 'view')));
  await node.close();
  return folder;
}

const revisionOf = ({ cluster }: Datanode): number | undefined => cluster.view?.revision;

it('it answers by the last view and manifests, reports that they are stale, and since when', async () => {
  const folder = await servedFolder();
  const { node } = await openTestNode(folder);
  expect(revisionOf(node)).toBe(7);
  expect(await lookUpIn(node, [...KEYS, 'absent'])).toEqual([...VALUES, 2]);
  expect(viewText(node, monotonicNowMs())).toMatch(/^stale: .* an earlier process/);

  // The master does not mistake the old view for one that it has sent.
  const header = orderHeader(node);
  expect(await node.heartbeat({ header }, monotonicNowMs())).toMatchObject({ viewRevision: 0 });
  const { missingManifests } = await node.applyView({ header, view: viewAt(8) });
  expect(missingManifests).toEqual([{ keyspaceUid: TEST_UID, version: 1 }]);
  expect(await node.heartbeat({ header }, monotonicNowMs())).toMatchObject({ viewRevision: 8 });
  expect(viewText(node, monotonicNowMs())).toMatch(/the master is heard/);
});

it('it waits for its master before it answers by the last view', async () => {
  const folder = await servedFolder();
  const ended: ((node: Datanode) => unknown)[] = [
    ({ contact }) => contact.noAnswer(),
    (node) => node.applyView({ header: orderHeader(node), view: viewAt(7) }),
    // A master that answers without sending a view is not awaited for ever.
    (node) => node.checkContact(monotonicNowMs() + 6000),
  ];
  for (const end of ended) {
    const { node } = await openTestNode(folder);
    node.contact.askFirst(monotonicNowMs());
    node.checkContact(monotonicNowMs());
    expect(await lookUpIn(node, ['key-1'])).toEqual([LookupStatus.UNAVAILABLE]);
    expect(notReadyReason(node)).toMatch(/is asking its master/);
    await node.heartbeat({ header: orderHeader(node) }, monotonicNowMs());
    expect(await lookUpIn(node, ['key-1'])).toEqual([LookupStatus.UNAVAILABLE]);
    node.checkContact(monotonicNowMs());
    await end(node);
    if (node.contact.refusal(monotonicNowMs()) === undefined) node.checkContact(monotonicNowMs());
    expect(await lookUpIn(node, ['key-1'])).toEqual(['value of key-1']);
    await node.close();
  }
});

it('the reported age is that of the view on disk, not of the last word of a master', async () => {
  const folder = await servedFolder();
  const path = join(folder, 'cluster', 'view');
  const { node } = await openTestNode(folder);
  const header = orderHeader(node, { epoch: 2 });
  const at = new Date(Date.now() - 60_000);
  utimesSync(path, at, at);
  mkdirSync(`${path}.tmp/in the way`, { recursive: true });
  await node.applyView({ header, view: viewAt(1, { epoch: 2 }) });
  await node.heartbeat({ header }, monotonicNowMs());
  await node.close();
  rmSync(`${path}.tmp`, { recursive: true });
  const { node: again } = await openTestNode(folder);
  expect(again.contact.viewAgeMs(monotonicNowMs())).toBeGreaterThan(55_000);
});

it('it accepts the same view again, and never an older one', async () => {
  const folder = await servedFolder();
  const { node } = await openTestNode(folder);
  const header = orderHeader(node);
  await node.applyView({ header, view: viewAt(6, { ready: false }) });
  expect(node.cluster.view).toMatchObject({ revision: 7, ready: true });
  expect(node.cluster.isRestored).toBe(true);
  await node.applyView({ header, view: viewAt(7) });
  expect(node.cluster.isRestored).toBe(false);
});

it('damaged files, and files of another cluster, are ignored', async () => {
  const damaged = await servedFolder();
  const path = join(damaged, 'cluster', 'view');
  const bytes = readFileSync(path);
  bytes[bytes.length - 2]! ^= 1;
  writeFileSync(path, bytes);
  expect(revisionOf((await openTestNode(damaged)).node)).toBeUndefined();

  const other = await servedFolder();
  const identity = join(other, 'node.json');
  writeFileSync(identity, readFileSync(identity, 'utf8').replace('"c1"', '"c2"'));
  expect(revisionOf((await openTestNode(other)).node)).toBeUndefined();
});

it('a manifest of other content under the number of a version is not used', async () => {
  const folder = await servedFolder();
  const { node } = await openTestNode(folder);
  const other = { ...MANIFEST, fingerprint: 'f2' };
  await node.putManifest({ header: orderHeader(node), manifest: other });
  const path = join(folder, 'cluster', `${TEST_UID}-1`);
  await eventually('it is saved', () => readFileSync(path).includes('f2'));
  await node.close();
  const { node: again } = await openTestNode(folder);
  expect(revisionOf(again)).toBe(7);
  expect(await lookUpIn(again, ['key-1'])).toEqual([3]);
});

it('a damaged manifest leaves the version unanswered, not empty', async () => {
  const folder = await servedFolder();
  const path = join(folder, 'cluster', `${TEST_UID}-1`);
  writeFileSync(path, readFileSync(path).subarray(0, 200));
  const { node } = await openTestNode(folder);
  expect(await lookUpIn(node, ['key-1', 'absent'])).toEqual([3, 3]);
});

it('manifests of versions that are gone do not stay', async () => {
  const folder = await servedFolder();
  const { node } = await openTestNode(folder);
  const order = { segments: [], versions: [{ keyspaceUid: TEST_UID, version: 1 }] };
  await node.dropSegments({ header: orderHeader(node), holdingsRevision: 0, ...order });
  await eventually('the file is gone', () => readdirSync(join(folder, 'cluster')).length === 1);
  expect(await lookUpIn(node, ['key-1'])).toEqual([3]);
});
