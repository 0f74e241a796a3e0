// Gzip members (RFC 1952) -> their content. Node's own decoder checks each member's CRC and length and
// goes on from member to member; what it passes over in silence, bytes behind the last member, is
// found here: they may be the rest of a file that was cut or overwritten.

import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { SteleError, systemErrorCode } from '../base/errors.ts';
import { shorten } from '../base/ids.ts';

const OUTPUT_BYTES = 256 * 1024;

/**
 * The content of all members. `name` is what errors call the file. Throws INPUT_INVALID with the place
 * in the file, and whatever `pieces` throws.
 */
export async function* gunzip(
  pieces: AsyncIterable<Uint8Array>,
  name: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  const decoder = createGunzip({ chunkSize: OUTPUT_BYTES });
  let fedBytes = 0;
  let unpacked = 0;
  const counted = Readable.from(
    (async function* () {
      for await (const piece of pieces) {
        fedBytes += piece.length;
        yield piece;
      }
    })(),
    { objectMode: false },
  );
  counted.on('error', (error) => decoder.destroy(error));
  counted.pipe(decoder);
  try {
    for await (const part of decoder) {
      unpacked += (part as Buffer).length;
      yield part as Buffer;
    }
    if (decoder.bytesWritten === fedBytes) return;
  } catch (thrown) {
    throw explain(thrown, name, { fedBytes, readBytes: decoder.bytesWritten, unpacked });
  } finally {
    counted.destroy();
    decoder.destroy();
  }
  throw damaged(name, 'bytes that are no gzip follow at', decoder.bytesWritten, unpacked);
}

interface Progress {
  /** Handed to the decoder. */
  readonly fedBytes: number;
  /** Decoded for certain; what is wrong lies within the piece behind. */
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
    return damaged(name, 'bytes that are no gzip follow, a little behind', offset, unpacked);
  }
  if (reason.includes('data check') || reason.includes('length check')) {
    return damaged(name, 'a checksum does not match, a little behind', offset, unpacked);
  }
  return damaged(name, `${reason}, a little behind`, offset, unpacked);
}

function damaged(name: string, what: string, offset: number, unpacked: number): SteleError {
  return new SteleError(
    'INPUT_INVALID',
    `${shorten(name, 200)} is damaged: ${what} byte ${offset} of it (${unpacked} bytes unpacked before), so nothing was loaded; copy it again, or check it with \`gzip --test\`.`,
  );
}
