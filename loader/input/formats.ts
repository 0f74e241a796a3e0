// Determines a file's format by its ending, and its compression by its first bytes.
//
//     people.csv.gz  ->  csv, named gz       kv.data  ->  line
//
//     1f 8b 08            gzip (RFC 1952)
//     28 b5 2f fd         a zstd frame (RFC 8878)
//     5x 2a 4d 18         a skippable zstd frame
//
// The first bytes decide the compression, whatever the name is. Other packed files, which Stele
// does not unpack, are recognised and refused: they would only become a million bad rows.

import { SteleError } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';
import { FORMAT_NAMES, LOAD_FORMATS, formatOfBytes, listedFormats } from '../format-names.ts';
import type { LoadFormat } from '../format-names.ts';

export type { LoadFormat } from '../format-names.ts';
export type Compression = 'none' | 'gz' | 'zst';

const FORMAT_BY_ENDING: ReadonlyMap<string, LoadFormat> = new Map(
  LOAD_FORMATS.flatMap((name) => FORMAT_NAMES[name].endings.map((ending) => [ending, name])),
);

const COMPRESSION_BY_ENDING: ReadonlyMap<string, Compression> = new Map([
  ['gz', 'gz'],
  ['zst', 'zst'],
]);

export function compressionOf(path: string): Compression {
  return COMPRESSION_BY_ENDING.get(endingOf(path)) ?? 'none';
}

/** The format that the ending stands for, or undefined. */
export function formatOf(path: string): LoadFormat | undefined {
  return FORMAT_BY_ENDING.get(endingWithin(path));
}

/**
 * In a folder, `.json` may be anything; a file given by name, or with --format jsonl, is read as
 * jsonl.
 */
export function isJsonFile(path: string): boolean {
  return endingWithin(path) === 'json';
}

/** `.txt` may be anything, though it stands for lines. */
export function isTextFile(path: string): boolean {
  return endingWithin(path) === 'txt';
}

/** The ending before that of a compression. */
function endingWithin(path: string): string {
  const bare = compressionOf(path) === 'none' ? path : path.slice(0, path.lastIndexOf('.'));
  return endingOf(bare);
}

/** Whether the name has any ending: `part-00000` has none. */
export function hasEnding(path: string): boolean {
  return endingOf(path) !== '';
}

function endingOf(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const dot = name.lastIndexOf('.');
  return dot < 0 ? '' : name.slice(dot + 1).toLowerCase();
}

/**
 * The format of one input: as given, or by its ending; `byContent` is that of its first bytes, if
 * they are not text. Throws INPUT_AMBIGUOUS if nothing tells.
 */
export function formatFor(
  path: string,
  wanted: LoadFormat | 'auto',
  byContent?: LoadFormat,
): LoadFormat {
  const byEnding = isJsonFile(path) ? 'jsonl' : (formatOf(path) ?? byContent);
  const format = wanted === 'auto' ? byEnding : wanted;
  if (format === undefined) {
    const text =
      path === '-'
        ? 'The format of standard input is unknown'
        : `The format of '${shorten(path, 200)}' is not clear from its ending`;
    throw new SteleError('INPUT_AMBIGUOUS', `${text}; name it with --format ${listedFormats()}.`);
  }
  return format;
}

/** Size of the part of a file that `compressionOfBytes` and `refuseForeign` examine. */
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
  { at: 0, magic: 'fffe0000', what: 'UTF-32 text', how: UTF_8 },
  { at: 0, magic: '0000feff', what: 'UTF-32 text', how: UTF_8 },
];

/** The compression of bytes that begin with `head`. */
export function compressionOfBytes(head: Uint8Array): Compression {
  const [b0 = 0, b1 = 0, b2 = 0, b3 = 0] = head;
  if (b0 === 0x1f && b1 === 0x8b && b2 === 0x08) return 'gz';
  if (b0 === 0x28 && b1 === 0xb5 && b2 === 0x2f && b3 === 0xfd) return 'zst';
  if (b0 >>> 4 === 5 && b1 === 0x2a && b2 === 0x4d && b3 === 0x18) return 'zst';
  return 'none';
}

/** Throws UNSUPPORTED for bytes that are certainly not text that Stele reads. */
export function refuseForeign(head: Uint8Array, name: string): void {
  const other = OTHERS.find((kind) => matches(head, kind));
  if (other === undefined) return;
  throw new SteleError(
    'UNSUPPORTED',
    `${shorten(name, 200)} is ${other.what}, which is not read; ${other.how} first.`,
  );
}

/**
 * The format of unpacked bytes that begin with `head`, which is `format` unless the bytes are those
 * of another format; a sentence tells what is odd. Throws UNSUPPORTED if `isNamed`, that is by
 * --format, or if the bytes are text and the format is not.
 */
export function formatOfContent(
  head: Uint8Array,
  format: LoadFormat,
  isNamed: boolean,
  name: string,
): { readonly format: LoadFormat; readonly notice?: string } {
  const found = formatOfBytes(head);
  if (found === format) return { format };
  const { magic = '', title } = FORMAT_NAMES[found ?? format];
  if (found !== undefined && !isNamed) {
    return { format: found, notice: `${name} is ${title}, despite its name; it is read as such` };
  }
  if (found !== undefined) {
    const text = `${name} is ${title}; say --format ${found}, or leave --format out.`;
    throw new SteleError('UNSUPPORTED', text);
  }
  const start = Buffer.from(magic, 'hex');
  if (Buffer.compare(start, head.subarray(0, start.length)) === 0) return { format };
  const letters = start.toString('latin1').replaceAll(/[^ -~]/g, '');
  throw new SteleError(
    'INPUT_INVALID',
    `${name} is not ${title ?? format}, which begins with ${letters}; name its format with --format, or copy it again if it is damaged.`,
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
 * A notice for a file whose content does not match its name; undefined if it matches. Throws
 * INPUT_INVALID for an empty file with the name of a compressed one: it is truncated.
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
    const text = `${name} is empty, but a ${named} file never is; copy it again.`;
    throw new SteleError('INPUT_INVALID', text);
  }
  if (is === 'none') return `${name} is not compressed, despite its name; it is read as it is`;
  return `${name} is ${WORDS[is]}, despite its name; it is unpacked`;
}
