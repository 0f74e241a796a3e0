// The offline check of `stele verify`: verifies segment files without a running datanode.

import { basename, dirname, join } from 'node:path';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { systemFiles } from '../../base/disk/files.ts';
import { SteleError, toSteleError } from '../../base/errors.ts';
import { runSteps } from '../../base/run-steps.ts';
import type { SegmentMeta } from '../../segment/layout.ts';
import { segmentIdOfFileName } from '../../base/segment-name.ts';
import type { ExpectedSegment } from './expected-segment.ts';
import { fileSteps } from './file-steps.ts';
import { segmentFilesBelow } from './segment-files.ts';

const SEGMENTS_FOLDER = 'segments';

export interface VerifiedFile {
  readonly path: string;
  /** Undefined if the file is good. */
  readonly error: SteleError | undefined;
  readonly info: SegmentMeta | undefined;
}

/** A file, and which segment it must be, as far as its path tells. */
export type FileToVerify = Partial<ExpectedSegment> & { readonly path: string };

/**
 * A file that was named on the command line, which may be a copy under any name. Its name counts if
 * it is that of a segment, and its folder if it is one of a datanode.
 */
export function namedFile(path: string): FileToVerify {
  const segmentId = segmentIdOfFileName(basename(path));
  if (segmentId === undefined) return { path };
  const folder = dirname(path);
  const isInStore = basename(dirname(folder)) === SEGMENTS_FOLDER;
  return { path, segmentId, ...(isInStore ? { keyspaceUid: basename(folder) } : {}) };
}

/**
 * Verifies files one after the other: name and folder, checksums, structure, index, counts, digest
 * and shard. A file that has disappeared when its turn comes is skipped, because a running datanode
 * deletes segments that no version needs.
 */
export async function* verifyFiles(files: Iterable<FileToVerify>): AsyncGenerator<VerifiedFile> {
  for (const each of files) {
    const file = verifyFile(each);
    if (file.error === undefined || existsSync(each.path)) yield file;
  }
}

/**
 * The segment files of a datanode's data folder, or of every datanode below a `stele up` folder.
 * Throws INPUT_NOT_FOUND if the folder does not exist or is neither of these: a check that found no
 * files must not look like one that found no faults.
 */
export async function segmentFilesIn(dataDir: string): Promise<FileToVerify[]> {
  if (!existsSync(dataDir)) {
    throw new SteleError('INPUT_NOT_FOUND', `There is no folder ${dataDir}.`);
  }
  const candidates = [dataDir, ...(await readdir(dataDir)).map((name) => join(dataDir, name))];
  const folders = candidates
    .map((one) => join(one, SEGMENTS_FOLDER))
    .filter((one) => existsSync(one));
  if (folders.length === 0) {
    throw new SteleError(
      'INPUT_NOT_FOUND',
      `${dataDir} is not a data folder of a datanode or of \`stele up\`: it has no ${SEGMENTS_FOLDER}/; check --data-dir.`,
    );
  }
  const files: FileToVerify[] = [];
  for (const folder of folders) files.push(...(await segmentFilesBelow(folder)));
  return files;
}

function verifyFile({ path, ...expected }: FileToVerify): VerifiedFile {
  try {
    return { path, error: undefined, info: verified(path, expected) };
  } catch (thrown) {
    return { path, error: toSteleError(thrown, 'IO'), info: undefined };
  }
}

function verified(path: string, expected: Partial<ExpectedSegment>): SegmentMeta {
  const file = systemFiles.openBlocking(path, 'r');
  try {
    return runSteps(fileSteps(file, expected)).resident.meta;
  } finally {
    file.close();
  }
}
