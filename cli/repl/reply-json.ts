// Replies as JSON, for `stele cli -o json`.

import type { Reply } from '../../client/resp-client.ts';

const UTF8 = new TextDecoder('utf-8', { fatal: true });

/**
 * A reply as a value for JSON.stringify. Bytes are a string, or `{"base64":"..."}` if they are not
 * UTF-8. Maps are objects, sets are arrays, integers beyond 2^53 are strings.
 */
export function replyJson(reply: Reply): unknown {
  switch (reply.type) {
    case 'simple':
      return reply.text;
    case 'error':
      return { error: errorOf(reply.text) };
    case 'integer':
    case 'boolean':
      return reply.value;
    case 'double':
      return Number.isFinite(reply.value) ? reply.value : String(reply.value);
    case 'bigNumber':
      return String(reply.value);
    case 'bulk':
    case 'verbatim':
      return bytesJson(reply.bytes);
    case 'nil':
      return null;
    case 'array':
    case 'set':
    case 'push':
      return reply.items.map(replyJson);
    case 'map':
      return Object.fromEntries(
        reply.entries.map(([key, value]) => [keyText(key), replyJson(value)]),
      );
  }
}

/** `ERR unknown command` becomes `{"error":{"code":"ERR","message":"unknown command"}}`. */
export function replyErrorJson(text: string): string {
  return JSON.stringify({ error: errorOf(text) });
}

function errorOf(text: string): { code: string; message: string } {
  const [, code = 'ERR', message = text] = /^([A-Z]+) (.*)$/s.exec(text) ?? [];
  return { code, message };
}

function keyText(key: Reply): string {
  const json = replyJson(key);
  return typeof json === 'string' ? json : JSON.stringify(json);
}

function bytesJson(bytes: Buffer): unknown {
  try {
    return UTF8.decode(bytes);
  } catch {
    return { base64: bytes.toString('base64') };
  }
}
