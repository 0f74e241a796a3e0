// UTF-16 text with a byte order mark -> UTF-8, while it is spooled.

import { SteleError } from '../../base/errors.ts';

/** As much of a text as is looked at to tell it. */
export const UTF16_BYTES = 512;

/** Of the characters: more that no text has make it binary. Below that it is text with damage, which is refused. */
const ODD_SHARE_MAX = 0.1;

/**
 * Whether the bytes are UTF-16 with its byte order mark, damaged or not. The mark alone may be the first two
 * bytes of a key: there must be a character of ASCII as well (a tab, a digit, a line end), with its zero byte.
 */
export function isUtf16(head: Uint8Array): boolean {
  const [b0, b1, b2, b3] = head;
  const isLittle = b0 === 0xff && b1 === 0xfe && !(b2 === 0 && b3 === 0);
  const isBig = b0 === 0xfe && b1 === 0xff;
  if (!isLittle && !isBig) return false;
  const bytes = Buffer.from(head.subarray(2, Math.min(head.length, UTF16_BYTES) & ~1));
  const text = (isBig ? bytes.swap16() : bytes).toString('utf16le');
  // Control characters are delimiters in some dumps; as units of UTF-16, arbitrary bytes have them hardly ever.
  const withoutNuls = text.replaceAll('\0', '');
  const unlikely = withoutNuls.match(/[\p{Cn}\p{Co}\p{Cs}]/gu)?.length ?? 0;
  const oddCount = unlikely + text.length - withoutNuls.length;
  return /\p{ASCII}/u.test(withoutNuls) && oddCount <= Math.max(1, text.length * ODD_SHARE_MAX);
}

/** Whether there is no character in it that no text has; the last one may be cut in two. */
export function isPlausibleText(text: string): boolean {
  const whole = text.replaceAll(/[\t\r\n]/g, '').replace(/[\ud800-\udbff]$/, '');
  return !/[\p{Cc}\p{Cn}\p{Co}\p{Cs}]/u.test(whole);
}

/** Throws INPUT_INVALID for what is no UTF-16: half a surrogate pair, an odd number of bytes. */
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
    const text = `${name} begins like UTF-16 and is not: half a character or half a surrogate pair is in it; convert it to UTF-8 first.`;
    throw new SteleError('INPUT_INVALID', text, { cause: thrown });
  }
}
