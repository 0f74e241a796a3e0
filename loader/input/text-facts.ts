// What the first bytes of a file say of it as text: byte order marks, encoding, line ends.
//
//     ef bb bf         UTF-8; skipped, also where there are several
//     ff fe, fe ff     UTF-16; converted to UTF-8 when it is spooled (utf16.ts)
//     no \n, but \r    line ends of old Macs: refused, `\r` may be a part of values
//
// UTF-16 without a byte order mark is only a guess, so it is refused with the command that converts it.

import { isUtf8 } from 'node:buffer';
import { SteleError } from '../../base/errors.ts';
import { CARRIAGE_RETURN, NEWLINE } from './dialect.ts';
import { isPlausibleText } from './utf16.ts';

export interface TextFacts {
  /** `other`: bytes that are not UTF-8, which are stored as they are. */
  readonly encoding: 'utf-8' | 'utf-16' | 'other';
  /** Of the first line. */
  readonly lineEnd: 'lf' | 'crlf' | 'none';
}

const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);
const LOOKED_AT_BYTES = 64 * 1024;
/** Of all bytes: in UTF-16 line ends, digits and punctuation have one, whatever the script. */
const NUL_SHARE_MIN = 0.02;

/** Where the text begins: after all byte order marks. */
export function textStart(head: Buffer): number {
  let at = 0;
  while (head.subarray(at, at + 3).equals(BYTE_ORDER_MARK)) at += 3;
  return at;
}

/** `wasUtf16`: the bytes were converted. */
export function textFacts(head: Buffer, wasUtf16: boolean): TextFacts {
  const newline = head.indexOf(NEWLINE);
  const isCrlf = newline > 0 && head[newline - 1] === CARRIAGE_RETURN;
  const lineEnd = newline < 0 ? 'none' : isCrlf ? 'crlf' : 'lf';
  if (wasUtf16) return { encoding: 'utf-16', lineEnd };
  return { encoding: isUtf8(wholeCharacters(head)) ? 'utf-8' : 'other', lineEnd };
}

/** Without the bytes at the end of what was read that may be half a character. */
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
 * Throws UNSUPPORTED for text whose encoding is not read or, unless `returnsAreValues`, whose line ends
 * are not; `name` is the file's.
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

/** Whether `\r` ends lines: it is there outside of quotes, and `\n` is not. */
function hasMacLineEnds(part: Buffer): boolean {
  const first = part.indexOf(CARRIAGE_RETURN);
  if (first < 0 || first === part.length - 1) return false;
  const text = part.toString('latin1').replaceAll(/"[^"]*"/g, '');
  const returns = text.match(/\r(?!\n|$)/g)?.length ?? 0;
  const newline = text.indexOf('\n');
  // An editor may have put a line end at the end of the file.
  return newline < 0 ? returns > 0 : newline === text.length - 1 && returns > 1;
}

/** The name of the encoding that iconv knows; undefined for all that is hardly UTF-16. */
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
  // A byte of a line end that is none in UTF-16 belongs to text of single bytes, with NULs in it.
  const unitLines = text.split('\n').length - 1;
  const byteLines = bytes.filter((byte) => byte === NEWLINE).length;
  const isText = unitLines > 0 && byteLines <= unitLines * 1.1 && isPlausibleText(text);
  if (!isText) return undefined;
  return even > 0 ? 'UTF-16BE' : 'UTF-16LE';
}
