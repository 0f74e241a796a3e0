// The offline check behind `stele verify`: segment files, without a running datanode.

import { basename, dirname, join } from 'node:path';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { SteleError, toSteleError } from '../../base/errors.ts';
import { segmentMeta } from '../../segment/reader.ts';
import type { SegmentMeta } from '../../segment/layout.ts';
import { segmentIdOfFileName } from '../../segment/name.ts';
import { openAs } from './expected-segment.ts';
import type { ExpectedSegment } from './expected-segment.ts';
import { readSegmentFile, segmentFilesBelow } from './store.ts';
import { stepsOf } from './verify-steps.ts';

const SEGMENTS_FOLDER = 'segments';

export interface VerifiedFile {
  readonly path: string;
  /** Undefined when the file is good. */
  readonly error: SteleError | undefined;
  readonly info: SegmentMeta | undefined;
}

/** A file, and which segment it has to be, as far as its place says so. */
export type FileToVerify = Partial<ExpectedSegment> & { readonly path: string };

/**
 * A file that was named by itself. Its name counts where it is that of a segment, and its folder where it is one of
 * a datanode's: a copy may be called anything.
 */
export function namedFile(path: string): FileToVerify {
  const segmentId = segmentIdOfFileName(basename(path));
  if (segmentId === undefined) return { path };
  const folder = dirname(path);
  const isInStore = basename(dirname(folder)) === SEGMENTS_FOLDER;
  return { path, segmentId, ...(isInStore ? { keyspaceUid: basename(folder) } : {}) };
}

/**
 * Verifies files one after the other: name and folder, checksums, structure, index, counts, digest and shard. One
 * that is gone when its turn comes is passed over: a datanode that runs deletes what no version needs.
 */
export async function* verifyFiles(files: Iterable<FileToVerify>): AsyncGenerator<VerifiedFile> {
  for (const each of files) {
    const file = await verifyFile(each);
    if (file.error === undefined || existsSync(each.path)) yield file;
  }
}

/**
 * The segment files of a datanode's data folder, or of every datanode below a `stele up` folder.
 * Throws INPUT_NOT_FOUND when there is no such folder, and for one that is neither: a check that looked at
 * nothing must not pass for one that found nothing wrong.
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
      `${dataDir} is no data folder of a datanode, nor of \`stele up\`: there is no ${SEGMENTS_FOLDER}/ in it; check --data-dir.`,
    );
  }
  const files: FileToVerify[] = [];
  for (const folder of folders) files.push(...(await segmentFilesBelow(folder)));
  return files;
}

async function verifyFile({ path, ...expected }: FileToVerify): Promise<VerifiedFile> {
  try {
    const segment = openAs(await readSegmentFile(path), expected);
    for (const _bytesDone of stepsOf(segment, 'full'));
    return { path, error: undefined, info: segmentMeta(segment) };
  } catch (thrown) {
    return { path, error: toSteleError(thrown, 'IO'), info: undefined };
  }
}
