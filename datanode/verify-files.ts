// The offline check behind `stele verify`: segment files, without a running datanode.

import { join } from 'node:path';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { SteleError, toSteleError } from '../base/errors.ts';
import { openSegment, segmentMeta } from '../segment/reader.ts';
import type { SegmentMeta } from '../segment/layout.ts';
import { verifySegment } from '../segment/verify.ts';
import { readSegmentFile, segmentFilesBelow } from './store.ts';

export interface VerifiedFile {
  readonly path: string;
  /** Undefined when the file is good. */
  readonly error: SteleError | undefined;
  readonly info: SegmentMeta | undefined;
}

/**
 * Verifies files one after the other: checksums, structure, index, counts and digest. One that is gone when
 * its turn comes is passed over: a datanode that runs deletes what no version needs.
 */
export async function* verifyFiles(paths: Iterable<string>): AsyncGenerator<VerifiedFile> {
  for (const path of paths) {
    const file = await verifyFile(path);
    if (file.error === undefined || existsSync(path)) yield file;
  }
}

/**
 * The segment files of a datanode's data folder, or of every datanode below a `stele up` folder.
 * Throws INPUT_NOT_FOUND when there is no such folder.
 */
export async function segmentFilesIn(dataDir: string): Promise<string[]> {
  if (!existsSync(dataDir)) {
    throw new SteleError('INPUT_NOT_FOUND', `There is no folder ${dataDir}.`);
  }
  const candidates = [dataDir, ...(await readdir(dataDir)).map((name) => join(dataDir, name))];
  const paths: string[] = [];
  for (const folder of candidates.map((candidate) => join(candidate, 'segments'))) {
    if (!existsSync(folder)) continue;
    paths.push(...(await segmentFilesBelow(folder)).map((file) => file.path));
  }
  return paths;
}

async function verifyFile(path: string): Promise<VerifiedFile> {
  try {
    const segment = openSegment(await readSegmentFile(path));
    verifySegment(segment);
    return { path, error: undefined, info: segmentMeta(segment) };
  } catch (thrown) {
    return { path, error: toSteleError(thrown, 'IO'), info: undefined };
  }
}
