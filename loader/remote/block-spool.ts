// Copies a remote file into the work folder, block by block, several at once:
//
//     NAME.part       the file, with holes where blocks are missing
//     NAME.blocks     identity of the file, then a line for each block that is there: index, CRC32
//
// What an interrupted load has copied is not copied again: blocks are checked by their CRCs, as
// they are not synced. Why files are copied first: docs/decisions/0058-remote-inputs.md.

import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { SteleError } from '../../base/errors.ts';
import { forEachBounded } from '../bytes/bounded.ts';
import { DiskReserve } from '../bytes/disk-reserve.ts';
import type { RemoteFile } from './remote-file.ts';

const MiB = 1024 * 1024;
const BLOCK_BYTES = 2 * MiB;
/** Of one file; several files are copied at once. */
const BLOCKS_AT_ONCE = 4;

export interface BlockOptions {
  readonly folder: string;
  readonly signal: AbortSignal;
  /** Only the beginning is needed. */
  readonly bytesMax?: number;
  /** Only blocks of these byte ranges are needed: start, end, start, end ... */
  readonly ranges?: readonly number[];
  readonly onRead: (byteCount: number) => void;
}

/** Resolves with the path of the copy. Throws INPUT_CHANGED, UNAVAILABLE, CANCELLED, I/O errors. */
export async function copyBlocks(
  remote: RemoteFile,
  name: string,
  { bytesMax = Infinity, folder, onRead, ranges, signal }: BlockOptions,
): Promise<string> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, `${name}.part`);
  const list = join(folder, `${name}.blocks`);
  const head = `${JSON.stringify([remote.sizeBytes, remote.identity, BLOCK_BYTES])}\n`;
  const known = knownBlocks(list, head);
  const size = Math.min(remote.sizeBytes, bytesMax);
  const reserve = new DiskReserve(folder);
  if (known === undefined) writeFileSync(list, head);
  const file = await open(path, known === undefined ? 'w+' : 'r+').catch(() => open(path, 'w+'));
  const stop = new AbortController();
  const end = (): void => stop.abort(signal.reason);
  signal.addEventListener('abort', end, { once: true });
  try {
    const indexes = blocksOf(ranges ?? [0, size], size);
    const isDone = await forEachBounded(indexes, BLOCKS_AT_ONCE, stop, async (index) => {
      const start = index * BLOCK_BYTES;
      const bytes = Buffer.allocUnsafe(Math.min(BLOCK_BYTES, size - start));
      if (await isThere(file, bytes, start, known?.get(index))) {
        onRead(bytes.length);
        return;
      }
      await reserve.take(bytes.length);
      await remote.read(bytes, start, stop.signal);
      await file.write(bytes, 0, bytes.length, start);
      appendFileSync(list, `${index} ${crc32(bytes)}\n`);
      onRead(bytes.length);
    });
    if (!isDone) throw new SteleError('CANCELLED', 'Stopped in reading the input.');
    await file.truncate(size);
    return path;
  } finally {
    signal.removeEventListener('abort', end);
    await file.close();
  }
}

/** The blocks that overlap with the ranges, rising. */
function blocksOf(ranges: readonly number[], size: number): Set<number> {
  const indexes: number[] = [];
  for (let at = 0; at < ranges.length; at += 2) {
    const end = Math.min(size, ranges[at + 1] as number);
    const first = Math.floor(Math.max(0, ranges[at] as number) / BLOCK_BYTES);
    for (let index = first; index * BLOCK_BYTES < end; index++) indexes.push(index);
  }
  return new Set(indexes.sort((a, b) => a - b));
}

/**
 * CRC32s of the blocks that an earlier load has copied of the same file; undefined if it copied
 * none.
 */
function knownBlocks(list: string, head: string): Map<number, number> | undefined {
  const text = existsSync(list) ? readFileSync(list, 'utf8') : '';
  if (!text.startsWith(head)) return undefined;
  const lines = text.slice(head.length).split('\n');
  // What follows the last line end is torn, or empty.
  lines.pop();
  return new Map(lines.map((line) => line.split(' ').map(Number) as [number, number]));
}

async function isThere(
  file: FileHandle,
  into: Buffer,
  start: number,
  crc: number | undefined,
): Promise<boolean> {
  if (crc === undefined) return false;
  const { bytesRead } = await file.read(into, 0, into.length, start);
  return bytesRead === into.length && crc32(into) === crc;
}
