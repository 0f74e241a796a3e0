// The folder in which a load keeps what it needs to be resumed:
//
//     .stele/loads/            or --work-dir
//       7f00c3a1b2c4d5e6/      one keyspace and set of paths
//         LOCK  about.json  checkpoint.log  spool/  runs/000000.run ...
//       dry-7f00c3a1b2c4d5e6-4711/     of a dry run or a sample, by process; gone when that ends
//
// Below the working directory by default: it must survive a restart of the machine, as a folder for
// temporary files may not, and hold about as much as the input. Removed after the commit.

import { existsSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { wallClockIso } from '../../base/clock.ts';
import { SteleError, systemErrorCode, toSteleError } from '../../base/errors.ts';
import { lockFolder, lockHolder } from '../../base/folder-lock.ts';
import { makeFolder } from '../../base/make-folder.ts';
import { workFolderName } from './binding.ts';
import { hasCheckpoint } from './checkpoint.ts';
import { workFolderFull } from '../bytes/disk-reserve.ts';
import type { FoundInput } from '../input/inputs.ts';
import { isReusable } from '../input/spool.ts';
import { hasWorkToken } from './work-token.ts';

const DEFAULT_FOLDER = join('.stele', 'loads');
const ABOUT_NAME = 'about.json';
const ABOUT_FORMAT = 1;
const NAME_PATTERN = /^(?:dry-)?[0-9a-f]{16}(?:-[0-9]+)?$/;
const DRY_PREFIX = 'dry-';
const LEFT_MS_MIN = 60_000;

export interface WorkFolder {
  readonly path: string;
  readonly runs: string;
  readonly spool: string;
  /** Whether there is anything in it that a further load could take up. */
  isWorthKeeping(): boolean;
  /** Gives the lock up; with `remove`, deletes everything. */
  close(remove: boolean): void;
}

/** What the folder is for, for people; nothing that a resumed load trusts. */
export interface WorkAbout {
  readonly keyspace: string;
  readonly paths: readonly string[];
  /** ISO 8601. */
  readonly startedAt: string;
  readonly inputs: readonly FoundInput[];
}

/** Where the work folders of all loads are. */
export function workBase(workDir: string): string {
  return resolve(workDir === '' ? DEFAULT_FOLDER : workDir);
}

/** Whether a name in there is one of ours. */
export function isWorkName(name: string): boolean {
  return NAME_PATTERN.test(name);
}

export function isDryName(name: string): boolean {
  return name.startsWith(DRY_PREFIX);
}

/** Makes and locks the folder of a load. Throws LOCKED while another one works in it. */
export function openWorkFolder(
  workDir: string,
  keyspace: string,
  paths: readonly string[],
  inputs: readonly FoundInput[],
): WorkFolder {
  const about = { keyspace, paths, startedAt: wallClockIso(), inputs };
  return open(join(workBase(workDir), workFolderName(keyspace, paths)), about);
}

/** The same for a dry run, whose folder goes with its process; those left by killed ones go now. */
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

/** Whether nobody works in it any more; a folder just made has no lock yet. */
function isLeft(path: string): boolean {
  const stats = statSync(path, { throwIfNoEntry: false });
  // Files have the wall clock's time.
  const isOld = stats !== undefined && Date.now() - stats.mtimeMs > LEFT_MS_MIN;
  return isOld && lockHolder(path) === undefined;
}

/** The names of work folders in `base`; none where it is not there. */
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
      hasCheckpoint(path) || hasWorkToken(path) || isSpooled(join(path, 'spool')),
    close: (remove) => {
      if (remove) removeFolder(path);
      lock.release();
    },
  };
}

function isSpooled(spool: string): boolean {
  return existsSync(spool) && readdirSync(spool).some(isReusable);
}

/** Deletes a work folder; the lock last, so that nobody begins in a half-deleted one. */
export function removeFolder(path: string): void {
  for (const name of readdirSync(path)) {
    if (name !== 'LOCK') rmSync(join(path, name), { recursive: true, force: true });
  }
  rmSync(path, { recursive: true, force: true });
}

/** What a work folder is for; undefined where it does not say, or says it in another release's way. */
export function readAbout(path: string): WorkAbout | undefined {
  try {
    const about = JSON.parse(readFileSync(join(path, ABOUT_NAME), 'utf8')) as WorkAbout;
    const isOurs = 'format' in about && about.format === ABOUT_FORMAT;
    return isOurs ? about : undefined;
  } catch {
    // Cut short by a crash: it is told as unknown.
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
