// Reads over HTTP: GET /v1/keyspaces/{keyspace}/keys/{key}, on connections that are kept.

import { SteleError } from '../../base/errors.ts';
import type { Protocol } from './pipelined-target.ts';
import { MISS, failed } from './read-target.ts';
import type { OnOutcome, ReadOutcome } from './read-target.ts';

const HEAD_BYTES_MAX = 64 * 1024;

export function httpReads(
  address: string,
  keys: readonly Buffer[],
  keyspace: string,
  authorization: string | undefined,
): Protocol {
  const before = `/v1/keyspaces/${encodeURIComponent(keyspace)}/keys/`;
  const user = authorization === undefined ? '' : `authorization: ${authorization}\r\n`;
  const head = ` HTTP/1.1\r\nhost: ${address}\r\n${user}\r\n`;
  return {
    name: `HTTP ${address}`,
    requests: keys.map((key) => Buffer.from(`GET ${before}${percentEncoded(key)}${head}`)),
    greeting: [],
    decoder: (onOutcome) => new HttpReplies(onOutcome),
  };
}

function percentEncoded(key: Buffer): string {
  let text = '';
  for (const byte of key) text += `%${byte.toString(16).padStart(2, '0')}`;
  return text;
}

/** Replies with a content-length, one after the other. */
class HttpReplies {
  readonly #onOutcome: OnOutcome;
  #chunks: Buffer[] = [];
  #byteLength = 0;
  /** Bytes that are needed before the next reply is looked at again. */
  #needed = 1;

  constructor(onOutcome: OnOutcome) {
    this.#onOutcome = onOutcome;
  }

  /** Throws IO where the bytes are not such a reply. */
  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#byteLength += chunk.length;
    // A large value is put together once, and not for each of its chunks.
    if (this.#byteLength < this.#needed) return;
    let rest = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks);
    this.#needed = 1;
    while (rest.length > 0) {
      const length = this.#reply(rest);
      if (length === 0) break;
      rest = rest.subarray(length);
    }
    this.#chunks = [rest];
    this.#byteLength = rest.length;
  }

  /** Reports the reply at the beginning; returns its length, or 0 if it is not complete. */
  #reply(bytes: Buffer): number {
    const headEnd = bytes.indexOf('\r\n\r\n');
    if (headEnd < 0) {
      if (bytes.length > HEAD_BYTES_MAX) throw notHttp();
      this.#needed = bytes.length + 1;
      return 0;
    }
    const head = bytes.toString('latin1', 0, headEnd);
    const [, status = ''] = /^HTTP\/1[.]1 ([0-9]{3})/.exec(head) ?? [];
    const [, length = ''] = /\r\ncontent-length: *([0-9]+)/i.exec(head) ?? [];
    if (status === '' || length === '') throw notHttp();
    const end = headEnd + 4 + Number(length);
    if (bytes.length < end) {
      this.#needed = end;
      return 0;
    }
    this.#onOutcome(outcomeOf(status, bytes.subarray(headEnd + 4, end)));
    return end;
  }
}

function outcomeOf(status: string, value: Buffer): ReadOutcome {
  if (status === '200') return { status: 'hit', value };
  // A keyspace that is not there is another 404.
  const code = /"code": *"([A-Z_]+)"/.exec(value.toString('utf8'))?.[1] ?? `status ${status}`;
  return code === 'NOT_FOUND' ? MISS : failed(code);
}

function notHttp(): SteleError {
  return new SteleError('IO', 'the reply is not one of HTTP/1.1 with a content-length');
}
