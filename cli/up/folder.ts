// The data folder of `stele up`: one `up` at a time, its predecessor's processes have ended, and, where that is
// asked for, nothing is in it.

import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { monotonicNowMs, sleep } from '../../base/clock.ts';
import { SteleError } from '../../base/errors.ts';
import { lockFolder, lockHolder } from '../../base/folder-lock.ts';
import type { FolderLock } from '../../base/folder-lock.ts';
import { ask } from '../ask.ts';

/** A role that has lost its supervisor ends within 10 s. */
const OLD_ROLES_MS_MAX = 12_000;
const POLL_MS = 50;
const TELL_AFTER_MS = 500;
const NOTHING_DELETED = 'Nothing was deleted.';

export interface ClearRequest {
  readonly clear: boolean;
  readonly yes: boolean;
}

/**
 * Locks the folder for this `stele up` and waits until the roles of an earlier one that was killed have ended.
 * Then deletes what clusters have left in it, if `clear` is set. Throws LOCKED with the pid of the `up`
 * that uses it.
 */
export async function openUpFolder(
  folder: string,
  { clear, yes }: ClearRequest,
  tell: (text: string) => void,
  signal: AbortSignal,
): Promise<FolderLock> {
  const lock = lockFolder(folder, '`stele up`');
  try {
    await awaitOldRoles(folder, tell, signal);
    if (clear) await clearFolder(folder, yes);
    return lock;
  } catch (thrown) {
    lock.release();
    throw thrown;
  }
}

/** What still runs after the time ends the start with a sentence of its own, as each role locks its folder. */
async function awaitOldRoles(
  folder: string,
  tell: (text: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const startMs = monotonicNowMs();
  let isTold = false;
  while (!signal.aborted && monotonicNowMs() - startMs < OLD_ROLES_MS_MAX) {
    const holders = roleFolders(folder).flatMap((name) => lockHolder(join(folder, name)) ?? []);
    if (holders.length === 0) return;
    if (!isTold && monotonicNowMs() - startMs >= TELL_AFTER_MS) {
      const names = holders.map(({ role, pid }) => `${role} process ${pid}`);
      tell(`waiting for processes of an earlier run to end: ${names.join(', ')}`);
      isTold = true;
    }
    await sleep(POLL_MS, signal);
  }
}

/** Only what Stele itself makes: a wrong --data-dir must not cost anybody else's files. */
function roleFolders(folder: string): string[] {
  return readdirSync(folder).filter((name) => /^(?:master|node-[0-9]+)$/.test(name));
}

/** Whether a cluster in this folder has had a master and a datanode that was up. */
export function hasRunBefore(folder: string): boolean {
  if (!existsSync(join(folder, 'master', 'metadata'))) return false;
  return roleFolders(folder).some((name) => existsSync(join(folder, name, 'node.json')));
}

async function clearFolder(folder: string, yes: boolean): Promise<void> {
  const names = [...roleFolders(folder), 'loads'].filter((name) => existsSync(join(folder, name)));
  if (names.length === 0) return;
  if (!yes) await confirm(folder, names);
  for (const name of names) rmSync(join(folder, name), { recursive: true, force: true });
}

async function confirm(folder: string, names: readonly string[]): Promise<void> {
  if (!process.stdin.isTTY) {
    throw new SteleError(
      'INVALID_ARGUMENT',
      `--clear deletes the cluster in ${folder} with all its data; add --yes to do it without being asked.`,
    );
  }
  const question = `Delete the cluster in ${folder} with all its data (${names.join(', ')})? Type yes: `;
  if ((await ask(question, NOTHING_DELETED)) !== 'yes') {
    throw new SteleError('CONFLICT', NOTHING_DELETED);
  }
}
