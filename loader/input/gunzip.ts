// Gzip members (RFC 1952) -> their content. Node's decoder checks each member's CRC and length and
// continues with the next member. It silently ignores bytes after the last member, which may be the
// rest of a truncated or overwritten file; they are detected here. Zeros up to the end of the file
// are accepted as padding, as tapes and `dd` leave it and `gzip --test` accepts it.
//
// The decoder stops at a zero that follows a member and reads no further. So zeros are held back
// until something else follows them or the file has ended; then it is known whether the unread rest
// is all zeros.

import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { SteleError, systemErrorCode } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';

const OUTPUT_BYTES = 256 * 1024;
const ZEROS = new Uint8Array(64 * 1024);

/**
 * The content of all members. `name` is the file's name in errors. Throws INPUT_INVALID with the
 * offset in the file, and the errors of `pieces`.
 */
export async function* gunzip(
  pieces: AsyncIterable<Uint8Array>,
  name: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  const decoder = createGunzip({ chunkSize: OUTPUT_BYTES });
  const feed: Feed = { receivedBytes: 0, zerosAtEnd: 0 };
  let unpacked = 0;
  const counted = Readable.from(zerosLast(pieces, feed), { objectMode: false });
  counted.on('error', (error) => decoder.destroy(error));
  counted.pipe(decoder);
  try {
    for await (const part of decoder) {
      unpacked += (part as Buffer).length;
      yield part as Buffer;
    }
    if (decoder.bytesWritten >= feed.receivedBytes - feed.zerosAtEnd) return;
  } catch (thrown) {
    const fedBytes = feed.receivedBytes;
    throw explain(thrown, name, { fedBytes, readBytes: decoder.bytesWritten, unpacked });
  } finally {
    counted.destroy();
    decoder.destroy();
  }
  throw damaged(name, 'bytes that are not gzip follow at', decoder.bytesWritten, unpacked);
}

interface Feed {
  receivedBytes: number;
  /** The zeros after the last other byte. */
  zerosAtEnd: number;
}

/**
 * The bytes of `pieces`, with zeros delayed until the next other byte is known. Updates the counts
 * in `feed`.
 */
async function* zerosLast(
  pieces: AsyncIterable<Uint8Array>,
  feed: Feed,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const piece of pieces) {
    const end = endWithoutZeros(piece);
    const held = feed.zerosAtEnd;
    feed.receivedBytes += piece.length;
    feed.zerosAtEnd = end === 0 ? held + piece.length : piece.length - end;
    if (end === 0) continue;
    yield* zeros(held);
    yield piece.subarray(0, end);
  }
  yield* zeros(feed.zerosAtEnd);
}

function endWithoutZeros(piece: Uint8Array): number {
  let end = piece.length;
  while (end > 0 && piece[end - 1] === 0) end--;
  return end;
}

function* zeros(count: number): Generator<Uint8Array, void, undefined> {
  for (let left = count; left > 0; left -= ZEROS.length) {
    yield ZEROS.subarray(0, Math.min(left, ZEROS.length));
  }
}

interface Progress {
  /** Bytes passed to the decoder. */
  readonly fedBytes: number;
  /** Bytes that were decoded for certain; an error lies within the piece after them. */
  readonly readBytes: number;
  readonly unpacked: number;
}

function explain(thrown: unknown, name: string, progress: Progress): unknown {
  const { fedBytes, readBytes: offset, unpacked } = progress;
  const code = systemErrorCode(thrown) ?? '';
  if (thrown instanceof SteleError || !code.startsWith('Z_')) return thrown;
  const reason = thrown instanceof Error ? thrown.message : '';
  if (reason.includes('unexpected end'))
    return damaged(name, 'it ends too soon, at', fedBytes, unpacked);
  if (reason.includes('header')) {
    return damaged(name, 'bytes that are not gzip follow, shortly after', offset, unpacked);
  }
  if (reason.includes('data check') || reason.includes('length check')) {
    return damaged(name, 'a checksum does not match, shortly after', offset, unpacked);
  }
  return damaged(name, `${reason}, shortly after`, offset, unpacked);
}

function damaged(name: string, what: string, offset: number, unpacked: number): SteleError {
  return new SteleError(
    'INPUT_INVALID',
    `${shorten(name, 200)} is damaged: ${what} byte ${offset} of it (${unpacked} bytes unpacked before), so nothing was loaded; copy it again, or check it with \`gzip --test\`.`,
  );
}
