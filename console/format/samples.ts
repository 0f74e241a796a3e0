// Keys and values of samples, which come as base64, in one line.

import { bytes } from './numbers.ts';
import { textOf } from './value-text.ts';

const CHARACTERS_MAX = 120;

/** `length` is that of all bytes, of which `base64` may be the first. */
export function shownBytes(base64: string, length?: number): string {
  const value = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const text = textOf(value) ?? textWithoutEnd(value, length);
  const shown =
    text ?? `0x${Array.from(value, (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
  const cut = shown.length > CHARACTERS_MAX ? `${shown.slice(0, CHARACTERS_MAX)} ...` : shown;
  return length === undefined || length <= value.length ? cut : `${cut} (${bytes(length)})`;
}

/** A value that was cut off may end within a character. */
function textWithoutEnd(value: Uint8Array, length: number | undefined): string | undefined {
  if (length === undefined || length <= value.length) return undefined;
  for (let missing = 1; missing <= 3; missing++) {
    const text = textOf(value.subarray(0, value.length - missing));
    if (text !== undefined) return text;
  }
  return undefined;
}
