// Loads a version whose segments lie in a store: the datanodes pull them, and the version passes the
// same gate and the same commit as that of any load.
//
// Nothing is kept on this machine. If it is killed, the same command replaces its load, and the
// datanodes pull what they do not have yet.

import { SteleError, toSteleError } from '../../base/errors.ts';
import type { ArchivedSegment } from '../../archive/archived.ts';
import { LoadMode } from '../../proto/gen/stele/v1/load.ts';
import type { CommitLoadRequest, CommitLoadResponse } from '../../proto/gen/stele/v1/load.ts';
import type { SegmentInfo } from '../../proto/gen/stele/v1/segment.ts';
import type { SegmentOrigin } from '../../proto/segment-transfer.ts';
import { forEachBounded } from '../bytes/bounded.ts';
import { grpcLoadMaster } from '../push/master-client.ts';
import type { CommitSettings } from '../settings.ts';
import { gateOf } from '../stages/gate-flags.ts';
import { alreadyCurrentSummary, roundSeconds, rowRate } from '../stages/progress.ts';
import type { InputSummary, LoadSummary } from '../stages/progress.ts';
import { OpenLoad } from '../transfer/open-load.ts';
import type { Transfer } from '../transfer/open-transfer.ts';
import { hashOf } from '../work/fingerprint.ts';
import type { StoredSegment, StoredVersion } from './stored-version.ts';

/** Segments that are asked for at a time, for each datanode, and in all. */
const PULLS_PER_NODE = 8;
const PULLS_MAX = 256;

export interface StoredLoadSettings extends CommitSettings {
  readonly keyspace: string;
  readonly mode: 'replace' | 'append';
  readonly skipIfCurrent: boolean;
  /** A load with the same one is replaced. Default: the URL. */
  readonly token?: string;
}

/**
 * Rejects with CONFLICT for segments that do not fit the cluster, with what the datanodes find
 * wrong with the store or a segment, and as any load does.
 */
export async function loadStored(
  transfer: Transfer,
  version: StoredVersion,
  settings: StoredLoadSettings,
): Promise<LoadSummary> {
  await requireFitting(transfer, version, settings.keyspace);
  const { url } = transfer.archive.store;
  const master = grpcLoadMaster(settings.master, transfer.dialAs);
  try {
    const load = await OpenLoad.begin(transfer, master, {
      keyspace: settings.keyspace,
      keyspaceUid: version.keyspaceUid,
      mode: settings.mode === 'append' ? LoadMode.APPEND : LoadMode.REPLACE,
      token: settings.token ?? url,
      source: version.whole?.source ?? url,
      input: version.input,
      minReplicas: settings.minReplicas,
      inputFingerprint: fingerprintOf(version, settings),
      skipIfCurrent: settings.skipIfCurrent,
      archiveFirst: settings.archive === 'wait',
      tier: settings.tier,
    });
    try {
      const summary = await run(transfer, load, version, settings);
      await load.close();
      return summary;
    } catch (thrown) {
      const error = load.failure ?? toSteleError(thrown);
      await load.abandon(`${error.code}: ${error.message}`);
      throw error;
    }
  } finally {
    master.close();
  }
}

/** Throws CONFLICT. The master checks the uid once more when the load begins. */
async function requireFitting(
  { archive, cluster }: Transfer,
  { keyspaceUid, shardCount }: StoredVersion,
  keyspace: string,
): Promise<void> {
  const { url } = archive.store;
  const shards = await cluster.shardCount();
  if (shards !== shardCount) {
    const text = `The segments of ${url} are of ${shardCount} shards, and the cluster has ${shards}; build them for this cluster. Nothing was changed.`;
    throw new SteleError('CONFLICT', text);
  }
  const named = (await cluster.keyspaces()).find(({ name }) => name === keyspace);
  if (named === undefined || named.uid === keyspaceUid) return;
  const text = `The segments of ${url} are of a keyspace with uid ${keyspaceUid}, and '${keyspace}' of the cluster has uid ${named.uid}: it was dropped and created again, or they were built for another one. Build them for this one, or load them into a keyspace of a new name. Nothing was changed.`;
  throw new SteleError('CONFLICT', text);
}

/** The segments are named by their content, and the gate decides what becomes of them. */
function fingerprintOf({ segments }: StoredVersion, settings: StoredLoadSettings): string {
  const { keep, mode } = settings;
  const { expectRows, expectTolerance, maxShrink, minRows, requireKeys } = gateOf(settings);
  const keys = requireKeys.map(({ key, value }) => [key.toString('hex'), value?.toString('hex')]);
  const gate = [expectRows, expectTolerance, maxShrink, minRows, keys];
  return hashOf(['segments', segments.map(({ id }) => id), mode, keep, gate]);
}

async function run(
  transfer: Transfer,
  load: OpenLoad,
  version: StoredVersion,
  settings: StoredLoadSettings,
): Promise<LoadSummary> {
  const input: InputSummary = { text: version.input, dialects: [] };
  if (load.isCurrent) {
    const { currentVersion } = load.response;
    const { elapsedMs } = transfer.progress;
    return alreadyCurrentSummary(settings.keyspace, currentVersion, elapsedMs, input);
  }
  const pulled = await pullAll(transfer, load, version);
  load.progress.stage = 'commit';
  await load.report();
  transfer.progress.begin('commit');
  const committed = await load.commit(commitRequest(load, version, settings), async () => {
    await pullAll(transfer, load, version);
  });
  return summaryOf(transfer, version, settings.keyspace, input, committed, pulled);
}

/** Resolves with the ids of the segments that some datanode did not have. */
async function pullAll(
  transfer: Transfer,
  load: OpenLoad,
  { segments, shardCount, totals }: StoredVersion,
): Promise<ReadonlySet<string>> {
  const { archive, progress, settings, stop } = transfer;
  const { s3Endpoint = '', s3Region = '' } = settings;
  const nodeCount = Math.max(1, load.nodeCount);
  const bytesPerSecondMax = Math.ceil(settings.limitRate / nodeCount);
  const where = { url: archive.store.url, s3Endpoint, s3Region, shardCount, bytesPerSecondMax };
  const bytesTotal = segments.reduce((sum, { fileBytes }) => sum + fileBytes, 0);
  progress.begin('pull', segments.length, bytesTotal);
  Object.assign(load.progress, { stage: 'build', rows: totals.records });
  load.progress.begin('build', bytesTotal);
  load.progress.beginShards(segments.length);
  const pulled = new Set<string>();
  const places = Math.min(PULLS_MAX, PULLS_PER_NODE * nodeCount);
  const isDone = await forEachBounded(segments, places, stop, async (segment) => {
    await pull(load, segment, where, () => pulled.add(segment.id));
    progress.done(segment.fileBytes);
    load.progress.bytesDone += segment.fileBytes;
    load.progress.shardsDone++;
  });
  if (!isDone) throw new SteleError('CANCELLED', 'The load was stopped.');
  return pulled;
}

async function pull(
  load: OpenLoad,
  segment: StoredSegment,
  where: Omit<SegmentOrigin, 'object'>,
  onPulling: () => void,
): Promise<void> {
  const source = { origin: { ...where, object: segment.object }, onPulling };
  await load.delivery.deliver({ info: infoOf(segment), bytes: undefined, source });
}

function infoOf(segment: ArchivedSegment): SegmentInfo {
  const { digest, fileBytes, id, keyBytes, records, shard, valueBytes } = segment;
  const counts = { fileBytes, records, keyBytes, valueBytes };
  return { id, shard, ...counts, digest: Buffer.from(digest, 'hex') };
}

function commitRequest(
  { response }: OpenLoad,
  { segments, totals, whole }: StoredVersion,
  settings: StoredLoadSettings,
): CommitLoadRequest {
  const { digest, ...counts } = totals;
  return {
    loadId: response.loadId,
    shards: segments.map((segment) => ({ segment: infoOf(segment), nodeIds: [] })),
    ...counts,
    digest: Buffer.from(digest, 'hex'),
    minReplicas: settings.minReplicas,
    gate: gateOf(settings),
    keep: settings.keep,
    archiveFirst: settings.archive === 'wait',
    ...(whole === undefined ? {} : { isWhole: true, version: whole.number }),
  };
}

function summaryOf(
  { progress }: Transfer,
  version: StoredVersion,
  keyspace: string,
  input: InputSummary,
  committed: CommitLoadResponse,
  pulled: ReadonlySet<string>,
): LoadSummary {
  const { append, digest, records, replicas = 0, replication = 0 } = committed;
  const { duplicates, overruled, rejected, segments, totals } = version;
  const rows = version.rows + rejected;
  const { elapsedMs } = progress;
  return {
    keyspace,
    version: committed.version,
    rows,
    loaded: totals.records,
    duplicates,
    overruled,
    rejected,
    rowsOverLines: 0,
    input,
    bytes: segments.reduce((sum, { fileBytes }) => sum + fileBytes, 0),
    seconds: roundSeconds(elapsedMs),
    rowsPerSecond: rowRate(rows, elapsedMs),
    chunksResumed: 0,
    shardsResumed: segments.length - pulled.size,
    records,
    digest: digest.toString('hex'),
    replicas,
    replication,
    append,
    alreadyCurrent: false,
  };
}
