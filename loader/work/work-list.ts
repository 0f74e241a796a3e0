// `stele load --list-work` and `--clear-work`: lists and deletes what interrupted loads have left.

import { existsSync, lstatSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { SteleError, systemErrorCode } from '../../base/errors.ts';
import { lockFolder, lockHolder } from '../../base/disk/folder-lock.ts';
import { shorten } from '../../base/ids.ts';
import { readCheckpoint } from './checkpoint.ts';
import { changeOf } from '../input/inputs.ts';
import {
  isDryName,
  isWorkName,
  readAbout,
  removeFolder,
  workBase,
  workNames,
} from './work-folder.ts';
import type { WorkAbout } from './work-folder.ts';

/** One work folder in the list. */
export interface WorkEntry {
  readonly id: string;
  readonly path: string;
  /** '' if the folder does not say. */
  readonly keyspace: string;
  readonly paths: readonly string[];
  /** Since the last write in it. */
  readonly idleMs: number;
  readonly bytes: number;
  /** How far the load has come. */
  readonly stage: string;
  readonly isRunning: boolean;
  readonly isResumable: boolean;
  /** `running`, `resumable`, or why it cannot be resumed. */
  readonly state: string;
}

/**
 * All work folders, by name. `nowMs` is wall-clock time, which file times are compared with. Throws
 * IO.
 */
export function listWork(workDir: string, nowMs: number): WorkEntry[] {
  const base = workBase(workDir);
  return workNames(base).map((id) => entryOf(base, id, nowMs));
}

/**
 * Deletes one work folder, or with 'all' every one that no load is running in. Returns what was
 * deleted. Throws LOCKED, or LOAD_NOT_FOUND for an id that is not there.
 */
export function clearWork(workDir: string, which: string, nowMs: number): WorkEntry[] {
  const base = workBase(workDir);
  if (which !== 'all' && !(isWorkName(which) && existsSync(join(base, which)))) {
    throw new SteleError(
      'LOAD_NOT_FOUND',
      `There is no work folder '${shorten(which)}' in ${base}; \`stele load --list-work\` lists what is there.`,
    );
  }
  const entries = listWork(workDir, nowMs).filter(({ id }) => which === 'all' || id === which);
  return entries.filter((entry) => clearOne(entry, which === 'all'));
}

/** Deletes one work folder; returns false if it is in use and may be skipped. */
function clearOne({ path }: WorkEntry, mayPassOver: boolean): boolean {
  try {
    const lock = lockFolder(path, 'clear-work');
    try {
      removeFolder(path);
    } finally {
      lock.release();
    }
    return true;
  } catch (thrown) {
    if (!(thrown instanceof SteleError) || thrown.code !== 'LOCKED') throw thrown;
    if (mayPassOver) return false;
    const text = `A load is running in ${path}; stop it first, or let it end.`;
    throw new SteleError('LOCKED', text, { cause: thrown });
  }
}

function entryOf(base: string, id: string, nowMs: number): WorkEntry {
  const path = join(base, id);
  const about = readAbout(path);
  const { bytes, changedMs } = measure(path);
  const holder = lockHolder(path);
  const { stage, why } = progressOf(path, about, isDryName(id));
  const isRunning = holder !== undefined;
  const state = isRunning ? `running (process ${holder.pid})` : (why ?? 'resumable');
  return {
    id,
    path,
    keyspace: about?.keyspace ?? '',
    paths: about?.paths ?? [],
    idleMs: Math.max(0, nowMs - changedMs),
    bytes,
    stage,
    isRunning,
    isResumable: !isRunning && why === undefined,
    state,
  };
}

/** How far it has come, and why it cannot be resumed, if so. */
function progressOf(
  path: string,
  about: WorkAbout | undefined,
  isDry: boolean,
): { stage: string; why?: string } {
  if (isDry) return { stage: 'dry run', why: 'left by a dry run that was killed' };
  const checkpoint = readCheckpoint(path);
  if ('unusable' in checkpoint) {
    if (checkpoint.unusable !== 'none') {
      return { stage: 'unknown', why: `its checkpoint cannot be used: ${checkpoint.unusable}` };
    }
    const stage = existsSync(join(path, 'spool')) ? 'unpacking' : 'beginning';
    return { stage, why: 'nothing is done yet' };
  }
  const { chunks, header, isCommitting, shards } = checkpoint;
  const stage = isCommitting
    ? 'committing'
    : shards.size > 0
      ? `building: ${shards.size} of ${header.shardCount} shards`
      : `reading: ${chunks.size} of about ${header.chunksExpected} chunks`;
  const why = about === undefined ? undefined : changedInput(about);
  return why === undefined ? { stage } : { stage, why };
}

function changedInput({ inputs }: WorkAbout): string | undefined {
  for (const input of inputs) {
    if (changeOf(input) === undefined) continue;
    const what = existsSync(input.path) ? 'changed since' : 'is gone';
    return `'${shorten(input.path, 80)}' ${what}`;
  }
  return undefined;
}

/** Bytes and last change of all files below. Files that disappear meanwhile do not count. */
function measure(path: string): { bytes: number; changedMs: number } {
  let bytes = 0;
  let changedMs = 0;
  const folders = [path];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    try {
      changedMs = Math.max(changedMs, statSync(folder).mtimeMs);
      for (const entry of readdirSync(folder, { withFileTypes: true })) {
        const inside = join(folder, entry.name);
        if (entry.isDirectory()) folders.push(inside);
        else bytes += lstatSync(inside).size;
      }
    } catch (thrown) {
      if (systemErrorCode(thrown) !== 'ENOENT') throw thrown;
    }
  }
  return { bytes, changedMs };
}
