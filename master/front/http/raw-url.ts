// Keys in URLs are bytes, not text: they are taken from the URL as it came, because a decoder of
// UTF-8 refuses %FF and routers limit the length of a parameter.
//
//   /v1/keyspaces/{ks}/keys/{key}?version=3   is routed as   /v1/keyspaces/{ks}/keys/-?version=3
//   /v1/explain/{ks}/{key}                    is routed as   /v1/explain/{ks}/-
//
// and the handler decodes {key} from the original. Node.js gives a URL as latin1: one character is
// one byte, so what was sent unescaped survives too.

import { SteleError } from '../../../base/errors.ts';

const KEYSPACES = '/v1/keyspaces/';
const KEYS = '/keys/';
const EXPLAIN = '/v1/explain/';
const PERCENT = 0x25;

/** The URL to route by. */
export function hideKey(url: string): string {
  const start = keyStart(url);
  if (start < 0) return url;
  const query = url.indexOf('?', start);
  return query < 0 ? `${url.slice(0, start)}-` : `${url.slice(0, start)}-${url.slice(query)}`;
}

/** The bytes of `{key}` in a URL that `hideKey` would change. Throws INVALID_ARGUMENT. */
export function keyOfUrl(url: string): Buffer {
  const start = keyStart(url);
  const query = url.indexOf('?', start);
  return percentDecode(url.slice(start, query < 0 ? url.length : query));
}

/** A parameter of the query as bytes; `+` is a space there. Undefined if it is not given. */
export function queryBytes(url: string, name: string): Buffer | undefined {
  const query = url.indexOf('?');
  if (query < 0) return undefined;
  for (const part of url.slice(query + 1).split('&')) {
    if (part === name) return Buffer.alloc(0);
    if (part.startsWith(`${name}=`)) {
      return percentDecode(part.slice(name.length + 1).replaceAll('+', ' '));
    }
  }
  return undefined;
}

function keyStart(url: string): number {
  if (url.startsWith(KEYSPACES)) {
    const slash = url.indexOf('/', KEYSPACES.length);
    return slash > 0 && url.startsWith(KEYS, slash) ? slash + KEYS.length : -1;
  }
  if (url.startsWith(EXPLAIN)) {
    const slash = url.indexOf('/', EXPLAIN.length);
    return slash > 0 ? slash + 1 : -1;
  }
  return -1;
}

/** Any bytes from percent-encoded latin1. Throws INVALID_ARGUMENT for a `%` without two hex digits. */
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
        'A % in the key is not followed by two hex digits; percent-encode it as %25.',
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
