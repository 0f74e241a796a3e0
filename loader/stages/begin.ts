// The beginning of a load: what an earlier run left is recognised or discarded, and the master is
// told. Afterwards it is clear which runs and acknowledgements may be used again.
//
//     checkpoint of these inputs?  no  -> a new load (an old one of this folder is given up)
//       | yes
//     with the same flags, and does    no -> a new load, with its own gate; the runs are used again,
//     the master still know it?              not the acknowledgements: datanodes may have dropped the
//       | yes                                segments
//     as many shards as then?          no -> nothing is used again
//       | yes -> resumed

import { rmSync } from 'node:fs';
import { SteleError, toSteleError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { makeFolder } from '../../base/make-folder.ts';
import { LoadMode } from '../../proto/gen/stele/v1/load.ts';
import type { BeginLoadResponse } from '../../proto/gen/stele/v1/load.ts';
import { isWithoutOwnWords } from '../../transport/master-errors.ts';
import { localBinding, runBinding } from '../work/binding.ts';
import { CheckpointWriter, readCheckpoint } from '../work/checkpoint.ts';
import type { Checkpoint } from '../work/checkpoint.ts';
import type { Notice } from '../input/find-inputs.ts';
import { fingerprintOf, flagsKey, readContentCrc } from '../work/fingerprint.ts';
import { dialectsOf, inputText } from '../parse/found-dialect.ts';
import { describeInputs } from '../input/inputs.ts';
import { isAnswerLost } from '../push/master-client.ts';
import type { LoadMaster } from '../push/master-client.ts';
import { thisOwner } from '../push/owner.ts';
import { dropWorkToken, workToken } from '../work/work-token.ts';
import { countPortions } from '../parse/portions.ts';
import type { PreparedInput } from '../input/inputs.ts';
import type { LoadSettings } from '../settings.ts';
import type { ProgressCounter } from './load-progress.ts';
import type { WorkFolder } from '../work/work-folder.ts';

export interface Begun {
  readonly response: BeginLoadResponse;
  /** 16 bytes, hex. */
  readonly binding: string;
  readonly kept: Pick<Checkpoint, 'chunks' | 'shards'>;
  /** Undefined where there is nothing to do (already current). */
  readonly checkpoint: CheckpointWriter | undefined;
}

const DISCARDED = 'what an earlier load left is discarded';
const NOTHING_KEPT: Begun['kept'] = { chunks: new Map(), shards: new Map() };

export interface BeginContext {
  readonly settings: LoadSettings;
  readonly prepared: PreparedInput;
  readonly chunkBytes: number;
  readonly folder: WorkFolder;
  readonly master: LoadMaster;
  readonly progress: ProgressCounter;
  readonly log: Logger;
  readonly notice: Notice;
  readonly signal: AbortSignal;
}

/** Throws what the master says: LOAD_IN_PROGRESS, UNAVAILABLE ... */
export async function beginLoad(context: BeginContext): Promise<Begun> {
  const { chunkBytes, folder, master, notice, prepared, settings, signal } = context;
  const local = localBinding(settings.keyspace, settings.mode, prepared, chunkBytes);
  const flags = flagsKey(settings);
  const earlier = await usableCheckpoint(context, local);
  const earlierId = earlier?.header.flags === flags ? earlier.header.loadId : '';
  const inputFingerprint = settings.skipIfCurrent ? await fingerprint(context, flags) : '';
  const ask = (loadId: string): Promise<BeginLoadResponse> =>
    master.beginLoad(
      {
        keyspace: settings.keyspace,
        mode: settings.mode === 'append' ? LoadMode.APPEND : LoadMode.REPLACE,
        loadId,
        source: describeInputs(prepared.inputs),
        input: inputText(dialectsOf(prepared.inputs)),
        inputFingerprint,
        skipIfCurrent: settings.skipIfCurrent,
        minReplicas: settings.minReplicas,
        owner: thisOwner(),
        workToken: workToken(folder.path),
      },
      signal,
    );
  const response = await resumeOrBegin(ask, earlierId, notice).catch((thrown: unknown) => {
    if (!isAnswerLost(thrown) || !master.wasReached()) dropWorkToken(folder.path);
    if (isRefused(thrown)) rmSync(folder.spool, { recursive: true, force: true });
    throw thrown;
  });
  const { loadId, shardCount } = response;
  const binding = runBinding(local, shardCount);
  if (response.alreadyCurrent) {
    return { response, binding, kept: NOTHING_KEPT, checkpoint: undefined };
  }
  const kept = whatHolds(earlier, binding, loadId, notice);
  if (kept === NOTHING_KEPT) emptyRuns(folder);
  const chunksExpected = countPortions(prepared.inputs, chunkBytes);
  const header = { local, binding, loadId, keyspace: settings.keyspace, shardCount };
  const checkpoint = new CheckpointWriter(
    folder.path,
    { ...header, flags, chunksExpected },
    { chunks: kept.chunks.values(), shards: kept.shards.values() },
  );
  return { response, binding, kept, checkpoint };
}

/** The master will never take this load, so nothing that it has unpacked is of use: the keyspace cannot have that name. */
function isRefused(thrown: unknown): boolean {
  const error = toSteleError(thrown);
  return error.code === 'INVALID_ARGUMENT' && !isWithoutOwnWords(error);
}

/** The whole input is read for it: much less work than loading it. */
async function fingerprint({ prepared, progress, signal }: BeginContext, flags: string) {
  progress.begin('compare', prepared.bytesTotal);
  const onRead = (byteCount: number): void => {
    progress.bytesDone += byteCount;
  };
  const contentCrc = await readContentCrc(prepared.inputs, signal, onRead);
  progress.begin('parse', prepared.bytesTotal, prepared.headBytes);
  return fingerprintOf(prepared.identity, contentCrc, flags);
}

async function usableCheckpoint(
  { folder, log, master, notice, settings }: BeginContext,
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
): Begun['kept'] {
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
