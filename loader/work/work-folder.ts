// The folder in which a load keeps what it needs to resume:
//
//     .stele/loads/            or --work-dir
//       7f00c3a1b2c4d5e6/      one keyspace and set of paths
//         LOCK  about.json  token  checkpoint.log  spool/  runs/000000.run ...
//       dry-7f00c3a1b2c4d5e6-4711/     a dry run or sample of one process; removed at its end
//
// By default it is below the working directory: it must survive a restart of the machine, which a
// folder for temporary files may not, and hold about as much as the input. It is removed after the
// commit.

import { existsSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { wallClockIso } from '../../base/clock.ts';
import { SteleError, systemErrorCode, toSteleError } from '../../base/errors.ts';
import { lockFolder, lockHolder } from '../../base/disk/folder-lock.ts';
import { randomId } from '../../base/ids.ts';
import { makeFolder } from '../../base/disk/make-folder.ts';
import { hasCheckpoint, workFolderName } from './checkpoint.ts';
import { workFolderFull } from '../bytes/disk-reserve.ts';
import type { FoundInput } from '../input/inputs.ts';
import { isReusable } from '../input/spool.ts';

const DEFAULT_FOLDER = join('.stele', 'loads');
const ABOUT_NAME = 'about.json';
const ABOUT_FORMAT = 1;
const NAME_PATTERN = /^(?:dry-)?[0-9a-f]{16}(?:-[0-9]+)?$/;
const DRY_PREFIX = 'dry-';
const LEFT_MS_MIN = 60_000;
const TOKEN_NAME = 'token';
const TOKEN_PATTERN = /^[0-9a-f]{8,64}$/;

export interface WorkFolder {
  readonly path: string;
  readonly runs: string;
  readonly spool: string;
  /** Whether it holds anything that a later load could resume from. */
  isWorthKeeping(): boolean;
  /** Releases the lock; with `remove`, deletes the folder. */
  close(remove: boolean): void;
}

/** What the folder is for. Shown to people; a resumed load does not rely on it. */
export interface WorkAbout {
  readonly keyspace: string;
  readonly paths: readonly string[];
  /** ISO 8601. */
  readonly startedAt: string;
  readonly inputs: readonly FoundInput[];
}

/** The folder that holds the work folders of all loads. */
export function workBase(workDir: string): string {
  return resolve(workDir === '' ? DEFAULT_FOLDER : workDir);
}

/** Whether `name` is the name of a work folder. */
export function isWorkName(name: string): boolean {
  return NAME_PATTERN.test(name);
}

export function isDryName(name: string): boolean {
  return name.startsWith(DRY_PREFIX);
}

/**
 * Creates and locks the folder of a load. `key` tells it from others with these paths. Throws LOCKED
 * while another load uses it.
 */
export function openWorkFolder(
  workDir: string,
  keyspace: string,
  paths: readonly string[],
  inputs: readonly FoundInput[],
  key: readonly string[] = [],
): WorkFolder {
  const about = { keyspace, paths, startedAt: wallClockIso(), inputs };
  return open(join(workBase(workDir), workFolderName(keyspace, [...paths, ...key])), about);
}

/** Creates and locks the folder of a dry run, and removes those that killed dry runs have left. */
export function openDryFolder(
  workDir: string,
  keyspace: string,
  paths: readonly string[],
  inputs: readonly FoundInput[],
): WorkFolder {
  const base = workBase(workDir);
  for (const name of workNames(base)) {
    const path = join(base, name);
    if (isDryName(name) && isLeft(path)) removeFolder(path);
  }
  const about = { keyspace, paths, startedAt: wallClockIso(), inputs };
  const name = `${DRY_PREFIX}${workFolderName(keyspace, paths)}-${process.pid}`;
  return open(join(base, name), about);
}

/**
 * Whether no process uses the folder. One that was just created has no lock yet, so it must have
 * some age.
 */
function isLeft(path: string): boolean {
  const stats = statSync(path, { throwIfNoEntry: false });
  // Files have the wall clock's time.
  const isOld = stats !== undefined && Date.now() - stats.mtimeMs > LEFT_MS_MIN;
  return isOld && lockHolder(path) === undefined;
}

/** The names of the work folders in `base`; none if it does not exist. */
export function workNames(base: string): string[] {
  try {
    return readdirSync(base).filter(isWorkName).sort();
  } catch (thrown) {
    if (systemErrorCode(thrown) === 'ENOENT') return [];
    throw toSteleError(thrown, 'IO');
  }
}

function open(path: string, about: WorkAbout): WorkFolder {
  const runs = join(path, 'runs');
  const lock = lockOrSay(path);
  try {
    makeFolder(runs);
    writeFileSync(join(path, ABOUT_NAME), JSON.stringify({ format: ABOUT_FORMAT, ...about }));
  } catch (thrown) {
    lock.release();
    throw workFolderFull(thrown, path);
  }
  return {
    path,
    runs,
    spool: join(path, 'spool'),
    isWorthKeeping: () =>
      hasCheckpoint(path) || existsSync(join(path, TOKEN_NAME)) || isSpooled(join(path, 'spool')),
    close: (remove) => {
      if (remove) removeFolder(path);
      lock.release();
    },
  };
}

function isSpooled(spool: string): boolean {
  return existsSync(spool) && readdirSync(spool).some(isReusable);
}

/** Deletes a work folder; the lock last, so that no load begins in a half-deleted one. */
export function removeFolder(path: string): void {
  for (const name of readdirSync(path)) {
    if (name !== 'LOCK') rmSync(join(path, name), { recursive: true, force: true });
  }
  rmSync(path, { recursive: true, force: true });
}

/** What a work folder is for; undefined if it does not say, or another release wrote it. */
export function readAbout(path: string): WorkAbout | undefined {
  try {
    const about = JSON.parse(readFileSync(join(path, ABOUT_NAME), 'utf8')) as WorkAbout;
    const isOurs = 'format' in about && about.format === ABOUT_FORMAT;
    return isOurs ? about : undefined;
  } catch {
    // Cut short by a crash: listed as unknown.
    return undefined;
  }
}

function lockOrSay(path: string): { release(): void } {
  try {
    return lockFolder(path, 'load');
  } catch (thrown) {
    const error = toSteleError(thrown, 'IO');
    if (error.code === 'LOCKED') {
      throw new SteleError(
        'LOCKED',
        `Another load of the same input into the same keyspace is running (lock ${path}/LOCK); wait for it, or use another --work-dir.`,
        { cause: thrown },
      );
    }
    throw new SteleError(
      error.code,
      `The work folder ${path} cannot be made (${systemErrorCode(error.cause) ?? error.message}); name another with --work-dir.`,
      { cause: thrown },
    );
  }
}

/**
 * A random word that identifies the locked folder at `path` to the master; it is made if the folder
 * has none. Throws IO.
 *
 * The master records it with the load. A loader that is killed after that and before it has written
 * its checkpoint comes back with the same token, and replaces its own load at once instead of
 * waiting for the lease of 10 s to end: only one process at a time holds the folder.
 */
export function workToken(path: string): string {
  const file = join(path, TOKEN_NAME);
  try {
    const text = readFileSync(file, 'utf8');
    if (TOKEN_PATTERN.test(text)) return text;
  } catch (thrown) {
    if (systemErrorCode(thrown) !== 'ENOENT') throw toSteleError(thrown, 'IO');
  }
  const token = randomId();
  try {
    writeFileSync(file, token);
  } catch (thrown) {
    throw toSteleError(thrown, 'IO');
  }
  return token;
}

/** Removes the token: the master has answered that it began no load. */
export function dropWorkToken(path: string): void {
  rmSync(join(path, TOKEN_NAME), { force: true });
}
