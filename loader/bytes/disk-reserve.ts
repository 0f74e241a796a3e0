// The free space that a load leaves on the disk of its work folder, so that input which unpacks to
// more than the disk holds fails here, and not for everything else on that disk.

import { statfsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { SteleError, toSteleError } from '../../base/errors.ts';
import { formatBytes } from '../../base/units.ts';

/** The same as a datanode's reserve; a twentieth of a small disk. */
const RESERVE_BYTES = 256 * 1024 * 1024;
const RESERVE_SHARE = 0.05;
/** Bytes written between two checks of the disk. */
const LOOK_EVERY_BYTES = 16 * 1024 * 1024;

/** One per file being written, or per kind of files. */
export class DiskReserve {
  readonly #folder: string;
  #untilLook = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Must be called before `byteCount` bytes are written. Throws DISK_FULL. */
  async take(byteCount: number): Promise<void> {
    this.#untilLook -= byteCount;
    if (this.#untilLook >= 0) return;
    const { bavail, blocks, bsize } = await statfs(this.#folder);
    const free = bavail * bsize - reserveOf(blocks * bsize);
    if (free < byteCount) throw full(this.#folder, byteCount, undefined);
    // Checks more often as the disk fills up, because others write to it, too.
    this.#untilLook = Math.min(LOOK_EVERY_BYTES, free / 4);
  }
}

function reserveOf(diskBytes: number): number {
  return Math.min(RESERVE_BYTES, diskBytes * RESERVE_SHARE);
}

/**
 * Explains an error of writing to the work folder: for a full disk with the free space, the space
 * needed if known, and the next step.
 */
export function workFolderFull(thrown: unknown, folder: string, neededBytes?: number): SteleError {
  const error = toSteleError(thrown);
  return error.code === 'DISK_FULL' ? full(folder, neededBytes, thrown) : error;
}

function full(folder: string, neededBytes: number | undefined, cause: unknown): SteleError {
  const needed =
    neededBytes === undefined ? 'too little' : `about ${formatBytes(neededBytes)} are needed`;
  return new SteleError(
    'DISK_FULL',
    `The disk of the work folder ${folder} has no room left: ${freeOn(folder)}, ${needed}; free some, or name another folder with --work-dir, and run the same command again.`,
    { cause },
  );
}

/** Free space as a clause, `1.2 MiB are free (and 40.0 MiB are left to others)`. Never throws. */
function freeOn(folder: string): string {
  try {
    const { bavail, blocks, bsize } = statfsSync(folder);
    const reserve = reserveOf(blocks * bsize);
    const free = Math.max(0, bavail * bsize - reserve);
    return `${formatBytes(free)} are free (beside ${formatBytes(reserve)} that are left to others)`;
  } catch {
    return 'nothing is free';
  }
}
