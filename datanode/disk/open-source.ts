// The way this process reads from disk.

import type { Logger } from '../../base/log.ts';
import { workerFile } from '../../base/process/worker-file.ts';
import type { BlockSource } from './block-source.ts';
import { ThreadSource } from './thread-source.ts';
import type { DiskIo } from './thread-source.ts';

/** Undefined if the sources run without a build: reads are asynchronous ones then. */
export function threadSource(io: DiskIo, threads: number, log: Logger): BlockSource | undefined {
  const file = workerFile('./read-worker.js', import.meta.url);
  return file === undefined ? undefined : new ThreadSource({ file, io, threads, log });
}
