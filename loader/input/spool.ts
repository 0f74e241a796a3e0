// Inputs that cannot be read at any offset are first written into the work folder as plain files:
// compressed files, standard input, pipes, files of other machines. UTF-16 is converted to UTF-8 on
// the way.
//
// A resumed load reuses a compressed input's spool. The spool is named after the input's path, size
// and time, and after its own size and CRC32, which are then checked: it is not synced, and a power
// cut may have truncated it. A stream cannot be read twice, so it is spooled again and identified
// by its content (sha256) instead.
//
// A small file may unpack to more than the disk holds: the reserve of disk-reserve.ts is kept free.

import { createHash } from 'node:crypto';
import { createReadStream, existsSync, fstatSync, readdirSync } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { addAbortSignal } from 'node:stream';
import type { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import { writeFully } from '../../base/disk/durable-file.ts';
import { SteleError, toSteleError } from '../../base/errors.ts';
import { MAGIC_BYTES, compressionOfBytes, refuseForeign } from './formats.ts';
import { copyBlocks } from '../remote/block-spool.ts';
import { FORMAT_NAMES } from '../format-names.ts';
import { DiskReserve, workFolderFull } from '../bytes/disk-reserve.ts';
import type { Compression } from './formats.ts';
import { STDIN_PATH, checkUnchanged, nameOf } from './inputs.ts';
import type { FoundInput } from './inputs.ts';
import { gunzip } from './gunzip.ts';
import { UTF16_BYTES, isUtf16, utf16ToUtf8 } from './text.ts';
import { unzstd } from './unzstd.ts';
import type { WindowMemory } from './unzstd.ts';

const READ_BYTES = 256 * 1024;
/** The end of a file of which only parts are read. */
const TAIL_BYTES = 64 * 1024;
const STREAM_NAME = /^(?:utf16-)?stream-/;

export interface Spooled {
  readonly path: string;
  /** Identifies the content: for a stream, the hash of all of it; '' for a file. */
  readonly identity: string;
  /** Whether it was converted from UTF-16 to UTF-8. */
  readonly wasUtf16: boolean;
}

export interface SpoolContext {
  readonly folder: string;
  readonly stdin: Readable;
  readonly signal: AbortSignal;
  /** Limit if only the beginning is needed. */
  readonly spoolBytesMax?: number;
  /** The memory that all decoders may use for windows together. Default: unlimited. */
  readonly windowMemory?: WindowMemory;
  /** Called with the number of input bytes as they are read. */
  readonly onRead: (byteCount: number) => void;
}

/** Whether the input must be spooled before it can be cut into chunks. */
export function needsSpool(input: FoundInput): boolean {
  return input.remote !== undefined || needsUnpacking(input);
}

function needsUnpacking({ compression, isStream, isUtf16: isWide }: FoundInput): boolean {
  return isStream || compression !== 'none' || isWide === true;
}

/**
 * The file in which an input's bytes can be read at any offset. Throws INPUT_INVALID for damaged
 * files, INPUT_CHANGED, UNSUPPORTED, DISK_FULL, IO, CANCELLED.
 */
export async function spoolInput(input: FoundInput, context: SpoolContext): Promise<Spooled> {
  if (!needsSpool(input)) return { path: input.path, identity: '', wasUtf16: false };
  const plainName = spoolName(input);
  if (input.remote !== undefined && !needsUnpacking(input)) {
    const { sizeBytes } = input;
    // What else is needed is known from the end (prepare.ts).
    const ranges = isReadInParts(input)
      ? { ranges: [0, MAGIC_BYTES, sizeBytes - TAIL_BYTES, sizeBytes] }
      : {};
    const path = await copyRemote(input, context, ranges);
    if (!isReadInParts(input)) await checkUnchanged([input]);
    return { path, identity: '', wasUtf16: false };
  }
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
    // A file that is still being written is not a damaged one.
    if (!input.isStream) await checkUnchanged([input]);
    throw toSteleError(thrown, 'IO');
  }
  if (!input.isStream) await checkUnchanged([input]);
  const identity = input.isStream ? hash.digest('hex') : '';
  return { path, identity, wasUtf16 };
}

/** Whether only parts of a remote file are copied: its format tells at its end where they are. */
export function isReadInParts({ byContent, remote }: FoundInput): boolean {
  if (remote === undefined || byContent === undefined) return false;
  return FORMAT_NAMES[byContent].isReadFromEnd === true;
}

/** Copies a remote file, or ranges of it, into the work folder; what is there already is kept. */
export async function copyRemote(
  input: FoundInput,
  context: Pick<SpoolContext, 'folder' | 'signal' | 'onRead' | 'spoolBytesMax'>,
  { ranges }: { readonly ranges?: readonly number[] },
): Promise<string> {
  const { folder, onRead, signal, spoolBytesMax: bytesMax = Infinity } = context;
  if (input.remote === undefined) throw new SteleError('INTERNAL', 'The input is of this machine.');
  const part = ranges === undefined ? { bytesMax } : { ranges };
  try {
    const name = `remote-${spoolName(input)}`;
    return await copyBlocks(input.remote, name, { folder, onRead, signal, ...part });
  } catch (thrown) {
    if (signal.aborted) throw new SteleError('CANCELLED', 'Stopped in reading the input.');
    throw workFolderFull(thrown, folder);
  }
}

/** A spool that an earlier load has left, if it is still intact. */
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

/** Whether a later load could reuse this file of a spool folder: not if it came from a stream. */
export function isReusable(fileName: string): boolean {
  return !STREAM_NAME.test(fileName);
}

function finalName(name: string, byteCount: number, crc: number): string {
  return `${name}-${byteCount}-${crc.toString(16).padStart(8, '0')}.spool`;
}

function spoolName({ isStream, modifiedMs, path, remote, sizeBytes }: FoundInput): string {
  const known = [path, sizeBytes, modifiedMs, ...(remote === undefined ? [] : [remote.identity])];
  const identity = isStream ? [path] : known;
  const hash = createHash('sha256').update(JSON.stringify(identity)).digest('hex').slice(0, 16);
  return isStream ? `stream-${hash}` : hash;
}

/** The input's pieces, counted. Throws when the load is stopped. */
async function* read(
  input: FoundInput,
  context: SpoolContext,
): AsyncGenerator<Buffer, void, undefined> {
  if (input.remote !== undefined) {
    for await (const bytes of input.remote.stream(context.signal)) {
      context.onRead(bytes.length);
      yield Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    return;
  }
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

/** For a folder, Node.js would return an empty stream. */
function refuseFolderAsStdin(): void {
  if (!fstatSync(0).isDirectory()) return;
  const text =
    'Standard input is a folder; name the folder as an argument, or send a file (`< FILE`).';
  throw new SteleError('INPUT_INVALID', text);
}

function fileContent(input: FoundInput, context: SpoolContext): AsyncIterable<Uint8Array> {
  return unpack(read(input, context), input.compression, nameOf(input), context.windowMemory);
}

/** A stream's compression is known only after its first bytes. */
async function* streamContent(
  input: FoundInput,
  context: SpoolContext,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { head, pieces } = await withHead(read(input, context), MAGIC_BYTES);
  refuseForeign(head.subarray(0, MAGIC_BYTES), nameOf(input));
  yield* unpack(pieces, compressionOfBytes(head), nameOf(input), context.windowMemory);
}

/**
 * At least the first `byteCount` bytes, and an iterator over all pieces; fewer only if that is all.
 */
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
  windows: WindowMemory | undefined,
): AsyncIterable<Uint8Array> {
  switch (compression) {
    case 'gz':
      return gunzip(pieces, name);
    case 'zst':
      return unzstd(pieces, name, windows);
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
