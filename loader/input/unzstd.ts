// Zstd frames -> their content, one decoder per frame: Node's own if available, otherwise fzstd,
// whose output is compared with the frame's checksum here.
//
// Output is verified only up to its last complete block: a frame is valid once its end has been
// reached without an error. The caller keeps nothing of a file that ends in an error.

import zlib from 'node:zlib';
import { Readable } from 'node:stream';
import type { Transform } from 'node:stream';
import { Decompress } from 'fzstd';
import { SteleError } from '../../base/errors.ts';
import { collectGarbage } from '../../base/process/free-memory.ts';
import { Semaphore } from '../bytes/bounded.ts';
import { ByteReader } from './byte-reader.ts';
import { XxHash64 } from './xxhash64.ts';
import { damaged, nextBlock, nextFrame } from './zstd-frame.ts';
import type { FrameHeader } from './zstd-frame.ts';

const CHECKSUM_FLAG = 0x04;
const EMPTY = new Uint8Array(0);
/** Windows up to this size are left to the garbage collector. */
const WINDOW_BYTES_LEFT_MAX = 8 * 1024 * 1024;

/** The decoder; 'native' if available. */
export type ZstdDecoder = 'native' | 'fzstd';

interface NativeZstd {
  createZstdDecompress(options: { readonly chunkSize: number }): Transform;
}

/** Available from Node 22.15 and 23.8. */
function nativeZstd(): NativeZstd | undefined {
  return 'createZstdDecompress' in zlib ? (zlib as unknown as NativeZstd) : undefined;
}

export function bestZstdDecoder(): ZstdDecoder {
  return nativeZstd() === undefined ? 'fzstd' : 'native';
}

/** The memory for the windows of several decoders together. */
export type WindowMemory = Pick<Semaphore, 'acquire' | 'release'>;

/** The bytes of a frame, and the position in its file. */
interface FrameSource {
  readonly reader: ByteReader;
  readonly frame: FrameHeader;
  readonly name: string;
  /** Bytes unpacked, including earlier frames. */
  unpacked: number;
}

/**
 * The content of all frames. `name` is the file's name in errors. Throws INPUT_INVALID with the
 * offset in the file, UNSUPPORTED, and the errors of `pieces`.
 */
export async function* unzstd(
  pieces: AsyncIterable<Uint8Array>,
  name: string,
  windows: WindowMemory = new Semaphore(Infinity),
  decoder = bestZstdDecoder(),
): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = new ByteReader(pieces);
  let unpacked = 0;
  for (;;) {
    const frame = await nextFrame(reader, name, unpacked);
    if (frame === undefined) return;
    const before = unpacked;
    const source: FrameSource = { reader, frame, name, unpacked };
    await windows.acquire(frame.windowBytes);
    try {
      const parts = decoder === 'native' ? decodeNative(source) : decodeHere(source);
      for await (const part of parts) {
        unpacked += part.length;
        source.unpacked = unpacked;
        yield part;
      }
    } finally {
      // fzstd does not expose its window: only a garbage collection frees it.
      if (decoder === 'fzstd' && frame.windowBytes > WINDOW_BYTES_LEFT_MAX) collectGarbage();
      windows.release(frame.windowBytes);
    }
    if (frame.contentBytes === undefined || frame.contentBytes === unpacked - before) continue;
    throw damaged(name, 'a frame of another length than it says', frame.offset, unpacked);
  }
}

/** The frame as in the file, block by block, including its checksum. */
async function* frameBytes(source: FrameSource): AsyncGenerator<Buffer, void, undefined> {
  const { frame, name, reader } = source;
  yield frame.bytes;
  for (let isLast = false; !isLast;) {
    const block = await nextBlock(reader, frame, name, source.unpacked);
    isLast = block.isLast;
    yield block.bytes;
  }
  if (frame.hasChecksum) yield Buffer.from(await readChecksum(source));
}

async function readChecksum({ name, reader, unpacked }: FrameSource): Promise<Buffer> {
  const checksum = await reader.take(4);
  if (checksum.length === 4) return checksum;
  throw damaged(name, 'it ends inside a frame', reader.offset, unpacked);
}

async function* decodeNative(source: FrameSource): AsyncGenerator<Uint8Array, void, undefined> {
  const native = nativeZstd();
  if (native === undefined) throw new SteleError('INTERNAL', 'This Node.js has no zstd.');
  const decoder = native.createZstdDecompress({ chunkSize: 128 * 1024 });
  const bytes = Readable.from(frameBytes(source), { objectMode: false });
  bytes.on('error', (error) => decoder.destroy(error));
  bytes.pipe(decoder);
  try {
    for await (const part of decoder) yield part as Buffer;
  } catch (thrown) {
    throw explain(thrown, source);
  } finally {
    bytes.destroy();
    decoder.destroy();
  }
}

/**
 * Passes each block to fzstd with the last byte of the previous one: given complete blocks, fzstd
 * would keep a reference to every one of them until the frame's end.
 */
async function* decodeHere(source: FrameSource): AsyncGenerator<Uint8Array, void, undefined> {
  const { frame, name, reader } = source;
  const hash = frame.hasChecksum ? new XxHash64() : undefined;
  const out: Uint8Array[] = [];
  const decoder = new Decompress((part) => out.push(part));
  const head = Buffer.from(frame.bytes);
  // Without the flag, because fzstd would wait for the checksum and ignore it.
  head[4] = (head[4] as number) & ~CHECKSUM_FLAG;
  let held = head;
  for (let isLast = false; !isLast;) {
    const block = await nextBlock(reader, frame, name, source.unpacked);
    isLast = block.isLast;
    const bytes = Buffer.concat([held, block.bytes]);
    held = bytes.subarray(bytes.length - 1);
    decode(decoder, bytes.subarray(0, -1), false, source);
    if (isLast) decode(decoder, held, true, source);
    for (const part of out.splice(0)) {
      if (part.length > frame.blockBytesMax) throw explain('a block is too long', source);
      hash?.update(part);
      if (part.length > 0) yield part;
    }
  }
  if (hash === undefined) return;
  const expected = (await readChecksum(source)).readUInt32LE(0);
  if (Number(hash.digest() & 0xffffffffn) === expected) return;
  throw damaged(name, 'the checksum does not match in the frame', frame.offset, source.unpacked);
}

function decode(
  decoder: Decompress,
  bytes: Uint8Array,
  isLast: boolean,
  source: FrameSource,
): void {
  try {
    decoder.push(bytes.length === 0 ? EMPTY : bytes, isLast);
  } catch (thrown) {
    throw explain(thrown, source);
  }
}

/** Explains a decoder's error about malformed bytes; fzstd also throws RangeErrors and the like. */
function explain(thrown: unknown, { frame, name, unpacked }: FrameSource): SteleError {
  if (thrown instanceof SteleError) return thrown;
  const reason = thrown instanceof Error ? thrown.message.toLowerCase() : String(thrown);
  const what = reason.includes('checksum') ? 'the checksum does not match' : `a block is not valid`;
  return damaged(name, `${what} in the frame`, frame.offset, unpacked);
}
