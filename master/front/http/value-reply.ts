// GET and HEAD of one value: the hot route. It leaves fastify's reply machinery as soon as the
// request is understood and writes the response itself, in one write.
//
//   etag = "<keyspace uid>-<version>-<its fingerprint>-<crc32 of the key>", and "-json" after it where it is JSON
//
// names the bytes exactly: one key of one content of one keyspace never has another value, also where a
// catalog that was restored gives a version number that clients have seen with other content.
//
// An answer is the value's bytes unless `accept` prefers application/json to them: then it is
// {"keyspace", "version", "encoding": "utf8" or "base64", "value"}.

import { isUtf8 } from 'node:buffer';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { crc32 } from 'node:zlib';
import { SteleError } from '../../../base/errors.ts';
import { clientBytes } from '../../../base/byte-budget.ts';
import { shorten } from '../../../base/ids.ts';
import { LookupStatus } from '../../../proto/gen/stele/v1/lookup.ts';
import type { LookupReceiver } from '../../../routing/waiting.ts';
import type { SurfaceCounts } from '../metrics.ts';
import type { LookupTarget } from '../../../routing/router.ts';
import { writeProblem } from './problem.ts';
import { writeAtTurnEnd } from './reply-turn.ts';

/** Up to this size header and value go out as one latin1 string, which is one write. */
const ONE_WRITE_BYTES_MAX = 8 * 1024;

/** Smaller answers are not counted: the system takes them at once. */
const HELD_BYTES_MIN = 64 * 1024;

/** Counts an answer among what clients have not taken, until it is sent or they are gone. */
export function holdUntilTaken(response: ServerResponse, byteCount: number): void {
  if (byteCount > HELD_BYTES_MIN) response.once('close', clientBytes.take(byteCount));
}

export class ValueReply implements LookupReceiver {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #requestId: string;
  readonly #target: LookupTarget;
  readonly #key: Buffer;
  readonly #counts: SurfaceCounts;
  readonly #beganMs = performance.now();

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    requestId: string,
    target: LookupTarget,
    key: Buffer,
    counts: SurfaceCounts,
  ) {
    this.#request = request;
    this.#response = response;
    this.#requestId = requestId;
    this.#target = target;
    this.#key = key;
    this.#counts = counts;
  }

  get abandoned(): boolean {
    return this.#response.destroyed;
  }

  receive(
    _index: number,
    status: LookupStatus,
    value: Buffer | undefined,
    nodeId: string,
    failure: SteleError | undefined,
  ): void {
    this.#counts.latency.record(performance.now() - this.#beganMs);
    if (this.#response.destroyed) return;
    if (status === LookupStatus.OK && value !== undefined) {
      this.#counts.found++;
      return writeAtTurnEnd(() => this.#sendValue(value, nodeId));
    }
    if (status === LookupStatus.NOT_FOUND) {
      this.#counts.notFound++;
      return writeProblem(this.#response, this.#notFound(), this.#requestId);
    }
    this.#counts.failed++;
    const error = failure ?? new SteleError('UNAVAILABLE', 'No replica answered.');
    writeProblem(this.#response, error, this.#requestId);
  }

  #sendValue(value: Buffer, nodeId: string): void {
    if (this.#response.destroyed) return;
    const { fingerprint, keyspaceUid, version } = this.#target;
    const isJson = prefersJson(this.#request.headers.accept);
    const name = `${keyspaceUid}-${version}-${fingerprint}-${crc32(this.#key).toString(16)}`;
    const etag = isJson ? `"${name}-json"` : `"${name}"`;
    const wanted = this.#request.headers['if-none-match'];
    const response = this.#response;
    const demanded = this.#request.headers['if-match'];
    if (demanded !== undefined && !matchesStrongly(demanded, etag)) {
      const text = `The value's etag is ${etag}, which If-Match does not name.`;
      return writeProblem(response, new SteleError('CONFLICT', text), this.#requestId, 412);
    }
    if (wanted !== undefined && matchesWeakly(wanted, etag)) {
      response.writeHead(304, this.#headers(etag, nodeId));
      response.end();
      return;
    }
    if (value.length > HELD_BYTES_MIN && clientBytes.isFull) {
      const text = 'Clients have taken too little of what they asked for; try again later.';
      return writeProblem(response, new SteleError('OVERLOADED', text), this.#requestId);
    }
    const body = isJson ? this.#json(value) : value;
    holdUntilTaken(response, body.length);
    response.writeHead(200, [
      'content-type',
      isJson ? 'application/json; charset=utf-8' : 'application/octet-stream',
      'content-length',
      String(body.length),
      ...this.#headers(etag, nodeId),
    ]);
    if (body.length <= ONE_WRITE_BYTES_MAX) response.end(body.toString('latin1'), 'latin1');
    else response.end(body);
  }

  #headers(etag: string, nodeId: string): string[] {
    const version = String(this.#target.version);
    return ['etag', etag, 'vary', 'accept', 'x-stele-version', version, 'x-stele-node', nodeId];
  }

  #json(value: Buffer): Buffer {
    const { keyspace, version } = this.#target;
    const encoding = isUtf8(value) ? 'utf8' : 'base64';
    const answer = { keyspace, version, encoding, value: value.toString(encoding) };
    return Buffer.from(JSON.stringify(answer));
  }

  #notFound(): SteleError {
    const { keyspace, version } = this.#target;
    return new SteleError(
      'NOT_FOUND',
      `Keyspace '${keyspace}' (version ${version}) has no key '${shorten(this.#key.toString('utf8', 0, 240))}'.`,
    );
  }
}

/** If-None-Match (RFC 9110, 13.1.2): a list of tags, or `*`; a weak mark does not matter. */
function matchesWeakly(header: string, etag: string): boolean {
  if (header === etag || header.trim() === '*') return true;
  return header.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag);
}

/** If-Match (RFC 9110, 13.1.1): the same, but a weak tag matches nothing. */
function matchesStrongly(header: string, etag: string): boolean {
  return header.trim() === '*' || header.split(',').some((tag) => tag.trim() === etag);
}

const JSON_TYPE = 'application/json';
const BYTES_TYPES: ReadonlySet<string> = new Set([
  'application/octet-stream',
  'application/*',
  '*/*',
]);

/** Whether JSON is named, and the bytes are not wanted as much (RFC 9110, 12.5.1). Hot where it is absent. */
function prefersJson(accept: string | undefined): boolean {
  if (accept === undefined || accept === '*/*') return false;
  if (!accept.toLowerCase().includes(JSON_TYPE)) return false;
  let json = 0;
  let bytes = 0;
  for (const part of accept.split(',')) {
    const [type = '', ...parameters] = part.split(';').map((piece) => piece.trim().toLowerCase());
    const weight = Number(parameters.find((each) => each.startsWith('q='))?.slice(2) ?? 1);
    if (type === JSON_TYPE) json = Math.max(json, weight);
    else if (BYTES_TYPES.has(type)) bytes = Math.max(bytes, weight);
  }
  return json > bytes;
}
