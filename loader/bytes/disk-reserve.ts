// Room that a load leaves on the disk of its work folder, so that what unpacks to more than the disk
// holds ends as an error here, and not as one of everything else on that disk.

import { statfsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { SteleError, toSteleError } from '../../base/errors.ts';
import { formatBytes } from '../../base/units.ts';

/** As much as a datanode leaves; on a small disk a twentieth of it. */
const RESERVE_BYTES = 256 * 1024 * 1024;
const RESERVE_SHARE = 0.05;
/** Written between two looks at the disk. */
const LOOK_EVERY_BYTES = 16 * 1024 * 1024;

/** One for each file being written, or for all of one kind. */
export class DiskReserve {
  readonly #folder: string;
  #untilLook = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** To be called before `byteCount` bytes are written. Throws DISK_FULL. */
  async take(byteCount: number): Promise<void> {
    this.#untilLook -= byteCount;
    if (this.#untilLook >= 0) return;
    const { bavail, blocks, bsize } = await statfs(this.#folder);
    const free = bavail * bsize - reserveOf(blocks * bsize);
    if (free < byteCount) throw full(this.#folder, byteCount, undefined);
    // Near the end it looks more often; others write to that disk, too.
    this.#untilLook = Math.min(LOOK_EVERY_BYTES, free / 4);
  }
}

function reserveOf(diskBytes: number): number {
  return Math.min(RESERVE_BYTES, diskBytes * RESERVE_SHARE);
}

/**
 * Whatever was thrown in writing to the work folder; a full disk with what is free there, what is
 * needed as far as that is known, and the next step.
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

/** `1.2 MiB are free (and 40.0 MiB are left to others)`; for a sentence, so it never throws. */
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
