// The three stages of a load that has begun, with the master kept informed meanwhile.

import { sleep } from '../../base/clock.ts';
import { SteleError, toSteleError } from '../../base/errors.ts';
import type { BeginLoadResponse, CommitLoadResponse } from '../../proto/gen/stele/v1/load.ts';
import type { ShardDone } from '../work/checkpoint.ts';
import { addUp, commit, commitRequest } from './commit.ts';
import type { LoadTotals } from './commit.ts';
import { conflictError } from './conflict-error.ts';
import { Delivery } from '../push/delivery.ts';
import { combineCrcs, fingerprintOf, flagsKey } from '../work/fingerprint.ts';
import { checkUnchanged } from '../input/inputs.ts';
import type { FoundInput } from '../input/inputs.ts';
import type { LoadProgress } from './load-progress.ts';
import type { LoadState, ParseStageResult, ShardStageResult } from './load-state.ts';
import type { LoadMaster } from '../push/master-client.ts';
import { runParseStage } from './parse-stage.ts';
import { writeRejects } from './rejects-file.ts';
import { noRowText, tooManyRejects } from './rejects.ts';
import { reportOnce, reportUntil } from './reporter.ts';
import { runShardStage } from './shard-stage.ts';
import { inputSummary, roundSeconds } from './summary.ts';
import type { LoadSummary } from './summary.ts';
import { Targets } from '../push/targets.ts';
import { Throttle } from '../bytes/throttle.ts';

/** Between two rounds of delivery, where the commit must wait. */
const ROUND_PAUSE_MS = 2_000;

export interface FinishOptions {
  readonly found: readonly FoundInput[];
  readonly master: LoadMaster;
  readonly response: BeginLoadResponse;
  readonly onProgress: ((progress: LoadProgress) => void) | undefined;
}

/** Throws what the stages throw, or why the master wants the load stopped. */
export async function finishLoad(state: LoadState, options: FinishOptions): Promise<LoadSummary> {
  const { log, loadId, progress, settings, stop } = state;
  const { master, response } = options;
  const targets = new Targets(response.targets);
  state.pool.spare(targets.isReadHere);
  const delivery = new Delivery({
    targets,
    identity: { keyspaceUid: state.keyspaceUid, loadId },
    minReplicas: () => minReplicasOf(state, response, targets),
    replicaWaitMs: settings.replicaWait,
    throttle: new Throttle(settings.maxBytesPerSecond),
    signal: stop.signal,
    log,
    onAcknowledged: (nodeId) => progress.acknowledge(nodeId),
  });
  progress.whoIsAwaited = () => delivery.awaited();
  const onAnswer = (): void => {
    state.pool.spare(targets.isReadHere);
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
    return await runStages(state, options, targets, delivery);
  } catch (thrown) {
    // A stage that was stopped says CANCELLED; the reporter knows why.
    throw reporterError ?? thrown;
  } finally {
    ended.abort();
    progress.whoIsAwaited = () => [];
    delivery.close();
    await reporting;
  }
}

/** As asked for; otherwise, as the master has it, the replication factor as far as there are nodes. */
function minReplicasOf(state: LoadState, response: BeginLoadResponse, targets: Targets): number {
  const { minReplicas } = state.settings;
  if (minReplicas > 0) return minReplicas;
  return Math.max(1, Math.min(response.replication, targets.nodeCount));
}

async function runStages(
  state: LoadState,
  options: FinishOptions,
  targets: Targets,
  delivery: Delivery,
): Promise<LoadSummary> {
  const { progress, settings } = state;
  const parsed = await readRows(state);
  progress.stage = 'build';
  options.onProgress?.(progress.snapshot());
  const minReplicas = (): number => minReplicasOf(state, options.response, targets);
  const isHeld = (done: ShardDone): Promise<ShardDone | undefined> =>
    Promise.resolve(isStillHeld(done, targets, minReplicas()) ? done : undefined);
  // A chunk that is not what it was then may have changed any shard.
  const isSameInput = parsed.chunksResumed === parsed.chunks.length;
  const kept = isSameInput ? state.kept.shards : new Map<number, ShardDone>();
  let delivered = await runShardStage(state, parsed, delivery, kept, isHeld);
  const { conflicts } = delivered;
  if (conflicts.count > 0) throw conflictError(conflicts, state, parsed.chunks);
  const { shardsResumed } = delivered;
  const giveUpAtMs = performance.now() + settings.replicaWait;
  for (;;) {
    try {
      return await commitStage(state, options, parsed, { ...delivered, shardsResumed });
    } catch (thrown) {
      if (!mayPass(thrown) || performance.now() > giveUpAtMs) throw thrown;
      state.log.warn(`the commit must wait: ${thrown.message}`);
      await sleep(Math.min(ROUND_PAUSE_MS, settings.replicaWait), state.stop.signal);
      // Nothing that was acknowledged is taken for granted now; only what an owner lacks is built again.
      progress.stage = 'build';
      const before = new Map(delivered.shards.map((done) => [done.shard, done]));
      const askAgain = (done: ShardDone): Promise<ShardDone | undefined> =>
        heldByAll(done, targets, delivery);
      delivered = await runShardStage(state, parsed, delivery, before, askAgain);
    }
  }
}

/** Replicas come, and deltas that are in the way are merged. */
function mayPass(thrown: unknown): thrown is SteleError {
  return (
    thrown instanceof SteleError &&
    (thrown.code === 'REPLICAS_MISSING' || thrown.code === 'OVERLOADED')
  );
}

async function readRows(state: LoadState): Promise<ParseStageResult> {
  const { maxRejects, rejects } = state.settings;
  const parsed = await runParseStage(state);
  const { chunks, rejectedCount, rowCount } = parsed;
  if (rejects !== undefined) await writeRejects(state, chunks, rejects);
  if (rejectedCount > maxRejects) throw tooManyRejects(state, chunks, rejectedCount);
  if (rowCount > 0) return parsed;
  const next =
    rejectedCount > 0
      ? 'mend the input, or say how it is to be read (--format, --key, --delimiter).'
      : 'to remove a keyspace use `stele drop`.';
  throw new SteleError(
    'INPUT_INVALID',
    `${noRowText(state, chunks, rejectedCount)}, so nothing was changed; ${next}`,
  );
}

/** A segment counts while enough of the nodes that acknowledged it are still its owners. */
function isStillHeld(done: ShardDone, targets: Targets, minReplicas: number): boolean {
  if (done.segment === undefined) return true;
  const owners = targets.ownersOf(done.shard);
  return owners.filter((node) => done.nodes.includes(node.id)).length >= minReplicas;
}

/** The shard as its owners have it now; undefined where one of them lacks its segment. */
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
  state: LoadState,
  options: FinishOptions,
  parsed: ParseStageResult,
  delivered: ShardStageResult,
): Promise<LoadSummary> {
  const { checkpoint, loadId, progress } = state;
  if (state.stop.signal.aborted) throw new SteleError('CANCELLED', 'The load was stopped.');
  progress.stage = 'commit';
  options.onProgress?.(progress.snapshot());
  const totals = addUp(delivered.shards, parsed.rowCount);
  await checkUnchanged(options.found);
  checkpoint.committing();
  const fingerprint = fingerprintIn(state, parsed);
  const request = commitRequest(loadId, delivered.shards, totals, state.settings, fingerprint);
  // The master keeps the last numbers it was told in the record of the load.
  await reportOnce({ master: options.master, loadId, progress }, state.stop.signal).catch(
    (thrown: unknown) => state.log.debug({ err: toSteleError(thrown) }, 'not reported'),
  );
  const committed = await commit(options.master, request, state.stop.signal);
  return summaryOf(state, parsed, delivered, totals, committed);
}

/** Of what was parsed, which a resumed chunk was compared with. */
function fingerprintIn({ prepared, settings }: LoadState, { chunks }: ParseStageResult): string {
  const parts = chunks.map(({ chunkCrc, portion }) => ({
    crc: chunkCrc,
    byteCount: portion.byteCount,
  }));
  return fingerprintOf(prepared.identity, combineCrcs(parts), flagsKey(settings));
}

function summaryOf(
  state: LoadState,
  parsed: ParseStageResult,
  delivered: ShardStageResult,
  totals: LoadTotals,
  committed: CommitLoadResponse,
): LoadSummary {
  const { elapsedMs } = state.progress;
  const rows = parsed.rowCount + parsed.rejectedCount;
  const { append, digest, records, replicas = 0, replication = 0, version } = committed;
  return {
    keyspace: state.settings.keyspace,
    version,
    rows,
    loaded: totals.records,
    duplicates: totals.duplicates,
    overruled: totals.overruled,
    rejected: parsed.rejectedCount,
    rowsOverLines: parsed.spanningCount,
    input: inputSummary(state.prepared.inputs),
    bytes: state.prepared.bytesTotal,
    seconds: roundSeconds(elapsedMs),
    rowsPerSecond: Math.round((rows * 1000) / Math.max(1, elapsedMs)),
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
