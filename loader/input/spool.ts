// Inputs that cannot be read at any offset, written into the work folder as plain files first:
// compressed files, standard input, pipes. UTF-16 is converted to UTF-8 on the way.
//
// A compressed input's spool is used again by a resumed load. It is named after the input's path, size and
// time, and after its own size and CRC32, which are checked then: it is not synced, and a power cut may
// have left less of it. A stream cannot be read twice, so it is spooled anew and known by its content
// (sha256) instead.
//
// What a small file unpacks to may be larger than the disk: the reserve of disk-reserve.ts is kept.

import { createHash } from 'node:crypto';
import { createReadStream, existsSync, fstatSync, readdirSync } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { addAbortSignal } from 'node:stream';
import type { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import { writeFully } from '../../base/durable-file.ts';
import { SteleError, toSteleError } from '../../base/errors.ts';
import { MAGIC_BYTES, compressionOfBytes, refuseForeign } from './compression.ts';
import { DiskReserve, workFolderFull } from '../bytes/disk-reserve.ts';
import type { Compression } from './formats.ts';
import { STDIN_PATH, checkUnchanged, nameOf } from './inputs.ts';
import type { FoundInput } from './inputs.ts';
import { gunzip } from './unzip.ts';
import { UTF16_BYTES, isUtf16, utf16ToUtf8 } from './utf16.ts';
import { unzstd } from './unzstd.ts';
import type { WindowRoom } from './unzstd.ts';

const READ_BYTES = 256 * 1024;
const STREAM_NAME = /^(?:utf16-)?stream-/;

export interface Spooled {
  readonly path: string;
  /** Names the content: for a stream, the hash of all of it; '' for a file. */
  readonly identity: string;
  /** Whether it was UTF-16 and is UTF-8 now. */
  readonly wasUtf16: boolean;
}

export interface SpoolContext {
  readonly folder: string;
  readonly stdin: Readable;
  readonly signal: AbortSignal;
  /** Where the beginning is enough. */
  readonly spoolBytesMax?: number;
  /** What decoders may keep, all together; default: any. */
  readonly room?: WindowRoom;
  /** Called with bytes of the input as they are read. */
  readonly onRead: (byteCount: number) => void;
}

/** Whether the input must be written down before it can be cut into chunks. */
export function needsSpool(input: FoundInput): boolean {
  return input.isStream || input.compression !== 'none' || input.isUtf16 === true;
}

/**
 * Where an input's bytes can be read at any offset. Throws INPUT_INVALID for damaged files,
 * INPUT_CHANGED, UNSUPPORTED, DISK_FULL, IO, CANCELLED.
 */
export async function spoolInput(input: FoundInput, context: SpoolContext): Promise<Spooled> {
  if (!needsSpool(input)) return { path: input.path, identity: '', wasUtf16: false };
  const plainName = spoolName(input);
  const utf16Name = `utf16-${plainName}`;
  for (const name of input.isStream ? [] : [plainName, utf16Name]) {
    const before = await spooledBefore(context.folder, name);
    if (before !== undefined) return { path: before, identity: '', wasUtf16: name === utf16Name };
  }
  const hash = createHash('sha256');
  let path: string;
  let wasUtf16 = false;
  try {
    const raw = input.isStream ? streamContent(input, context) : fileContent(input, context);
    const { head, pieces } = await withHead(raw, UTF16_BYTES);
    wasUtf16 = isUtf16(head);
    const content = wasUtf16 ? utf16ToUtf8(pieces, nameOf(input)) : pieces;
    const name = wasUtf16 ? utf16Name : plainName;
    path = await write(content, input.isStream ? hash : undefined, name, context);
  } catch (thrown) {
    if (context.signal.aborted) throw new SteleError('CANCELLED', 'Stopped in reading the input.');
    // A file that was still being written is not a damaged one.
    if (!input.isStream) await checkUnchanged([input]);
    throw toSteleError(thrown, 'IO');
  }
  if (!input.isStream) await checkUnchanged([input]);
  const identity = input.isStream ? hash.digest('hex') : '';
  return { path, identity, wasUtf16 };
}

/** A spool that an earlier load has left, if it is still what was written. */
async function spooledBefore(folder: string, name: string): Promise<string | undefined> {
  const left = existsSync(folder) ? readdirSync(folder) : [];
  for (const file of left) {
    if (!file.startsWith(`${name}-`)) continue;
    const path = join(folder, file);
    let [byteCount, crc] = [0, 0];
    for await (const piece of createReadStream(path, { highWaterMark: READ_BYTES })) {
      byteCount += (piece as Buffer).length;
      crc = crc32(piece as Buffer, crc);
    }
    if (file === finalName(name, byteCount, crc)) return path;
    await rm(path);
  }
  return undefined;
}

/** Whether a later load could use this file of a spool folder again: not what came by a stream. */
export function isReusable(fileName: string): boolean {
  return !STREAM_NAME.test(fileName);
}

function finalName(name: string, byteCount: number, crc: number): string {
  return `${name}-${byteCount}-${crc.toString(16).padStart(8, '0')}.spool`;
}

function spoolName({ isStream, modifiedMs, path, sizeBytes }: FoundInput): string {
  const identity = isStream ? [path] : [path, sizeBytes, modifiedMs];
  const hash = createHash('sha256').update(JSON.stringify(identity)).digest('hex').slice(0, 16);
  return isStream ? `stream-${hash}` : hash;
}

/** Bytes as they come, each piece counted; ends with an error when the load is stopped. */
async function* read(
  input: FoundInput,
  context: SpoolContext,
): AsyncGenerator<Buffer, void, undefined> {
  const isStdin = input.path === STDIN_PATH;
  if (isStdin && context.stdin === process.stdin) refuseFolderAsStdin();
  const stream = isStdin
    ? context.stdin
    : createReadStream(input.path, { highWaterMark: READ_BYTES });
  addAbortSignal(context.signal, stream);
  for await (const piece of stream) {
    const bytes = piece as Buffer;
    context.onRead(bytes.length);
    yield bytes;
  }
}

/** Node.js makes an empty stream of a folder. */
function refuseFolderAsStdin(): void {
  if (!fstatSync(0).isDirectory()) return;
  const text =
    'Standard input is a folder; name the folder as an argument, or send a file (`< FILE`).';
  throw new SteleError('INPUT_INVALID', text);
}

function fileContent(input: FoundInput, context: SpoolContext): AsyncIterable<Uint8Array> {
  return unpack(read(input, context), input.compression, nameOf(input), context.room);
}

/** A stream's compression shows only when its first bytes have come. */
async function* streamContent(
  input: FoundInput,
  context: SpoolContext,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { head, pieces } = await withHead(read(input, context), MAGIC_BYTES);
  refuseForeign(head.subarray(0, MAGIC_BYTES), nameOf(input));
  yield* unpack(pieces, compressionOfBytes(head), nameOf(input), context.room);
}

/** The first `byteCount` bytes or more, and all pieces with them; fewer only where that is all. */
async function withHead(
  content: AsyncIterable<Uint8Array>,
  byteCount: number,
): Promise<{ readonly head: Buffer; readonly pieces: AsyncIterable<Uint8Array> }> {
  const rest = content[Symbol.asyncIterator]();
  const first: Uint8Array[] = [];
  let firstBytes = 0;
  while (firstBytes < byteCount) {
    const next = await rest.next();
    if (next.done === true) break;
    first.push(next.value);
    firstBytes += next.value.length;
  }
  const head = Buffer.concat(first);
  const pieces = (async function* () {
    try {
      yield head;
      for (let next = await rest.next(); next.done !== true; next = await rest.next()) {
        yield next.value;
      }
    } finally {
      await rest.return?.();
    }
  })();
  return { head, pieces };
}

function unpack(
  pieces: AsyncIterable<Uint8Array>,
  compression: Compression,
  name: string,
  room: WindowRoom | undefined,
): AsyncIterable<Uint8Array> {
  switch (compression) {
    case 'gz':
      return gunzip(pieces, name);
    case 'zst':
      return unzstd(pieces, name, room);
    case 'none':
      return pieces;
  }
}

async function write(
  content: AsyncIterable<Uint8Array>,
  hash: { update(bytes: Uint8Array): unknown } | undefined,
  name: string,
  { folder, signal, spoolBytesMax = Infinity }: SpoolContext,
): Promise<string> {
  await mkdir(folder, { recursive: true });
  const temporary = join(folder, `${name}.tmp`);
  let [byteCount, crc] = [0, 0];
  const reserve = new DiskReserve(folder);
  const file = await open(temporary, 'w');
  let bytesLeft = spoolBytesMax;
  try {
    for await (const piece of content) {
      const part = piece.subarray(0, bytesLeft);
      signal.throwIfAborted();
      await reserve.take(part.length);
      hash?.update(part);
      crc = crc32(part, crc);
      byteCount += part.length;
      await writeFully(file, part);
      bytesLeft -= part.length;
      if (bytesLeft === 0) break;
    }
    await file.close();
    const path = join(folder, finalName(name, byteCount, crc));
    await rename(temporary, path);
    return path;
  } catch (thrown) {
    await file.close().catch(() => undefined);
    await rm(temporary, { force: true });
    throw workFolderFull(thrown, folder);
  }
}
