// What a file is, by its first bytes; names are not trusted.
//
//     1f 8b 08            gzip (RFC 1952)
//     28 b5 2f fd         a zstd frame (RFC 8878)
//     5x 2a 4d 18         a skippable zstd frame
//
// What other programs pack, and Stele does not unpack, is recognised too: it would only become a
// million bad rows.

import { SteleError } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';
import type { Compression } from './formats.ts';

/** As much of a file as the functions below look at. */
export const MAGIC_BYTES = 512;

interface OtherKind {
  readonly at: number;
  /** Hex digits; `..` is any byte. */
  readonly magic: string;
  readonly what: string;
  readonly how: string;
}

const UTF_8 = 'convert it to UTF-8 (iconv -f UTF-32 -t UTF-8)';
const OTHERS: readonly OtherKind[] = [
  { at: 0, magic: 'fd377a585a00', what: 'xz-compressed', how: 'unpack it (unxz)' },
  { at: 0, magic: '425a68..314159265359', what: 'bzip2-compressed', how: 'unpack it (bunzip2)' },
  { at: 0, magic: '04224d18', what: 'lz4-compressed', how: 'unpack it (unlz4)' },
  { at: 0, magic: 'ff060000734e61507059', what: 'snappy-compressed', how: 'unpack it' },
  { at: 0, magic: '504b0304', what: 'a zip archive', how: 'unpack it (unzip)' },
  { at: 0, magic: '377abcaf271c', what: 'a 7z archive', how: 'unpack it' },
  { at: 257, magic: '7573746172', what: 'a tar archive', how: 'unpack it (tar -x)' },
  { at: 0, magic: '5041523115', what: 'a Parquet file', how: 'convert it to csv or tsv' },
  { at: 0, magic: '4f626a01', what: 'an Avro file', how: 'convert it to csv or tsv' },
  { at: 0, magic: 'fffe0000', what: 'UTF-32 text', how: UTF_8 },
  { at: 0, magic: '0000feff', what: 'UTF-32 text', how: UTF_8 },
];

/** How the bytes that begin with `head` are compressed. */
export function compressionOfBytes(head: Uint8Array): Compression {
  const [b0 = 0, b1 = 0, b2 = 0, b3 = 0] = head;
  if (b0 === 0x1f && b1 === 0x8b && b2 === 0x08) return 'gz';
  if (b0 === 0x28 && b1 === 0xb5 && b2 === 0x2f && b3 === 0xfd) return 'zst';
  if (b0 >>> 4 === 5 && b1 === 0x2a && b2 === 0x4d && b3 === 0x18) return 'zst';
  return 'none';
}

/** Throws UNSUPPORTED for bytes that are certainly no text that Stele reads. */
export function refuseForeign(head: Uint8Array, name: string): void {
  const other = OTHERS.find((kind) => matches(head, kind));
  if (other === undefined) return;
  throw new SteleError(
    'UNSUPPORTED',
    `${shorten(name, 200)} is ${other.what}, which is not read; ${other.how} first.`,
  );
}

function matches(head: Uint8Array, { at, magic }: OtherKind): boolean {
  for (let index = 0; index < magic.length; index += 2) {
    const wanted = magic.slice(index, index + 2);
    const byte = head[at + index / 2];
    if (byte === undefined || (wanted !== '..' && byte !== Number.parseInt(wanted, 16)))
      return false;
  }
  return true;
}

const WORDS = { gz: 'gzip-compressed', zst: 'zstd-compressed' } as const;

/**
 * What to tell of a file that is not what its name says; undefined where it is. Throws INPUT_INVALID
 * for an empty file of a compressed one's name: it was cut off at the beginning.
 */
export function nameNotice(
  path: string,
  named: Compression,
  is: Compression,
  isEmpty: boolean,
): string | undefined {
  if (named === is) return undefined;
  const name = `'${shorten(path, 200)}'`;
  if (isEmpty) {
    const text = `${name} is empty, which no ${named} file is; copy it again.`;
    throw new SteleError('INPUT_INVALID', text);
  }
  if (is === 'none')
    return `${name} is not compressed, whatever its name says; it is read as it is`;
  return `${name} is ${WORDS[is]}, whatever its name says; it is unpacked`;
}
