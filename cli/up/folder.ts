// The data folder of `stele up`: only one `up` at a time, after the processes of its predecessor
// have ended, and emptied if that is asked for.

import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { monotonicNowMs, sleep } from '../../base/clock.ts';
import { SteleError } from '../../base/errors.ts';
import { lockFolder, lockHolder } from '../../base/disk/folder-lock.ts';
import type { FolderLock } from '../../base/disk/folder-lock.ts';
import { ask } from '../ask.ts';
import { hasEtcd } from './etcd-plan.ts';

/** A role that has lost its supervisor ends within 10 s. */
const OLD_ROLES_MS_MAX = 12_000;
const POLL_MS = 50;
const REPORT_AFTER_MS = 500;
const NOTHING_DELETED = 'Nothing was deleted.';

export interface ClearRequest {
  readonly clear: boolean;
  readonly yes: boolean;
}

/**
 * Locks the folder for this `stele up` and waits until the roles of an earlier, killed one have
 * ended. Then deletes the cluster in it if `clear` is set. Throws LOCKED with the pid of the `up`
 * that uses it.
 */
export async function openUpFolder(
  folder: string,
  { clear, yes }: ClearRequest,
  report: (text: string) => void,
  signal: AbortSignal,
): Promise<FolderLock> {
  const lock = lockFolder(folder, '`stele up`');
  try {
    await awaitOldRoles(folder, report, signal);
    if (clear) await clearFolder(folder, yes);
    return lock;
  } catch (thrown) {
    lock.release();
    throw thrown;
  }
}

/**
 * Waits for the roles of an earlier `up`. A role that still runs afterwards makes the start fail,
 * because each role locks its folder.
 */
async function awaitOldRoles(
  folder: string,
  report: (text: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const startMs = monotonicNowMs();
  let isReported = false;
  while (!signal.aborted && monotonicNowMs() - startMs < OLD_ROLES_MS_MAX) {
    const holders = roleFolders(folder).flatMap((name) => lockHolder(join(folder, name)) ?? []);
    if (holders.length === 0) return;
    if (!isReported && monotonicNowMs() - startMs >= REPORT_AFTER_MS) {
      const names = holders.map(({ role, pid }) => `${role} process ${pid}`);
      report(`waiting for processes of an earlier run to end: ${names.join(', ')}`);
      isReported = true;
    }
    await sleep(POLL_MS, signal);
  }
}

/** Only folders that Stele has created: a wrong --data-dir must not delete other files. */
function roleFolders(folder: string): string[] {
  return readdirSync(folder).filter((name) => /^(?:master|node-[0-9]+|etcd-[0-9]+)$/.test(name));
}

/** Whether a cluster in this folder has had a master and at least one datanode that was up. */
export function hasRunBefore(folder: string): boolean {
  if (!existsSync(join(folder, 'master', 'metadata')) && !hasEtcd(folder)) return false;
  return roleFolders(folder).some((name) => existsSync(join(folder, name, 'node.json')));
}

async function clearFolder(folder: string, yes: boolean): Promise<void> {
  const names = [...roleFolders(folder), 'etcd.json', 'loads'].filter((name) =>
    existsSync(join(folder, name)),
  );
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
