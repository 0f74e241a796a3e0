// A disk of a fixed size: a tmpfs, which only root can mount.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { skipping } from '../tools.ts';

export interface SmallDisk {
  readonly path: string;
  resize(mib: number): void;
  /** No process may be using it any more. */
  remove(): void;
}

/** Undefined, reported like hasTool, if this process may not mount. */
export function smallDisk(mib: number): SmallDisk | undefined {
  const path = mkdtempSync(join(tmpdir(), 'stele-disk-'));
  const mount = (options: string): boolean =>
    spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path]).status === 0;
  if (!mount(`size=${mib}m`)) {
    rmSync(path, { recursive: true });
    skipping('a tmpfs cannot be mounted here', 'run it as root');
    return undefined;
  }
  return {
    path,
    resize: (more) => {
      if (!mount(`remount,size=${more}m`)) throw new Error(`${path} could not be resized`);
    },
    remove: () => {
      spawnSync('umount', ['-l', path]);
      rmSync(path, { recursive: true, force: true });
    },
  };
}
