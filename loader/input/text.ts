// Properties of text files: byte order marks, encodings, line ends.
//
//     ef bb bf         UTF-8; skipped, also if there are several
//     ff fe, fe ff     UTF-16; converted to UTF-8 when it is spooled
//     no \n, but \r    line ends of old Macs: refused, `\r` may be a part of values
//
// UTF-16 without a byte order mark is only a guess, so it is refused, with the command that
// converts it.

import { isUtf8 } from 'node:buffer';
import { SteleError } from '../../base/errors.ts';
import { CARRIAGE_RETURN, NEWLINE } from './dialect.ts';

export interface TextFacts {
  /** `other`: bytes that are not UTF-8, which are stored as they are. */
  readonly encoding: 'utf-8' | 'utf-16' | 'other';
  /** The end of the first line. */
  readonly lineEnd: 'lf' | 'crlf' | 'none';
}

const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);
const LOOKED_AT_BYTES = 64 * 1024;
/**
 * As a share of all bytes: in UTF-16, line ends, digits and punctuation have a NUL, whatever the
 * script.
 */
const NUL_SHARE_MIN = 0.02;

/** Offset of the text after all byte order marks. */
export function textStart(head: Buffer): number {
  let at = 0;
  while (head.subarray(at, at + 3).equals(BYTE_ORDER_MARK)) at += 3;
  return at;
}

/** The number of `\n` in `[start, end)` of the bytes. */
export function countNewlines(bytes: Buffer, start = 0, end = bytes.length): number {
  let count = 0;
  for (let at = bytes.indexOf(NEWLINE, start); at >= 0 && at < end; count++) {
    at = bytes.indexOf(NEWLINE, at + 1);
  }
  return count;
}

/** `wasUtf16`: the bytes were converted. */
export function textFacts(head: Buffer, wasUtf16: boolean): TextFacts {
  const newline = head.indexOf(NEWLINE);
  const isCrlf = newline > 0 && head[newline - 1] === CARRIAGE_RETURN;
  const lineEnd = newline < 0 ? 'none' : isCrlf ? 'crlf' : 'lf';
  if (wasUtf16) return { encoding: 'utf-16', lineEnd };
  return { encoding: isUtf8(wholeCharacters(head)) ? 'utf-8' : 'other', lineEnd };
}

/** The head without a partial character at its end. */
function wholeCharacters(head: Buffer): Buffer {
  let end = head.length;
  for (let back = 1; back <= 3 && back <= head.length; back++) {
    const byte = head[head.length - back] as number;
    if (byte < 0x80) break;
    if (byte >= 0xc0) {
      end = head.length - back;
      break;
    }
  }
  return head.subarray(0, end);
}

/**
 * Throws UNSUPPORTED for an encoding that is not read or, unless `returnsAreValues`, for such line
 * ends. `name` is the file's.
 */
export function refuseOddText(head: Buffer, name: string, returnsAreValues: boolean): void {
  const part = head.subarray(0, LOOKED_AT_BYTES);
  const utf16 = utf16WithoutMark(part);
  if (utf16 !== undefined) {
    throw new SteleError(
      'UNSUPPORTED',
      `${name} looks like UTF-16 without a byte order mark; convert it to UTF-8 (iconv -f ${utf16} -t UTF-8) first.`,
    );
  }
  if (returnsAreValues || !hasMacLineEnds(part)) return;
  throw new SteleError(
    'UNSUPPORTED',
    `${name} has line ends of one carriage return (\\r), as old Macs wrote them, which are not read; convert it (tr '\\r' '\\n' <file) first.`,
  );
}

/** Whether `\r` ends lines: it occurs outside quotes, and `\n` does not. */
function hasMacLineEnds(part: Buffer): boolean {
  const first = part.indexOf(CARRIAGE_RETURN);
  if (first < 0 || first === part.length - 1) return false;
  const text = part.toString('latin1').replaceAll(/"[^"]*"/g, '');
  const returns = text.match(/\r(?!\n|$)/g)?.length ?? 0;
  const newline = text.indexOf('\n');
  // An editor may have added a line end at the end of the file.
  return newline < 0 ? returns > 0 : newline === text.length - 1 && returns > 1;
}

/** The name of the encoding for iconv; undefined if the bytes are hardly UTF-16. */
function utf16WithoutMark(part: Buffer): string | undefined {
  const nuls = [0, 0];
  for (let at = part.indexOf(0); at >= 0; at = part.indexOf(0, at + 1)) {
    nuls[at % 2] = (nuls[at % 2] ?? 0) + 1;
  }
  const [even = 0, odd = 0] = nuls;
  if (even + odd < Math.max(1, part.length * NUL_SHARE_MIN) || (even > 0 && odd > 0))
    return undefined;
  const bytes = Buffer.from(part.subarray(0, part.length - (part.length % 2)));
  if (even > 0) bytes.swap16();
  const text = bytes.toString('utf16le');
  // The byte of a line end that is none in UTF-16 belongs to text of single bytes with NULs in it.
  const unitLines = text.split('\n').length - 1;
  const byteLines = bytes.filter((byte) => byte === NEWLINE).length;
  const isText = unitLines > 0 && byteLines <= unitLines * 1.1 && isPlausibleText(text);
  if (!isText) return undefined;
  return even > 0 ? 'UTF-16BE' : 'UTF-16LE';
}

/** Bytes of a text that are examined to recognise UTF-16. */
export const UTF16_BYTES = 512;

/**
 * A larger share of characters that no text has makes it binary. Below that it is damaged text,
 * which is refused.
 */
const ODD_SHARE_MAX = 0.1;

/**
 * Whether the bytes are UTF-16 with its byte order mark, damaged or not. The mark alone may be the
 * first two bytes of a key: there must be an ASCII character as well (a tab, a digit, a line end),
 * with its NUL.
 */
export function isUtf16(head: Uint8Array): boolean {
  const [b0, b1, b2, b3] = head;
  const isLittle = b0 === 0xff && b1 === 0xfe && !(b2 === 0 && b3 === 0);
  const isBig = b0 === 0xfe && b1 === 0xff;
  if (!isLittle && !isBig) return false;
  const bytes = Buffer.from(head.subarray(2, Math.min(head.length, UTF16_BYTES) & ~1));
  const text = (isBig ? bytes.swap16() : bytes).toString('utf16le');
  // Some dumps use control characters as delimiters; arbitrary bytes, read as UTF-16, hardly ever
  // contain them.
  const withoutNuls = text.replaceAll('\0', '');
  const unlikely = withoutNuls.match(/[\p{Cn}\p{Co}\p{Cs}]/gu)?.length ?? 0;
  const oddCount = unlikely + text.length - withoutNuls.length;
  return /\p{ASCII}/u.test(withoutNuls) && oddCount <= Math.max(1, text.length * ODD_SHARE_MAX);
}

/** Whether all characters occur in text; the last one may be cut in two. */
function isPlausibleText(text: string): boolean {
  const whole = text.replaceAll(/[\t\r\n]/g, '').replace(/[\ud800-\udbff]$/, '');
  return !/[\p{Cc}\p{Cn}\p{Co}\p{Cs}]/u.test(whole);
}

/** Throws INPUT_INVALID for malformed UTF-16: half a surrogate pair, an odd number of bytes. */
export async function* utf16ToUtf8(
  pieces: AsyncIterable<Uint8Array>,
  name: string,
): AsyncGenerator<Buffer, void, undefined> {
  let decoder: InstanceType<typeof TextDecoder> | undefined;
  let mark = Buffer.alloc(0);
  try {
    for await (const piece of pieces) {
      let bytes: Uint8Array = piece;
      if (decoder === undefined) {
        mark = Buffer.concat([mark, piece]);
        if (mark.length < 2) continue;
        decoder = new TextDecoder(mark[0] === 0xff ? 'utf-16le' : 'utf-16be', { fatal: true });
        bytes = mark;
      }
      yield Buffer.from(decoder.decode(bytes, { stream: true }), 'utf8');
    }
    yield Buffer.from(decoder?.decode() ?? '', 'utf8');
  } catch (thrown) {
    if (!(thrown instanceof TypeError)) throw thrown;
    const text = `${name} begins like UTF-16 but contains half a character or half a surrogate pair; convert it to UTF-8 first.`;
    throw new SteleError('INPUT_INVALID', text, { cause: thrown });
  }
}
