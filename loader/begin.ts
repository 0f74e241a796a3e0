// The beginning of a load: what an earlier run left is recognised or discarded, and the master is
// told. Afterwards it is clear which runs and acknowledgements may be used again.
//
//     checkpoint of these inputs?  no  -> a new load (an old one of this folder is given up)
//       | yes
//     does the master still know it?  no -> a new load; its runs are used again, not its
//       | yes                              acknowledgements: datanodes may have dropped the segments
//     same cluster, keyspace, shards? no -> nothing is used again
//       | yes -> resumed

import { mkdirSync, rmSync } from 'node:fs';
import { SteleError, toSteleError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { LoadMode } from '../proto/gen/stele/v1/load.ts';
import type { BeginLoadResponse } from '../proto/gen/stele/v1/load.ts';
import { clusterBinding, localBinding } from './binding.ts';
import { CheckpointWriter, readCheckpoint } from './checkpoint.ts';
import type { Checkpoint } from './checkpoint.ts';
import { describeInputs } from './inputs.ts';
import type { LoadMaster } from './master-client.ts';
import { thisOwner } from './owner.ts';
import { workToken } from './work-token.ts';
import type { PreparedInput } from './prepare.ts';
import type { LoadSettings } from './settings.ts';
import type { WorkFolder } from './work-folder.ts';

export interface Begun {
  readonly response: BeginLoadResponse;
  /** 16 bytes, hex. */
  readonly binding: string;
  readonly kept: Pick<Checkpoint, 'chunks' | 'shards'>;
  /** Undefined where there is nothing to do (already current). */
  readonly checkpoint: CheckpointWriter | undefined;
}

const NOTHING_KEPT: Begun['kept'] = { chunks: new Map(), shards: new Map() };

/** Throws what the master says: LOAD_IN_PROGRESS, UNAVAILABLE ... */
export async function beginLoad(
  settings: LoadSettings,
  prepared: PreparedInput,
  chunkBytes: number,
  folder: WorkFolder,
  master: LoadMaster,
  log: Logger,
  signal: AbortSignal,
): Promise<Begun> {
  const local = localBinding(settings.keyspace, settings.mode, prepared, chunkBytes);
  const earlier = await usableCheckpoint(settings, folder, local, master, log);
  const ask = (loadId: string): Promise<BeginLoadResponse> =>
    master.beginLoad(
      {
        keyspace: settings.keyspace,
        mode: settings.mode === 'append' ? LoadMode.APPEND : LoadMode.REPLACE,
        loadId,
        source: describeInputs(prepared.inputs),
        inputFingerprint: prepared.fingerprint,
        // A commit that was begun may have been carried out: then there is nothing left to do.
        skipIfCurrent: settings.skipIfCurrent || earlier?.isCommitting === true,
        minReplicas: settings.minReplicas,
        owner: thisOwner(),
        workToken: workToken(folder.path),
      },
      signal,
    );
  const response = await resumeOrBegin(ask, earlier?.header.loadId ?? '', log);
  const { clusterId, keyspaceUid, loadId, shardCount } = response;
  const binding = clusterBinding(local, clusterId, keyspaceUid, shardCount);
  if (response.alreadyCurrent) {
    return { response, binding, kept: NOTHING_KEPT, checkpoint: undefined };
  }
  const kept = whatHolds(earlier, binding, loadId, settings.onConflict, log);
  if (kept === NOTHING_KEPT) emptyRuns(folder);
  const header = { local, binding, loadId, keyspace: settings.keyspace };
  const checkpoint = new CheckpointWriter(
    folder.path,
    { ...header, onConflict: settings.onConflict },
    { chunks: kept.chunks.values(), shards: kept.shards.values() },
  );
  return { response, binding, kept, checkpoint };
}

async function usableCheckpoint(
  settings: LoadSettings,
  folder: WorkFolder,
  local: string,
  master: LoadMaster,
  log: Logger,
): Promise<Checkpoint | undefined> {
  const found = readCheckpoint(folder.path);
  if ('unusable' in found) {
    if (found.unusable !== 'none') log.warn(`the checkpoint is discarded: ${found.unusable}`);
    return undefined;
  }
  if (settings.noResume) log.info('the checkpoint is discarded, as --no-resume says');
  else if (found.header.local === local) return found;
  else log.warn('the checkpoint is discarded: the input, its dialect or the chunk size changed');
  try {
    await master.abortLoad(found.header.loadId, 'taken over by a new load');
  } catch (thrown) {
    // It may be long gone; if it is not, the next call says so.
    log.debug({ err: toSteleError(thrown) }, 'the earlier load was not aborted');
  }
  return undefined;
}

async function resumeOrBegin(
  ask: (loadId: string) => Promise<BeginLoadResponse>,
  loadId: string,
  log: Logger,
): Promise<BeginLoadResponse> {
  if (loadId === '') return await ask('');
  try {
    return await ask(loadId);
  } catch (thrown) {
    if (!(thrown instanceof SteleError) || thrown.code !== 'LOAD_NOT_FOUND') throw thrown;
    log.info('the master no longer knows the earlier load; its parsed chunks are used again');
    return await ask('');
  }
}

function whatHolds(
  earlier: Checkpoint | undefined,
  binding: string,
  loadId: string,
  onConflict: string,
  log: Logger,
): Begun['kept'] {
  if (earlier === undefined) return NOTHING_KEPT;
  if (earlier.header.binding !== binding) {
    log.warn('the checkpoint is discarded: it is of another cluster or keyspace');
    return NOTHING_KEPT;
  }
  const sameLoad = earlier.header.loadId === loadId && earlier.header.onConflict === onConflict;
  const shards = sameLoad ? earlier.shards : NOTHING_KEPT.shards;
  log.info({ chunks: earlier.chunks.size, shards: shards.size }, 'resuming');
  return { chunks: earlier.chunks, shards };
}

function emptyRuns(folder: WorkFolder): void {
  rmSync(folder.runs, { recursive: true, force: true });
  mkdirSync(folder.runs, { recursive: true });
}
