// Runs the three stages of a load that has begun, and reports progress to the master meanwhile.

import { sleep } from '../../base/clock.ts';
import { SteleError, toSteleError } from '../../base/errors.ts';
import { inSpan } from '../../base/process/tracing.ts';
import type { BeginLoadResponse, CommitLoadResponse } from '../../proto/gen/stele/v1/load.ts';
import type { ShardDone } from '../work/checkpoint.ts';
import { addUp, commit, commitRequest } from './commit-stage.ts';
import type { LoadTotals } from './commit-stage.ts';
import { conflictError } from './conflicts.ts';
import { Delivery } from '../push/delivery.ts';
import { combineCrcs, versionFingerprint, flagsKey } from '../work/fingerprint.ts';
import { checkUnchanged } from '../input/inputs.ts';
import { checkStopped, inputOf } from './load-job.ts';
import type { LoadJob } from './load-job.ts';
import type { LoadMaster } from '../push/master-client.ts';
import { runParseStage } from './parse-stage.ts';
import type { ParseStageResult } from './parse-stage.ts';
import { inputSummary, reportOnce, reportUntil, roundSeconds, rowRate } from './progress.ts';
import type { LoadSummary } from './progress.ts';
import { writeRejects } from './rejects-file.ts';
import { noRowText, tooManyRejects } from './rejects.ts';
import { parsedRows, runShardStage } from './shard-stage.ts';
import type { ShardStageResult } from './shard-stage.ts';
import { Targets } from '../push/targets.ts';
import { Throttle } from '../bytes/throttle.ts';
import type { DialIdentity } from '../../transport/dial-identity.ts';

/** Between two rounds of delivery while the commit must wait. */
const ROUND_PAUSE_MS = 2_000;

/** Throws what the stages throw, or the reason for which the master stopped the load. */
export async function finishLoad(
  job: LoadJob,
  master: LoadMaster,
  response: BeginLoadResponse,
  dialAs: DialIdentity,
): Promise<LoadSummary> {
  const { log, loadId, progress, settings, stop } = job;
  const targets = new Targets(response.targets);
  job.pool.throttle(targets.servesReadsLocally);
  const delivery = new Delivery({
    targets,
    identity: { keyspaceUid: job.keyspaceUid, loadId, tier: settings.tier },
    minReplicas: () => minReplicasOf(job, response, targets),
    replicaWaitMs: settings.replicaWait,
    throttle: new Throttle(settings.maxBytesPerSecond),
    signal: stop.signal,
    dialAs,
    log,
    onAcknowledged: (nodeId) => progress.acknowledge(nodeId),
  });
  progress.whoIsAwaited = () => delivery.awaited();
  const onAnswer = (): void => {
    job.pool.throttle(targets.servesReadsLocally);
    delivery.endDeparted();
  };
  const ended = new AbortController();
  let reporterError: SteleError | undefined;
  const { progressIntervalMs } = response;
  const reporting = reportUntil(
    { master, loadId, progressIntervalMs, progress, targets, log, onAnswer },
    ended.signal,
  ).catch((thrown: unknown) => {
    reporterError = toSteleError(thrown);
    stop.abort();
  });
  try {
    return await runStages(job, master, response, targets, delivery);
  } catch (thrown) {
    // A stage that was stopped throws CANCELLED; the reporter has the reason.
    throw reporterError ?? thrown;
  } finally {
    ended.abort();
    progress.whoIsAwaited = () => [];
    delivery.close();
    await reporting;
  }
}

/** As the flag says; by default the replication factor, or the number of nodes if that is less. */
function minReplicasOf(job: LoadJob, response: BeginLoadResponse, targets: Targets): number {
  const { minReplicas } = job.settings;
  if (minReplicas > 0) return minReplicas;
  return Math.max(1, Math.min(response.replication, targets.nodeCount));
}

async function runStages(
  job: LoadJob,
  master: LoadMaster,
  response: BeginLoadResponse,
  targets: Targets,
  delivery: Delivery,
): Promise<LoadSummary> {
  const { hooks, progress, settings } = job;
  const parsed = await readRows(job);
  progress.stage = 'build';
  hooks.onProgress?.(progress.snapshot());
  const minReplicas = (): number => minReplicasOf(job, response, targets);
  const isHeld = (done: ShardDone): Promise<ShardDone | undefined> =>
    Promise.resolve(isStillHeld(done, targets, minReplicas()) ? done : undefined);
  // A chunk whose bytes have changed may have changed any shard.
  const isSameInput = parsed.chunksResumed === parsed.chunks.length;
  const kept = isSameInput ? job.kept.shards : new Map<number, ShardDone>();
  const rows = parsedRows(job, parsed);
  const deliver = (
    before: ReadonlyMap<number, ShardDone>,
    check: (done: ShardDone) => Promise<ShardDone | undefined>,
  ): Promise<ShardStageResult> =>
    inSpan('load build', {}, () => runShardStage(job, rows, delivery, before, check));
  let delivered = await deliver(kept, isHeld);
  const { conflicts } = delivered;
  if (conflicts.count > 0) throw conflictError(conflicts, job, parsed.chunks);
  const { shardsResumed } = delivered;
  const giveUpAtMs = performance.now() + settings.replicaWait;
  for (;;) {
    try {
      return await inSpan('load commit', {}, () =>
        commitStage(job, master, parsed, { ...delivered, shardsResumed }),
      );
    } catch (thrown) {
      if (!mayPass(thrown) || performance.now() > giveUpAtMs) throw thrown;
      job.log.warn(`the commit must wait: ${thrown.message}`);
      await sleep(Math.min(ROUND_PAUSE_MS, settings.replicaWait), job.stop.signal);
      // Owners are asked again for every segment; only what one of them lacks is built again.
      progress.stage = 'build';
      const before = new Map(delivered.shards.map((done) => [done.shard, done]));
      const askAgain = (done: ShardDone): Promise<ShardDone | undefined> =>
        heldByAll(done, targets, delivery);
      delivered = await deliver(before, askAgain);
    }
  }
}

/** Whether waiting may help: missing replicas come back, and waiting deltas are merged. */
function mayPass(thrown: unknown): thrown is SteleError {
  return (
    thrown instanceof SteleError &&
    (thrown.code === 'REPLICAS_MISSING' || thrown.code === 'OVERLOADED')
  );
}

async function readRows(job: LoadJob): Promise<ParseStageResult> {
  const { maxRejects, rejects } = job.settings;
  const parsed = await inSpan('load parse', {}, () => runParseStage(job));
  const { chunks, rejectedCount, rowCount } = parsed;
  if (rejects !== undefined) await writeRejects(job, chunks, rejects);
  if (rejectedCount > maxRejects) throw tooManyRejects(job, chunks, rejectedCount);
  if (rowCount > 0) return parsed;
  const next =
    rejectedCount > 0
      ? 'correct the input, or say how it is to be read (--format, --key, --delimiter).'
      : 'to remove a keyspace use `stele drop`.';
  throw new SteleError(
    'INPUT_INVALID',
    `${noRowText(job, chunks, rejectedCount)}, so nothing was changed; ${next}`,
  );
}

/** Whether enough of the nodes that acknowledged a shard's segment are still its owners. */
function isStillHeld(done: ShardDone, targets: Targets, minReplicas: number): boolean {
  if (done.segment === undefined) return true;
  const owners = targets.ownersOf(done.shard);
  return owners.filter((node) => done.nodes.includes(node.id)).length >= minReplicas;
}

/** The shard with its present owners as its nodes; undefined if one of them lacks the segment. */
async function heldByAll(
  done: ShardDone,
  targets: Targets,
  delivery: Delivery,
): Promise<ShardDone | undefined> {
  if (done.segment === undefined) return done;
  const { digest, ...counts } = done.segment;
  const info = { ...counts, shard: done.shard, digest: Buffer.from(digest, 'hex') };
  const nodes = await delivery.holders(info);
  const owners = targets.ownersOf(done.shard);
  const isHeld = owners.length > 0 && owners.every(({ id }) => nodes.includes(id));
  return isHeld ? { ...done, nodes } : undefined;
}

async function commitStage(
  job: LoadJob,
  master: LoadMaster,
  parsed: ParseStageResult,
  delivered: ShardStageResult,
): Promise<LoadSummary> {
  const { checkpoint, found, hooks, loadId, progress, settings, stop } = job;
  checkStopped(job);
  progress.stage = 'commit';
  hooks.onProgress?.(progress.snapshot());
  const totals = addUp(delivered.shards, parsed.rowCount);
  await checkUnchanged(found);
  checkpoint.committing();
  const fingerprint = fingerprintIn(job, parsed);
  const request = commitRequest(loadId, delivered.shards, totals, settings, fingerprint);
  // The master keeps the last numbers that were reported in the record of the load.
  await reportOnce({ master, loadId, progress }, stop.signal).catch((thrown: unknown) =>
    job.log.debug({ err: toSteleError(thrown) }, 'not reported'),
  );
  const committed = await commit(master, request, stop.signal);
  return summaryOf(job, parsed, delivered, totals, committed);
}

/** Computed from the chunks' checksums, which resumed chunks were compared with. */
function fingerprintIn(job: LoadJob, { chunks }: ParseStageResult): string {
  const { prepared, settings } = job;
  const whole = chunks.filter(
    ({ portion }) => inputOf(job, portion.pieces[0]).contentCrc === undefined,
  );
  const parts = whole.map(({ chunkCrc, portion }) => ({
    crc: chunkCrc,
    byteCount: portion.byteCount,
  }));
  return versionFingerprint(prepared.identity, combineCrcs(parts), flagsKey(settings));
}

function summaryOf(
  job: LoadJob,
  parsed: ParseStageResult,
  delivered: ShardStageResult,
  totals: LoadTotals,
  committed: CommitLoadResponse,
): LoadSummary {
  const { elapsedMs } = job.progress;
  const rows = parsed.rowCount + parsed.rejectedCount;
  const { append, digest, records, replicas = 0, replication = 0, version } = committed;
  return {
    keyspace: job.settings.keyspace,
    version,
    rows,
    loaded: totals.records,
    duplicates: totals.duplicates,
    overruled: totals.overruled,
    rejected: parsed.rejectedCount,
    rowsOverLines: parsed.spanningCount,
    input: inputSummary(job.prepared.inputs),
    bytes: job.prepared.bytesTotal,
    seconds: roundSeconds(elapsedMs),
    rowsPerSecond: rowRate(rows, elapsedMs),
    chunksResumed: parsed.chunksResumed,
    shardsResumed: delivered.shardsResumed,
    records,
    digest: digest.toString('hex'),
    replicas,
    replication,
    append,
    alreadyCurrent: false,
  };
}
