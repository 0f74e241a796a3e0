// The folder in which a load keeps what it needs to be resumed:
//
//     .stele/loads/            or --work-dir
//       7f00c3a1b2c4d5e6/      one keyspace and set of paths
//         LOCK  checkpoint.log  spool/  runs/000000.run ...
//
// Below the working directory by default: it must survive a restart of the machine, as a folder for
// temporary files may not, and hold about as much as the input. Removed after the commit.

import { mkdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { SteleError, systemErrorCode, toSteleError } from '../base/errors.ts';
import { lockFolder } from '../base/folder-lock.ts';
import { workFolderName } from './binding.ts';

const DEFAULT_FOLDER = join('.stele', 'loads');

export interface WorkFolder {
  readonly path: string;
  readonly runs: string;
  readonly spool: string;
  /** Gives the lock up; with `remove`, deletes everything. */
  close(remove: boolean): void;
}

/** Makes and locks the folder. Throws LOCKED while another load works in it. */
export function openWorkFolder(
  workDir: string,
  keyspace: string,
  paths: readonly string[],
): WorkFolder {
  const base = resolve(workDir === '' ? DEFAULT_FOLDER : workDir);
  const path = join(base, workFolderName(keyspace, paths));
  const runs = join(path, 'runs');
  const lock = lockOrSay(path);
  mkdirSync(runs, { recursive: true });
  return {
    path,
    runs,
    spool: join(path, 'spool'),
    close: (remove) => {
      if (remove) rmSync(path, { recursive: true, force: true });
      lock.release();
    },
  };
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
      `The work folder ${path} cannot be made (${systemErrorCode(thrown) ?? error.message}); name another with --work-dir.`,
      { cause: thrown },
    );
  }
}
