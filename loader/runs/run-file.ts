// A run: the rows of one chunk, grouped by shard; what the shard stage reads.
//
//     0   magic "STLR"          u32
//     4   format version        u32
//     8   binding               16 bytes: which load this belongs to (binding.ts)
//     24  chunk index           u32
//     28  shard count S         u32
//     32  CRC32 of the chunk    u32      its bytes in the input
//     36  rejected rows         u32
//     40  rows                  f64      those in the sections
//     48  lines                 f64
//     56  rejects bytes         u32
//     60  rejects CRC32         u32
//     64  rows of several lines u32
//     68  S times: section bytes u32 | rows u32 | CRC32 u32
//         CRC32 of all above    u32
//         S sections: encoded records (segment/record.ts), one after the other
//         rejects (reject-table.ts)
//
// Little-endian. Written under a temporary name and renamed: kill -9 leaves no half of one. It is
// not synced: after a power cut its checksums reveal a torn file, and that chunk is parsed again.
// Names hold the chunk's index alone; the binding inside tells runs of another load apart.

import { closeSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { threadId } from 'node:worker_threads';
import { crc32 } from 'node:zlib';
import { SteleError, toSteleError } from '../../base/errors.ts';
import { workFolderFull } from '../bytes/disk-reserve.ts';
import { readFully } from '../bytes/file-window.ts';

const MAGIC = 0x524c5453;
const FORMAT_VERSION = 3;
const FIXED_BYTES = 68;
const SHARD_ENTRY_BYTES = 12;
export const BINDING_BYTES = 16;

export interface RunHeader {
  /** 16 bytes. */
  readonly binding: Buffer;
  readonly chunkIndex: number;
  readonly chunkCrc: number;
  readonly rejectedCount: number;
  readonly rowCount: number;
  readonly lineCount: number;
  readonly spanningCount: number;
  readonly rejectsBytes: number;
  readonly rejectsCrc: number;
  /** Per shard. */
  readonly sectionBytes: Uint32Array;
  readonly sectionRows: Uint32Array;
  readonly sectionCrc: Uint32Array;
}

export function runPath(folder: string, chunkIndex: number): string {
  return join(folder, `${String(chunkIndex).padStart(6, '0')}.run`);
}

export function runHeaderBytes(shardCount: number): number {
  return FIXED_BYTES + shardCount * SHARD_ENTRY_BYTES + 4;
}

export function encodeRunHeader(header: RunHeader): Buffer {
  const shardCount = header.sectionBytes.length;
  const bytes = Buffer.alloc(runHeaderBytes(shardCount));
  bytes.writeUInt32LE(MAGIC, 0);
  bytes.writeUInt32LE(FORMAT_VERSION, 4);
  bytes.set(header.binding.subarray(0, BINDING_BYTES), 8);
  bytes.writeUInt32LE(header.chunkIndex, 24);
  bytes.writeUInt32LE(shardCount, 28);
  bytes.writeUInt32LE(header.chunkCrc, 32);
  bytes.writeUInt32LE(header.rejectedCount, 36);
  bytes.writeDoubleLE(header.rowCount, 40);
  bytes.writeDoubleLE(header.lineCount, 48);
  bytes.writeUInt32LE(header.rejectsBytes, 56);
  bytes.writeUInt32LE(header.rejectsCrc, 60);
  bytes.writeUInt32LE(header.spanningCount, 64);
  for (let shard = 0; shard < shardCount; shard++) {
    const at = FIXED_BYTES + shard * SHARD_ENTRY_BYTES;
    bytes.writeUInt32LE(header.sectionBytes[shard] as number, at);
    bytes.writeUInt32LE(header.sectionRows[shard] as number, at + 4);
    bytes.writeUInt32LE(header.sectionCrc[shard] as number, at + 8);
  }
  const end = bytes.length - 4;
  bytes.writeUInt32LE(crc32(bytes.subarray(0, end)), end);
  return bytes;
}

/**
 * Throws CORRUPT for anything but a complete header of this format, load, chunk and shard count.
 * With an empty `binding` the run may be of any load and chunk.
 */
export function decodeRunHeader(
  bytes: Buffer,
  binding: Buffer,
  chunkIndex: number,
  shardCount: number,
): RunHeader {
  const end = runHeaderBytes(shardCount) - 4;
  const isOurs =
    bytes.length >= end + 4 &&
    bytes.readUInt32LE(0) === MAGIC &&
    bytes.readUInt32LE(4) === FORMAT_VERSION &&
    bytes.readUInt32LE(28) === shardCount &&
    (binding.length === 0 ||
      (bytes.readUInt32LE(24) === chunkIndex &&
        bytes.subarray(8, 8 + BINDING_BYTES).equals(binding))) &&
    bytes.readUInt32LE(end) === crc32(bytes.subarray(0, end));
  if (!isOurs)
    throw new SteleError('CORRUPT', `Run ${chunkIndex} is not of this load, or damaged.`);
  const sectionBytes = new Uint32Array(shardCount);
  const sectionRows = new Uint32Array(shardCount);
  const sectionCrc = new Uint32Array(shardCount);
  for (let shard = 0; shard < shardCount; shard++) {
    const at = FIXED_BYTES + shard * SHARD_ENTRY_BYTES;
    sectionBytes[shard] = bytes.readUInt32LE(at);
    sectionRows[shard] = bytes.readUInt32LE(at + 4);
    sectionCrc[shard] = bytes.readUInt32LE(at + 8);
  }
  return {
    binding: Buffer.from(bytes.subarray(8, 8 + BINDING_BYTES)),
    chunkIndex: bytes.readUInt32LE(24),
    chunkCrc: bytes.readUInt32LE(32),
    rejectedCount: bytes.readUInt32LE(36),
    rowCount: bytes.readDoubleLE(40),
    lineCount: bytes.readDoubleLE(48),
    rejectsBytes: bytes.readUInt32LE(56),
    rejectsCrc: bytes.readUInt32LE(60),
    spanningCount: bytes.readUInt32LE(64),
    sectionBytes,
    sectionRows,
    sectionCrc,
  };
}

/** Writes `parts` under a temporary name, then renames. Throws DISK_FULL or IO. */
export function writeRunFile(path: string, parts: readonly Uint8Array[]): void {
  // Two threads may write the same run at once (both found it damaged), so each uses its own name.
  const temporary = `${path}.${threadId}.tmp`;
  try {
    const file = openSync(temporary, 'w', 0o644);
    try {
      for (const part of parts) writeAll(file, part);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
  } catch (thrown) {
    rmSync(temporary, { force: true });
    const byteCount = parts.reduce((sum, part) => sum + part.length, 0);
    throw workFolderFull(toSteleError(thrown, 'IO'), dirname(path), byteCount);
  }
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) {
    const count = writeSync(file, bytes, done, bytes.length - done);
    if (count === 0) throw new SteleError('DISK_FULL', 'The disk took no more bytes; free some.');
    done += count;
  }
}

/** Opens a run and reads its header (decodeRunHeader); the caller closes `file`. Throws CORRUPT. */
export function openRun(
  folder: string,
  binding: Buffer,
  chunkIndex: number,
  shardCount: number,
): { readonly file: number; readonly header: RunHeader } {
  let file: number;
  try {
    file = openSync(runPath(folder, chunkIndex), 'r');
  } catch (thrown) {
    throw new SteleError('CORRUPT', `Run ${chunkIndex} is gone.`, { cause: thrown });
  }
  try {
    const bytes = Buffer.alloc(runHeaderBytes(shardCount));
    const got = readFully(file, bytes, bytes.length, 0);
    return {
      file,
      header: decodeRunHeader(bytes.subarray(0, got), binding, chunkIndex, shardCount),
    };
  } catch (thrown) {
    closeSync(file);
    throw thrown;
  }
}

/** Offset of the section of `shard`; for `shard` = S, of the rejects. */
export function sectionOffset(header: RunHeader, shard: number): number {
  let offset = runHeaderBytes(header.sectionBytes.length);
  for (let before = 0; before < shard; before++) offset += header.sectionBytes[before] as number;
  return offset;
}
