// Room that a load leaves on the disk of its work folder, so that what unpacks to more than the disk
// holds ends as an error here, and not as one of everything else on that disk.

import { statfs } from 'node:fs/promises';
import { SteleError, systemErrorCode, toSteleError } from '../base/errors.ts';

/** As much as a datanode leaves; on a small disk a twentieth of it. */
const RESERVE_BYTES = 256 * 1024 * 1024;
const RESERVE_SHARE = 0.05;
/** Written between two looks at the disk. */
const LOOK_EVERY_BYTES = 16 * 1024 * 1024;

/** One for each file being written. */
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
    const reserve = Math.min(RESERVE_BYTES, blocks * bsize * RESERVE_SHARE);
    const free = bavail * bsize - reserve;
    if (free < byteCount) throw full(this.#folder, undefined);
    // Near the end it looks more often; others write to that disk, too.
    this.#untilLook = Math.min(LOOK_EVERY_BYTES, free / 4);
  }
}

/** Whatever was thrown in writing to the work folder; a full disk with the next step. */
export function workFolderFull(thrown: unknown, folder: string): unknown {
  const code = systemErrorCode(thrown);
  const isFull = code === 'ENOSPC' || code === 'EDQUOT';
  return isFull
    ? full(folder, thrown)
    : thrown instanceof SteleError
      ? thrown
      : toSteleError(thrown);
}

function full(folder: string, cause: unknown): SteleError {
  return new SteleError(
    'DISK_FULL',
    `The disk of the work folder ${folder} has no room left; free some, or name another folder with --work-dir, and run the same command again.`,
    { cause },
  );
}
