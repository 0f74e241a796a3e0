// Brings one keyspace to the version that the other cluster has, through the gate of this cluster.
//
//     as many shards, and the uid is the same or free    the datanodes pull the segments as they are
//     otherwise                                          rows, as an ordinary load
//
// Both end in a load of this cluster, with its lease: a second follower finds the keyspace busy, and
// later the version there.

import { segmentObject } from '../../archive/layout.ts';
import type { ArchivedManifest } from '../../archive/archived.ts';
import { SteleError } from '../../base/errors.ts';
import type { CommitSettings } from '../settings.ts';
import { prepareRows } from '../restore/restore-rows.ts';
import { requireSegments } from '../restore/snapshot.ts';
import type { WantedKeyspace } from '../restore/snapshot.ts';
import { loadStored } from '../stored/load-stored.ts';
import type { StoredVersion } from '../stored/stored-version.ts';
import type { Transfer } from '../transfer/open-transfer.ts';
import { nextStep } from './next-step.ts';
import type { NextStep, PresentVersion } from './next-step.ts';

export interface FollowSettings extends CommitSettings {
  /** Where rows are written on the way, as for a load. */
  readonly workDir: string;
}

export interface Followed {
  readonly keyspace: string;
  /** Whether the source had another version when this process looked last. */
  readonly hasMoved: boolean;
  /** Of this process: its loads replace one another, and no load of another follower. */
  readonly token: string;
}

export interface Brought {
  readonly state: Exclude<NextStep['kind'], 'take' | 'promote'> | 'taken' | 'promoted';
  /** The number in this cluster. */
  readonly version: number;
  readonly digest: string;
  readonly way?: 'segments' | 'rows';
}

/**
 * `manifest`: of the version wanted. Rejects with GATE_FAILED for one that is refused here, and as a
 * restore and a load do.
 */
export async function bring(
  transfer: Transfer,
  wanted: WantedKeyspace,
  manifest: ArchivedManifest,
  followed: Followed,
  settings: FollowSettings,
): Promise<Brought> {
  const { cluster } = transfer;
  const { keyspace } = followed;
  const { digest } = manifest.version;
  const all = await cluster.keyspaces();
  const present = all.find(({ name }) => name === keyspace);
  const versions = present === undefined ? [] : await presentVersions(transfer, keyspace);
  const step = nextStep(digest, versions, followed.hasMoved);
  if (step.kind === 'promote') {
    await cluster.promote(keyspace, step.version);
    return { state: 'promoted', version: step.version, digest };
  }
  if (step.kind !== 'take') return { state: step.kind, version: step.version, digest };
  await requireSegments(transfer, [wanted]);
  const { keyspaceUid, shardCount } = manifest;
  const owner = all.find(({ uid }) => uid === keyspaceUid);
  const isSame = owner === undefined ? present === undefined : owner.name === keyspace;
  const way = isSame && (await cluster.shardCount()) === shardCount ? 'segments' : 'rows';
  const take = way === 'segments' ? takeSegments : takeRows;
  const version = await take(transfer, wanted, manifest, followed, settings);
  return { state: 'taken', version, digest, way };
}

/** Those that can be promoted, or were refused; not those that are being removed. */
async function presentVersions({ cluster }: Transfer, keyspace: string): Promise<PresentVersion[]> {
  const versions = await cluster.versions(keyspace);
  return versions
    .filter(({ state }) => state !== 'RETIRED')
    .map(({ current, digest, state, version }) => ({
      number: version,
      isCurrent: current,
      isRejected: state === 'REJECTED',
      digest: digest.toString('hex'),
    }))
    .sort((one, other) => one.number - other.number);
}

async function takeSegments(
  transfer: Transfer,
  _: WantedKeyspace,
  manifest: ArchivedManifest,
  { keyspace, token }: Followed,
  settings: FollowSettings,
): Promise<number> {
  const { keyspaceUid, segments, shardCount } = manifest;
  const { digest, input, keyBytes, number, records, valueBytes } = manifest.version;
  const version: StoredVersion = {
    keyspaceUid,
    shardCount,
    segments: segments.map((one) => ({ ...one, object: segmentObject(keyspaceUid, one.id) })),
    totals: { records, keyBytes, valueBytes, digest },
    rows: records,
    rejected: 0,
    duplicates: 0,
    overruled: 0,
    input,
    whole: { source: sourceOf(transfer, manifest), number },
  };
  const how = { ...settings, keyspace, mode: 'replace', skipIfCurrent: true, token } as const;
  const summary = await loadStored(transfer, version, how);
  // Another follower was faster by a moment.
  if (summary.alreadyCurrent) return summary.version;
  requireDigest(keyspace, manifest, summary.digest);
  return summary.version;
}

async function takeRows(
  transfer: Transfer,
  wanted: WantedKeyspace,
  manifest: ArchivedManifest,
  { keyspace }: Followed,
  settings: FollowSettings,
): Promise<number> {
  const planned = { wanted, target: keyspace, way: 'rows', manifests: [manifest] } as const;
  const source = sourceOf(transfer, manifest);
  // Another follower may have committed the same rows while these were written.
  const more = { ...settings, source, skipIfCurrent: true };
  const rows = await prepareRows(transfer, source, [planned], settings.workDir, more);
  try {
    const [loaded] = (await rows.load()).get(keyspace) ?? [];
    return loaded?.version ?? 0;
  } catch (thrown) {
    // It will not be tried again.
    if (thrown instanceof SteleError && thrown.code === 'GATE_FAILED') rows.discard();
    throw thrown;
  } finally {
    rows.close();
  }
}

/** `prices.csv (version 42 of s3://backups/stele)`; the last source counts. */
function sourceOf({ archive }: Transfer, { version }: ArchivedManifest): string {
  const source = version.source.replace(/ \(version \d+ of [^)]*\)$/, '');
  return `${source} (version ${version.number} of ${archive.store.url})`;
}

function requireDigest(keyspace: string, { version }: ArchivedManifest, digest: string): void {
  if (digest === version.digest) return;
  throw new SteleError(
    'CORRUPT',
    `Version ${version.number} of keyspace '${keyspace}' has digest ${digest} here, and ${version.digest} there; please report this.`,
  );
}
