// One backup: the kept versions of keyspaces, as of one moment of the catalog, into an archive.
//
//     records of the catalog -> manifests -> segments that the archive lacks -> manifests -> snapshot
//
// Segments are named by their content, so only what is new is copied, and a backup that was
// interrupted goes on when it is run again. The snapshot is written last: before it, the archive
// has not changed for readers.

import type { ArchivedKeyspace, ArchivedManifest } from '../../archive/archived.ts';
import { isSameStore } from '../../archive/store-url.ts';
import { SteleError } from '../../base/errors.ts';
import { keyspaceName } from '../../base/ids.ts';
import type { GetRecordsResponse, KeyspaceRecords } from '../../proto/gen/stele/v1/cluster.ts';
import { Tier } from '../../proto/gen/stele/v1/view.ts';
import { tierWord } from '../../proto/view-words.ts';
import { archivedTotals } from '../transfer/totals.ts';
import { withTransfer } from '../transfer/open-transfer.ts';
import type { Transfer, TransferHooks } from '../transfer/open-transfer.ts';
import type { TransferSettings } from '../transfer/settings.ts';
import { roundSeconds } from '../stages/progress.ts';
import { collectManifests } from './collect.ts';
import type { Collected } from './collect.ts';
import { copySegments } from './copy-segments.ts';
import { presentSegments, missingSegments } from './missing.ts';

export interface BackupSummary {
  readonly url: string;
  /** The name of the snapshot; empty after a dry run. */
  readonly snapshot: string;
  readonly keyspaces: readonly {
    readonly name: string;
    readonly currentVersion: number;
    /** Of the current version. */
    readonly records: number;
    readonly digest: string;
    readonly versions: readonly number[];
  }[];
  /** Segments that were copied, or would be. */
  readonly copied: { readonly objects: number; readonly bytes: number };
  /** Segments that were there before. */
  readonly present: { readonly objects: number; readonly bytes: number };
  /** Write requests to the store that a dry run expects. */
  readonly requests: number;
  readonly seconds: number;
  readonly dryRun: boolean;
}

const PART_BYTES = 16 * 1024 * 1024;

/** Backs up `keyspaces`; empty: all. Rejects with a SteleError whose sentence says what to do. */
export async function runBackup(
  url: string,
  keyspaces: readonly string[],
  settings: TransferSettings,
  hooks: TransferHooks,
): Promise<BackupSummary> {
  for (const name of keyspaces) keyspaceName(name);
  return withTransfer(url, settings, hooks, async (transfer) => {
    const { archive, cluster, progress, stop } = transfer;
    const { signal } = stop;
    progress.begin('plan');
    const records = await cluster.records(keyspaces);
    const { at, clusterId, shardCount } = records;
    const deepStore = await cluster.deepStore();
    if (deepStore !== '' && isSameStore(deepStore, archive.store.url)) {
      const text = `${archive.store.url} is the deep store of this cluster, where a backup of some keyspaces would hide the others; use another folder or prefix.`;
      throw new SteleError('CONFLICT', text);
    }
    if (settings.dryRun) await archive.refuseForeign(clusterId, { signal });
    else await archive.claim({ clusterId, shardCount, createdAt: at }, { signal });
    const collected = await collectManifests(transfer, records);
    const present = await presentSegments(transfer, records);
    const all = missingSegments(collected, new Map());
    const missing = missingSegments(collected, present);
    const bytesOf = (list: typeof all): number =>
      list.reduce((sum, { info }) => sum + info.fileBytes, 0);
    const bytes = bytesOf(missing);
    const copied = { objects: missing.length, bytes };
    const before = { objects: all.length - missing.length, bytes: bytesOf(all) - bytes };
    let snapshot = '';
    let versions: readonly Collected[] = collected;
    if (!settings.dryRun) {
      versions = await copySegments(transfer, collected, present);
      snapshot = await writeSnapshot(transfer, records, versions);
    }
    return {
      url: archive.store.url,
      snapshot,
      keyspaces: records.keyspaces.map((keyspace) => describe(keyspace, versions)),
      copied,
      present: before,
      requests: missing.reduce((sum, { info }) => sum + requestsFor(info.fileBytes), 0),
      seconds: roundSeconds(progress.elapsedMs),
      dryRun: settings.dryRun,
    };
  });
}

/** An object above the size of a part takes a request for each part, and two more. */
function requestsFor(byteCount: number): number {
  return byteCount <= PART_BYTES ? 1 : Math.ceil(byteCount / PART_BYTES) + 2;
}

async function writeSnapshot(
  { archive, progress, stop }: Transfer,
  records: GetRecordsResponse,
  collected: readonly Collected[],
): Promise<string> {
  const { signal } = stop;
  progress.begin('commit', collected.length + 1);
  const names = new Map<Collected, string>();
  for (const one of collected) {
    names.set(one, await archive.putManifest(archivedManifest(records, one), { signal }));
    progress.done(0);
  }
  const { at, clusterId, shardCount } = records;
  const keyspaces = records.keyspaces.map((keyspace): ArchivedKeyspace => {
    const { currentVersion, keep, name, replication, suspended, tier, uid, uncached } = keyspace;
    const versions = collected
      .filter((one) => one.keyspace === keyspace)
      .map((one) => {
        const { number, totals } = one.version;
        const segmentBytes = one.segments.reduce((sum, { info }) => sum + info.fileBytes, 0);
        const manifest = names.get(one) ?? '';
        return { number, segmentBytes, records: totals?.records ?? 0, manifest };
      });
    return {
      uid,
      name,
      currentVersion,
      versions,
      ...(replication !== undefined && { replication }),
      ...(keep !== undefined && { keep }),
      ...(suspended && { suspended }),
      ...(uncached && { uncached }),
      ...(tier !== Tier.MEMORY && { tier: tierWord(tier) }),
    };
  });
  const snapshot = { clusterId, shardCount, createdAt: at, keyspaces };
  return archive.putSnapshot(snapshot, { signal });
}

function archivedManifest(
  { shardCount }: GetRecordsResponse,
  { keyspace, segments, version }: Collected,
): ArchivedManifest {
  const { committedAt, input, inputFingerprint, number, source, totals } = version;
  return {
    keyspaceUid: keyspace.uid,
    shardCount,
    version: {
      number,
      ...archivedTotals(totals),
      isRejected: false,
      source,
      input,
      inputFingerprint,
      committedAt,
    },
    segments: segments.map(({ info }) => {
      const { digest, fileBytes, id, keyBytes, records, shard, valueBytes } = info;
      const counts = { fileBytes, records, keyBytes, valueBytes };
      return { id, shard, ...counts, digest: digest.toString('hex') };
    }),
    overwritten: Object.fromEntries(
      segments.flatMap(({ info, overwritten }) =>
        overwritten === undefined ? [] : [[info.id, archivedTotals(overwritten)]],
      ),
    ),
  };
}

function describe(
  keyspace: KeyspaceRecords,
  collected: readonly Collected[],
): BackupSummary['keyspaces'][number] {
  const { currentVersion, name } = keyspace;
  const own = collected.filter((one) => one.keyspace === keyspace);
  const current = own.find(({ version }) => version.number === currentVersion)?.version.totals;
  const versions = own.map(({ version }) => version.number);
  const { digest, records } = archivedTotals(current);
  return { name, currentVersion, records, digest: current === undefined ? '' : digest, versions };
}
