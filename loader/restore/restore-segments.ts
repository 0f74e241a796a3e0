// Restores keyspaces as they were: the same uid, the same segments, the same version numbers.
//
//     1. a load of each keyspace is begun, and all segments of all its versions are read, checked and pushed
//     2. the versions are committed, in order, and the one that was current is made current
//
// Nothing is visible before all segments of all keyspaces are on their datanodes, so an archive
// that turns out to be damaged changes nothing. Segments that a datanode has are not read again.

import type { ArchivedManifest, ArchivedSegment } from '../../archive/archived.ts';
import { SteleError, toSteleError } from '../../base/errors.ts';
import { KEEP_DEFAULT, KEEP_MAX } from '../../base/limits.ts';
import { LoadMode } from '../../proto/gen/stele/v1/load.ts';
import type { CommitLoadRequest } from '../../proto/gen/stele/v1/load.ts';
import type { SegmentInfo } from '../../proto/gen/stele/v1/segment.ts';
import { forEachBounded } from '../bytes/bounded.ts';
import type { LoadMaster } from '../push/master-client.ts';
import type { Transfer } from '../transfer/open-transfer.ts';
import { OpenLoad } from '../transfer/open-load.ts';
import type { PlannedKeyspace } from './plan.ts';
import { readSegment } from './read-segment.ts';
import { restoredSource } from './restored-source.ts';

/** The number that a version had, and the one that it has now. */
export interface RestoredVersion {
  readonly was: number;
  readonly version: number;
  readonly records: number;
  readonly digest: string;
}

interface Opened {
  readonly planned: PlannedKeyspace;
  load: OpenLoad;
}

/** By target name. Rejects with CORRUPT, CONFLICT, REPLICAS_MISSING ... */
export async function restoreSegments(
  transfer: Transfer,
  master: LoadMaster,
  snapshot: string,
  all: readonly PlannedKeyspace[],
): Promise<Map<string, RestoredVersion[]>> {
  const opened: Opened[] = [];
  try {
    for (const planned of all) {
      const [first] = planned.manifests;
      if (first === undefined) continue;
      const load = await beginLoad(transfer, master, snapshot, planned, first);
      opened.push({ planned, load });
    }
    await pushAll(transfer, opened);
    const restored = new Map<string, RestoredVersion[]>();
    for (const one of opened) {
      restored.set(one.planned.target, await commitAll(transfer, master, snapshot, one));
    }
    for (const planned of all) await makeCurrent(transfer, planned);
    return restored;
  } catch (thrown) {
    const failed = opened.find(({ load }) => load.failure !== undefined)?.load.failure;
    const error = failed ?? toSteleError(thrown);
    for (const { load } of opened) await load.abandon(`${error.code}: ${error.message}`);
    throw error;
  }
}

async function beginLoad(
  transfer: Transfer,
  master: LoadMaster,
  snapshot: string,
  { target, wanted }: PlannedKeyspace,
  manifest: ArchivedManifest,
): Promise<OpenLoad> {
  return OpenLoad.begin(transfer, master, {
    keyspace: target,
    keyspaceUid: wanted.keyspace.uid,
    mode: LoadMode.REPLACE,
    token: snapshot,
    source: restoredSource(manifest, transfer.archive),
    input: manifest.version.input,
    minReplicas: 0,
    inputFingerprint: '',
    skipIfCurrent: false,
    archiveFirst: false,
    // Before the first segment arrives, so that it need not fit in memory.
    tier: wanted.keyspace.tier,
  });
}

/** Each segment once, although several versions may have it. */
function segmentsOf(manifests: readonly ArchivedManifest[]): ArchivedSegment[] {
  return [
    ...new Map(manifests.flatMap(({ segments }) => segments.map((one) => [one.id, one]))).values(),
  ];
}

async function pushAll(transfer: Transfer, opened: readonly Opened[]): Promise<void> {
  const work = opened.flatMap(({ load, planned }) =>
    segmentsOf(planned.manifests).map((segment) => ({ load, planned, segment })),
  );
  const bytes = work.reduce((sum, { segment }) => sum + segment.fileBytes, 0);
  transfer.progress.begin('push', work.length, bytes);
  const { settings, stop } = transfer;
  await forEachBounded(work, settings.transfers, stop, async ({ load, planned, segment }) => {
    await push(transfer, load, planned, segment);
    transfer.progress.done(segment.fileBytes);
  });
  if (stop.signal.aborted) throw new SteleError('CANCELLED', 'The restore was stopped.');
}

/** Reads and sends the segment, unless all owners have it. */
async function push(
  transfer: Transfer,
  load: OpenLoad,
  { wanted }: PlannedKeyspace,
  segment: ArchivedSegment,
): Promise<void> {
  const info = infoOf(segment);
  const owners = load.ownersOf(segment.shard);
  if (owners > 0 && (await load.delivery.holders(info)).length >= owners) return;
  const { memory } = transfer;
  await memory.acquire(segment.fileBytes);
  try {
    const { uid } = wanted.keyspace;
    const shared = await readSegment(transfer, uid, segment);
    await transfer.pool.run({
      segments: [{ bytes: shared, id: segment.id, keyspaceUid: uid, shardCount: load.shardCount }],
      rowsPath: '',
    });
    await load.delivery.deliver({ info, bytes: Buffer.from(shared) });
  } finally {
    memory.release(segment.fileBytes);
  }
}

/** What some owner lacks; the others are only asked. */
async function pushAgain(
  transfer: Transfer,
  { load, planned }: Opened,
  { segments }: ArchivedManifest,
): Promise<void> {
  const { settings, stop } = transfer;
  await forEachBounded(segments, settings.transfers, stop, (segment) =>
    push(transfer, load, planned, segment),
  );
  if (stop.signal.aborted) throw new SteleError('CANCELLED', 'The restore was stopped.');
}

function infoOf({ digest, ...counts }: ArchivedSegment): SegmentInfo {
  return { ...counts, digest: Buffer.from(digest, 'hex') };
}

/** Commits the versions, ascending. Each needs a load of its own; the first has one. */
async function commitAll(
  transfer: Transfer,
  master: LoadMaster,
  snapshot: string,
  opened: Opened,
): Promise<RestoredVersion[]> {
  const { planned } = opened;
  const restored: RestoredVersion[] = [];
  transfer.progress.begin('commit', planned.manifests.length);
  for (const manifest of planned.manifests) {
    if (restored.length > 0) {
      opened.load = await beginLoad(transfer, master, snapshot, planned, manifest);
      // Since the last commit, the datanodes may have dropped what no version names yet.
      await pushAgain(transfer, opened, manifest);
    }
    const { digest, version } = await opened.load.commit(
      commitRequest(opened.load, planned, manifest),
      () => pushAgain(transfer, opened, manifest),
    );
    await opened.load.close();
    requireDigest(planned, manifest, digest.toString('hex'));
    const { number: was, records } = manifest.version;
    restored.push({ was, version, records, digest: manifest.version.digest });
    transfer.progress.done(0);
  }
  return restored;
}

function commitRequest(
  { response }: OpenLoad,
  { wanted }: PlannedKeyspace,
  { segments, version }: ArchivedManifest,
): CommitLoadRequest {
  const { digest, keyBytes, number, records, valueBytes } = version;
  const { keep } = wanted.keyspace;
  const needed = wanted.manifests.length;
  return {
    loadId: response.loadId,
    shards: segments.map((segment) => ({ segment: infoOf(segment), nodeIds: [] })),
    records,
    keyBytes,
    valueBytes,
    digest: Buffer.from(digest, 'hex'),
    minReplicas: 0,
    // What was live in the other cluster needs no gate in this one.
    gate: { maxShrink: 1, requireKeys: [], expectTolerance: 0 },
    keep:
      keep === undefined && needed <= KEEP_DEFAULT
        ? 0
        : Math.min(KEEP_MAX, Math.max(keep ?? KEEP_DEFAULT, needed)),
    inputFingerprint: version.inputFingerprint,
    isWhole: true,
    version: number,
  };
}

function requireDigest(
  { target }: PlannedKeyspace,
  { version }: ArchivedManifest,
  digest: string,
): void {
  if (digest === version.digest) return;
  throw new SteleError(
    'CORRUPT',
    `Version ${version.number} of keyspace '${target}' has digest ${digest} after the restore, and ${version.digest} in the archive; drop the keyspace and report this.`,
  );
}

/** The version that was current, and the settings of the keyspace. */
async function makeCurrent(
  { cluster, notice }: Transfer,
  { target, wanted }: PlannedKeyspace,
): Promise<void> {
  const versions = await cluster.versions(target);
  const current = versions.find((one) => one.current)?.version;
  if (current !== wanted.current) await cluster.promote(target, wanted.current);
  const { replication, uncached } = wanted.keyspace;
  try {
    if (uncached === true) await cluster.setCache(target, false);
    if (replication !== undefined) await cluster.setReplication(target, replication);
  } catch (thrown) {
    if (!(thrown instanceof SteleError) || thrown.code !== 'PERMISSION_DENIED') throw thrown;
    notice(`the settings of keyspace '${target}' are not restored: ${thrown.message}`);
  }
}
