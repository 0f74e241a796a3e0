// The segment files: where they are, and how they are read.

import { join } from 'node:path';
import { SteleError, systemErrorCode, toSteleError } from '../../base/errors.ts';
import { systemFiles } from '../../base/disk/files.ts';
import { SEGMENT_BYTES_MAX } from '../../base/limits.ts';
import { SEGMENT_FILE_ENDING } from '../../base/segment-name.ts';

const READ_BYTES = 8 * 1024 * 1024;

/** A segment file, identified by its path. */
export interface SegmentFile {
  readonly keyspaceUid: string;
  readonly segmentId: string;
  readonly path: string;
  readonly byteLength: number;
}

/**
 * The segment files in a `segments` folder. Files with other endings do not belong to Stele and are
 * ignored; files that a running datanode deletes meanwhile are left out.
 */
export async function segmentFilesBelow(
  folder: string,
  files = systemFiles,
): Promise<SegmentFile[]> {
  const found: SegmentFile[] = [];
  for (const keyspaceUid of ((await unlessGone(files.readdir(folder))) ?? []).sort()) {
    const keyspaceFolder = join(folder, keyspaceUid);
    const names = (await unlessGone(files.readdir(keyspaceFolder))) ?? [];
    for (const name of names.sort()) {
      if (!name.endsWith(SEGMENT_FILE_ENDING)) continue;
      const path = join(keyspaceFolder, name);
      const facts = await unlessGone(files.stat(path));
      if (facts === undefined) continue;
      const segmentId = name.slice(0, -SEGMENT_FILE_ENDING.length);
      found.push({ keyspaceUid, segmentId, path, byteLength: facts.size });
    }
  }
  return found;
}

/** The result of `found`, or undefined if the file or folder does not exist. */
export async function unlessGone<Found>(found: Promise<Found>): Promise<Found | undefined> {
  try {
    return await found;
  } catch (thrown) {
    const code = systemErrorCode(thrown);
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw thrown;
  }
}

/**
 * Whether `thrown` shows that the file of a held segment is damaged. The file was verified before
 * it was held, so an unknown format means a damaged format number.
 */
export function isDamage(thrown: unknown): boolean {
  const { code } = toSteleError(thrown, 'IO');
  return code === 'CORRUPT' || code === 'UNKNOWN_FORMAT';
}

/**
 * Reads a whole segment file into a SharedArrayBuffer. Throws CORRUPT for a size that no segment
 * can have.
 */
export async function readSegmentFile(path: string, files = systemFiles): Promise<Buffer> {
  const file = await files.open(path, 'r');
  try {
    const { size } = await file.stat();
    if (size === 0 || size > SEGMENT_BYTES_MAX) {
      throw new SteleError('CORRUPT', `${path} has ${size} bytes; no segment has that size.`);
    }
    const bytes = Buffer.from(new SharedArrayBuffer(size));
    let done = 0;
    while (done < size) {
      const { bytesRead } = await file.read(bytes, done, Math.min(READ_BYTES, size - done), done);
      if (bytesRead === 0) throw new SteleError('CORRUPT', `${path} ends early.`);
      done += bytesRead;
    }
    return bytes;
  } finally {
    await file.close();
  }
}
