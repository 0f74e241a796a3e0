// Begins a load at the master, and decides what an earlier process left in the work folder may be
// used again: its runs, and the acknowledgements of its segments.
//
//     checkpoint of these inputs?  no  -> a new load (an old one of this folder is aborted)
//       | yes
//     with the same flags, and does    no -> a new load, with its own gate; it reuses the runs,
//     the master still know it?              not the acknowledgements: datanodes may have dropped the
//       | yes                                segments
//     as many shards as then?          no -> nothing is reused
//       | yes -> resumed

import { rmSync } from 'node:fs';
import { SteleError, toSteleError } from '../../base/errors.ts';
import { makeFolder } from '../../base/disk/make-folder.ts';
import { LoadMode } from '../../proto/gen/stele/v1/load.ts';
import type { BeginLoadResponse } from '../../proto/gen/stele/v1/load.ts';
import { requireWritten } from '../../segment/header.ts';
import { FORMAT_VERSION } from '../../segment/layout.ts';
import { isWithoutOwnWords } from '../../transport/master-errors.ts';
import { CheckpointWriter, localBinding, readCheckpoint, runBinding } from '../work/checkpoint.ts';
import type { Checkpoint } from '../work/checkpoint.ts';
import type { Notice } from '../input/find-inputs.ts';
import { versionFingerprint, flagsKey, readContentCrc } from '../work/fingerprint.ts';
import { dialectsOf, inputText } from '../detect/found-dialect.ts';
import { describeInputs } from '../input/inputs.ts';
import { isAnswerLost } from '../push/master-client.ts';
import { thisOwner } from '../push/owner.ts';
import type { LoadMaster } from '../push/master-client.ts';
import { tierNumber } from '../../proto/view-words.ts';
import { countPortions } from '../formats/chunks.ts';
import type { LoadJob, PreparedJob } from './load-job.ts';
import { dropWorkToken, workToken } from '../work/work-folder.ts';
import type { WorkFolder } from '../work/work-folder.ts';

const DISCARDED = 'what an earlier load left is discarded';
const NOTHING_KEPT: LoadJob['kept'] = { chunks: new Map(), shards: new Map() };

/**
 * The master's answer and the begun job; no job if the current version came from this very input.
 */
export interface Begun {
  readonly response: BeginLoadResponse;
  readonly job: LoadJob | undefined;
}

/** Throws the master's error: LOAD_IN_PROGRESS, UNAVAILABLE ... */
export async function beginLoad(job: PreparedJob, master: LoadMaster): Promise<Begun> {
  const { folder, notice, plan, prepared, settings, stop } = job;
  const { chunkBytes } = plan;
  const local = localBinding(settings.keyspace, settings.mode, prepared, chunkBytes);
  const flags = flagsKey(settings);
  const earlier = await usableCheckpoint(job, master, local);
  const earlierId = earlier?.header.flags === flags ? earlier.header.loadId : '';
  const inputFingerprint = settings.skipIfCurrent ? await fingerprint(job, flags) : '';
  const ask = (loadId: string): Promise<BeginLoadResponse> =>
    master.beginLoad(
      {
        keyspace: settings.keyspace,
        mode: settings.mode === 'append' ? LoadMode.APPEND : LoadMode.REPLACE,
        loadId,
        source: settings.source ?? describeInputs(prepared.inputs),
        input: inputText(dialectsOf(prepared.inputs)),
        inputFingerprint,
        skipIfCurrent: settings.skipIfCurrent,
        minReplicas: settings.minReplicas,
        owner: thisOwner(),
        workToken: workToken(folder.path),
        segmentFormat: FORMAT_VERSION,
        archiveFirst: settings.archive === 'wait',
        ...(settings.tier !== undefined && { tier: tierNumber(settings.tier) }),
      },
      stop.signal,
    );
  const response = await resumeOrBegin(ask, earlierId, notice).catch((thrown: unknown) => {
    if (!isAnswerLost(thrown) || !master.wasReached()) dropWorkToken(folder.path);
    if (isRefused(thrown)) rmSync(folder.spool, { recursive: true, force: true });
    throw thrown;
  });
  if (response.alreadyCurrent) return { response, job: undefined };
  requireWritten(response.segmentFormat, 'The master');
  const { keyspaceUid, loadId, shardCount } = response;
  const binding = runBinding(local, shardCount);
  const kept = whatHolds(earlier, binding, loadId, notice);
  if (kept === NOTHING_KEPT) emptyRuns(folder);
  const chunksExpected = countPortions(prepared.inputs, chunkBytes);
  const header = { local, binding, loadId, keyspace: settings.keyspace, shardCount };
  const checkpoint = new CheckpointWriter(
    folder.path,
    { ...header, flags, chunksExpected },
    { chunks: kept.chunks.values(), shards: kept.shards.values() },
  );
  const begun = { loadId, keyspaceUid, shardCount, binding, checkpoint, kept };
  return { response, job: { ...job, ...begun } };
}

/**
 * Whether the master will never accept this load (a keyspace cannot have that name), so its spool
 * is useless.
 */
function isRefused(thrown: unknown): boolean {
  const error = toSteleError(thrown);
  return error.code === 'INVALID_ARGUMENT' && !isWithoutOwnWords(error);
}

/** Reads the whole input, which is much less work than loading it. */
async function fingerprint({ prepared, progress, stop }: PreparedJob, flags: string) {
  progress.begin('compare', prepared.bytesTotal);
  const onRead = (byteCount: number): void => {
    progress.bytesDone += byteCount;
  };
  const contentCrc = await readContentCrc(prepared.inputs, stop.signal, onRead);
  progress.begin('parse', prepared.bytesTotal, prepared.headBytes);
  return versionFingerprint(prepared.identity, contentCrc, flags);
}

async function usableCheckpoint(
  { folder, log, notice, settings }: PreparedJob,
  master: LoadMaster,
  local: string,
): Promise<Checkpoint | undefined> {
  const found = readCheckpoint(folder.path);
  if ('unusable' in found) {
    if (found.unusable !== 'none') notice(`${DISCARDED} (${found.unusable})`);
    return undefined;
  }
  if (found.linesLost > 0) {
    notice(`${found.linesLost} steps of an earlier load are done again: its checkpoint is damaged`);
  }
  if (settings.noResume) notice(`${DISCARDED}, as --no-resume says`);
  else if (found.header.local === local) return found;
  else notice(`${DISCARDED}: the input, its dialect or the chunk size has changed since`);
  try {
    await master.abortLoad(found.header.loadId, 'taken over by a new load', false);
  } catch (thrown) {
    // It may be long gone; if it is not, the next call says so.
    log.debug({ err: toSteleError(thrown) }, 'the earlier load was not aborted');
  }
  return undefined;
}

async function resumeOrBegin(
  ask: (loadId: string) => Promise<BeginLoadResponse>,
  loadId: string,
  notice: Notice,
): Promise<BeginLoadResponse> {
  if (loadId === '') return await ask('');
  try {
    return await ask(loadId);
  } catch (thrown) {
    if (!(thrown instanceof SteleError) || thrown.code !== 'LOAD_NOT_FOUND') throw thrown;
    notice('the master no longer knows the earlier load; its parsed chunks are used again');
    return await ask('');
  }
}

function whatHolds(
  earlier: Checkpoint | undefined,
  binding: string,
  loadId: string,
  notice: Notice,
): LoadJob['kept'] {
  if (earlier === undefined) return NOTHING_KEPT;
  if (earlier.header.binding !== binding) {
    notice(`${DISCARDED}: the cluster has another number of shards than that was made for`);
    return NOTHING_KEPT;
  }
  const shards = earlier.header.loadId === loadId ? earlier.shards : NOTHING_KEPT.shards;
  const { chunksExpected, shardCount } = earlier.header;
  const chunksTotal = Math.max(chunksExpected, earlier.chunks.size);
  notice(
    `resuming: ${earlier.chunks.size} of ${chunksTotal} chunks, ${shards.size} of ${shardCount} shards`,
  );
  return { chunks: earlier.chunks, shards };
}

function emptyRuns(folder: WorkFolder): void {
  rmSync(folder.runs, { recursive: true, force: true });
  makeFolder(folder.runs);
}
