// Keys in URLs are bytes, not text. They are taken from the raw URL, because a UTF-8 decoder
// refuses %FF and routers limit the length of a parameter.
//
//   /v1/keyspaces/{ks}/keys/{key}?version=3   is routed as   /v1/keyspaces/{ks}/keys/-?version=3
//   /v1/explain/{ks}/{key}                    is routed as   /v1/explain/{ks}/-
//
// The handler decodes {key} from the original URL. Both use the same split of the same URL,
// whatever its form: absolute (RFC 9112, 3.2.2), or with escapes in the words before the key
// (`/ke%79s/`), which the router would decode. Node.js returns a URL as latin1, one character per
// byte, so unescaped bytes are preserved, too.

import { SteleError } from '../../../base/errors.ts';

const PERCENT = 0x25;
const ABSOLUTE = /^https?:\/\/[^/?#]*/i;
/** The words of a path before its key; undefined stands for a keyspace. */
const KEY_PATHS: readonly (readonly (string | undefined)[])[] = [
  ['v1', 'keyspaces', undefined, 'keys'],
  ['v1', 'explain', undefined],
];

interface KeyUrl {
  /** The path up to the key, in origin form, with the keyspace as sent. */
  readonly prefix: string;
  /** The key, still encoded. */
  readonly key: string;
  /** With its `?`; empty if there is none. */
  readonly query: string;
}

/** The URL to route by: without scheme and host, and with `-` in place of a key. */
export function hideKey(url: string): string {
  const path = originForm(url);
  const parts = splitKeyUrl(path);
  return parts === undefined ? path : `${parts.prefix}-${parts.query}`;
}

/** The bytes of `{key}` in a URL that was routed to a key's route. Throws INVALID_ARGUMENT. */
export function keyOfUrl(url: string): Buffer {
  const parts = splitKeyUrl(originForm(url));
  if (parts !== undefined) return percentDecode(parts.key);
  throw new SteleError('INVALID_ARGUMENT', 'This URL has no key in its path.');
}

/**
 * A query parameter as bytes; `+` is a space. Undefined if it is missing. Throws INVALID_ARGUMENT
 * if it occurs twice, because choosing one would be a guess.
 */
export function queryBytes(url: string, name: string): Buffer | undefined {
  const query = url.indexOf('?');
  if (query < 0) return undefined;
  let found: Buffer | undefined;
  for (const part of url.slice(query + 1).split('&')) {
    const equals = part.indexOf('=');
    const partName = equals < 0 ? part : part.slice(0, equals);
    if (formDecode(partName).toString('latin1') !== name) continue;
    if (found !== undefined) {
      throw new SteleError('INVALID_ARGUMENT', `The parameter '${name}' is given twice.`);
    }
    found = equals < 0 ? Buffer.alloc(0) : formDecode(part.slice(equals + 1));
  }
  return found;
}

function originForm(url: string): string {
  if (url.startsWith('/')) return url;
  const host = ABSOLUTE.exec(url)?.[0];
  if (host === undefined) return url;
  const path = url.slice(host.length);
  return path.startsWith('/') ? path : `/${path}`;
}

/** Undefined if the path has no key. */
function splitKeyUrl(path: string): KeyUrl | undefined {
  const mark = path.indexOf('?');
  const pathEnd = mark < 0 ? path.length : mark;
  for (const words of KEY_PATHS) {
    const prefix = keyPrefix(path, pathEnd, words);
    if (prefix === undefined) continue;
    return {
      prefix: prefix.routed,
      key: path.slice(prefix.end, pathEnd),
      query: path.slice(pathEnd),
    };
  }
  return undefined;
}

function keyPrefix(
  path: string,
  pathEnd: number,
  words: readonly (string | undefined)[],
): { readonly routed: string; readonly end: number } | undefined {
  if (!path.startsWith('/')) return undefined;
  let at = 1;
  let routed = '/';
  for (const word of words) {
    const slash = path.indexOf('/', at);
    if (slash < 0 || slash >= pathEnd) return undefined;
    const sent = path.slice(at, slash);
    if (word !== undefined && sent !== word && !isWord(sent, word)) return undefined;
    routed += `${word ?? sent}/`;
    at = slash + 1;
  }
  return { routed, end: at };
}

/** Whether `sent`, decoded once, is `word`. */
function isWord(sent: string, word: string): boolean {
  // An escape takes three characters per byte, so longer text cannot match.
  if (!sent.includes('%') || sent.length > 3 * word.length) return false;
  try {
    return percentDecode(sent).toString('latin1') === word;
  } catch {
    return false;
  }
}

function formDecode(text: string): Buffer {
  return percentDecode(text.replaceAll('+', ' '));
}

/** Bytes from percent-encoded latin1. Throws INVALID_ARGUMENT for a `%` without two hex digits. */
function percentDecode(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1');
  let from = bytes.indexOf(PERCENT);
  if (from < 0) return bytes;
  let to = from;
  while (from < bytes.length) {
    const byte = bytes[from++] as number;
    if (byte !== PERCENT) {
      bytes[to++] = byte;
      continue;
    }
    const high = hexDigit(bytes[from]);
    const low = hexDigit(bytes[from + 1]);
    if (high < 0 || low < 0) {
      throw new SteleError(
        'INVALID_ARGUMENT',
        'A % in the URL is not followed by two hex digits; percent-encode it as %25.',
      );
    }
    bytes[to++] = high * 16 + low;
    from += 2;
  }
  return bytes.subarray(0, to);
}

function hexDigit(byte: number | undefined): number {
  if (byte === undefined) return -1;
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}
