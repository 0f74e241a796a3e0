// A small S3 for tests: signatures, ranges, listings in pages, multipart, conditional writes, and
// faults on demand. Everything is in memory.

import { createHash, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { sha256, signatureOf } from './signature.ts';

/**
 * `error`, `slow-down`, `conflict`: an answer 500, 503, 409 and nothing done. `reset`: the
 * connection breaks before anything is done; `torn`: in the middle of the body of the request, or
 * else of the answer; `lost`: after everything is done; `stall`: no answer at all.
 */
export type S3Fault =
  'error' | 'slow-down' | 'conflict' | 'reset' | 'torn' | 'lost' | 'stall' | undefined;

/** `PutObject`, `UploadPart` ... */
export interface S3Operation {
  readonly what: string;
  readonly key: string;
}

interface StoredBytes {
  readonly bytes: Buffer;
  readonly tag: string;
  readonly writtenMs: number;
}

interface Upload {
  readonly key: string;
  readonly begunMs: number;
  readonly parts: Map<number, Buffer>;
}

interface Outcome {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body?: string | Buffer;
}

const SKEW_MS_MAX = 900_000;

export class TestS3 {
  bucket = 'test-bucket';
  readonly region = 'eu-test-1';
  readonly accessKeyId = 'AKIATESTTESTTEST';
  readonly secretAccessKey = 'secret/of+the=test';
  readonly objects = new Map<string, StoredBytes>();
  readonly uploads = new Map<string, Upload>();
  /** All that was asked, in order. */
  readonly operations: S3Operation[] = [];
  /** The fault for an operation. */
  fault: (operation: S3Operation) => S3Fault = () => undefined;
  /** Operations that the credentials do not allow. */
  readonly denied = new Set<string>();
  pageSizeMax = 1000;
  ignoresConditions = false;
  isExpired = false;
  /** The token that must be sent; empty: none. */
  sessionToken = '';
  clockSkewMs = 0;
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      this.#handle(request, response).catch(() => request.socket.destroy());
    });
  }

  static async start(): Promise<TestS3> {
    const s3 = new TestS3();
    await new Promise<void>((resolve) => s3.#server.listen(0, '127.0.0.1', resolve));
    return s3;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get url(): string {
    return `s3://${this.bucket}/some/prefix`;
  }

  /** The variables with which a client may use it. */
  get environment(): Record<string, string> {
    return {
      AWS_ACCESS_KEY_ID: this.accessKeyId,
      AWS_SECRET_ACCESS_KEY: this.secretAccessKey,
      AWS_REGION: this.region,
      AWS_ENDPOINT_URL_S3: this.endpoint,
      AWS_EC2_METADATA_DISABLED: 'true',
      HOME: '/nonexistent',
    };
  }

  /** How often an operation was asked for. */
  count(what: string): number {
    return this.operations.filter((one) => one.what === what).length;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const asked = this.#parse(request);
    this.operations.push(asked);
    const fault = this.fault(asked);
    if (fault === 'stall') return;
    const hasBody = request.method === 'PUT';
    if (fault === 'reset' || (fault === 'torn' && hasBody)) {
      if (fault === 'torn') await new Promise((resolve) => request.once('data', resolve));
      request.socket.destroy();
      return;
    }
    const body = await buffer(request);
    const outcome =
      faultAnswer(fault) ?? this.#refusal(request, asked, body) ?? this.#do(asked, request, body);
    if (fault === 'lost') {
      request.socket.destroy();
      return;
    }
    const text = outcome.body ?? '';
    const bytes = typeof text === 'string' ? Buffer.from(text) : text;
    const length = outcome.headers?.['content-length'] ?? String(bytes.length);
    const date = new Date(this.#nowMs()).toUTCString();
    response.writeHead(outcome.status, { ...outcome.headers, 'content-length': length, date });
    if (request.method === 'HEAD') response.end();
    else if (fault === 'torn')
      response.write(bytes.subarray(0, bytes.length >> 1), () => request.socket.destroy());
    else response.end(bytes);
  }

  #nowMs(): number {
    return Date.now() + this.clockSkewMs;
  }

  #parse(
    request: IncomingMessage,
  ): S3Operation & { readonly query: URLSearchParams; readonly bucket: string } {
    const url = new URL(request.url ?? '/', 'http://s3');
    const path = decodeURIComponent(url.pathname.slice(1));
    const isHosted = request.headers.host?.startsWith(`${this.bucket}.`) === true;
    const slash = `${path}/`.indexOf('/');
    const bucket = isHosted ? this.bucket : path.slice(0, slash);
    const key = isHosted ? path : path.slice(slash + 1);
    const query = url.searchParams;
    return { what: operationOf(request.method ?? '', key, query), key, query, bucket };
  }

  #refusal(
    request: IncomingMessage,
    asked: S3Operation & { readonly bucket: string },
    body: Buffer,
  ): Outcome | undefined {
    const signed = signatureOf(request);
    if (signed === undefined) return failure(403, 'AccessDenied', 'not signed');
    if (signed.accessKeyId !== this.accessKeyId)
      return failure(403, 'InvalidAccessKeyId', 'unknown key');
    const token = request.headers['x-amz-security-token'] ?? '';
    if (this.isExpired) return failure(400, 'ExpiredToken', 'The provided token has expired.');
    if (token !== this.sessionToken)
      return failure(403, 'InvalidToken', 'another token is expected');
    if (signed.region !== this.region) {
      return failure(
        400,
        'AuthorizationHeaderMalformed',
        'wrong region',
        `<Region>${this.region}</Region>`,
      );
    }
    if (!signed.fits(this.secretAccessKey))
      return failure(403, 'SignatureDoesNotMatch', 'wrong signature');
    if (Math.abs(signed.atMs - this.#nowMs()) > SKEW_MS_MAX) {
      return failure(403, 'RequestTimeTooSkewed', 'the difference is too large');
    }
    if (request.headers['x-amz-content-sha256'] !== sha256(body)) {
      return failure(400, 'XAmzContentSHA256Mismatch', 'the body has another hash');
    }
    if (this.denied.has(asked.what)) return failure(403, 'AccessDenied', 'Access Denied');
    if (asked.bucket !== this.bucket) return failure(404, 'NoSuchBucket', 'no such bucket');
    return undefined;
  }

  #do(
    { key, query, what }: S3Operation & { readonly query: URLSearchParams },
    request: IncomingMessage,
    body: Buffer,
  ): Outcome {
    switch (what) {
      case 'PutObject':
        return this.#taken(request, key) ?? this.#store(key, body, md5(body));
      case 'GetObject':
      case 'HeadObject':
        return this.#get(key, request);
      case 'DeleteObject':
        this.objects.delete(key);
        return { status: 204 };
      case 'DeleteObjects':
        return this.#deleteAll(request, body);
      case 'ListObjectsV2':
        return this.#list(query);
      case 'ListMultipartUploads':
        return this.#listUploads(query);
      case 'CreateMultipartUpload':
        return this.#createUpload(key);
      case 'UploadPart':
      case 'CompleteMultipartUpload':
      case 'AbortMultipartUpload':
        return this.#ofUpload(what, key, query, request, body);
      default:
        return failure(501, 'NotImplemented', what);
    }
  }

  #taken(request: IncomingMessage, key: string): Outcome | undefined {
    const isConditional = request.headers['if-none-match'] === '*' && !this.ignoresConditions;
    if (!isConditional || !this.objects.has(key)) return undefined;
    return failure(412, 'PreconditionFailed', 'it exists');
  }

  #store(key: string, bytes: Buffer, tag: string): Outcome {
    this.objects.set(key, { bytes, tag: `"${tag}"`, writtenMs: this.#nowMs() });
    return { status: 200, headers: { etag: `"${tag}"` } };
  }

  #get(key: string, request: IncomingMessage): Outcome {
    const found = this.objects.get(key);
    if (found === undefined) return failure(404, 'NoSuchKey', 'no such key');
    const match = request.headers['if-match'];
    if (match !== undefined && match !== found.tag)
      return failure(412, 'PreconditionFailed', 'another');
    const headers = { etag: found.tag, 'last-modified': new Date(found.writtenMs).toUTCString() };
    const { bytes } = found;
    if (request.method === 'HEAD') {
      return { status: 200, headers: { ...headers, 'content-length': String(bytes.length) } };
    }
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
    if (range === null) return { status: 200, headers, body: bytes };
    const [first, last] = [Number(range[1]), Math.min(Number(range[2]), bytes.length - 1)];
    if (first >= bytes.length) return failure(416, 'InvalidRange', 'beyond the end');
    const where = `bytes ${first}-${last}/${bytes.length}`;
    const part = bytes.subarray(first, last + 1);
    return { status: 206, headers: { ...headers, 'content-range': where }, body: part };
  }

  #deleteAll(request: IncomingMessage, body: Buffer): Outcome {
    if (request.headers['content-md5'] !== createHash('md5').update(body).digest('base64')) {
      return failure(400, 'InvalidDigest', 'content-md5');
    }
    for (const [, key = ''] of body.toString().matchAll(/<Key>(.*?)<\/Key>/g)) {
      this.objects.delete(
        key.replace(/&#(\d+);/g, (_, code) => String.fromCodePoint(Number(code))),
      );
    }
    return { status: 200, body: '<DeleteResult></DeleteResult>' };
  }

  #list(query: URLSearchParams): Outcome {
    const prefix = query.get('prefix') ?? '';
    const after = query.get('continuation-token') ?? '';
    const size = Math.min(this.pageSizeMax, Number(query.get('max-keys') ?? 1000));
    const all = [...this.objects.keys()]
      .filter((key) => key.startsWith(prefix) && key > after)
      .sort();
    const page = all.slice(0, size);
    const contents = page.map((key) => {
      const { bytes, tag, writtenMs } = this.objects.get(key) as StoredBytes;
      return `<Contents><Key>${encodeURIComponent(key)}</Key><LastModified>${new Date(writtenMs).toISOString()}</LastModified><ETag>${tag.replaceAll('"', '&quot;')}</ETag><Size>${bytes.length}</Size></Contents>`;
    });
    const isCut = page.length < all.length;
    const token = isCut ? `<NextContinuationToken>${page.at(-1)}</NextContinuationToken>` : '';
    return {
      status: 200,
      body: `<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>${isCut}</IsTruncated>${token}${contents.join('')}</ListBucketResult>`,
    };
  }

  #listUploads(query: URLSearchParams): Outcome {
    const prefix = query.get('prefix') ?? '';
    const uploads = [...this.uploads]
      .filter(([, { key }]) => key.startsWith(prefix))
      .map(
        ([id, { begunMs, key }]) =>
          `<Upload><Key>${key}</Key><UploadId>${id}</UploadId><Initiated>${new Date(begunMs).toISOString()}</Initiated></Upload>`,
      );
    return {
      status: 200,
      body: `<ListMultipartUploadsResult>${uploads.join('')}</ListMultipartUploadsResult>`,
    };
  }

  #createUpload(key: string): Outcome {
    const id = randomBytes(8).toString('hex');
    this.uploads.set(id, { key, begunMs: this.#nowMs(), parts: new Map() });
    return {
      status: 200,
      body: `<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`,
    };
  }

  #ofUpload(
    what: string,
    key: string,
    query: URLSearchParams,
    request: IncomingMessage,
    body: Buffer,
  ): Outcome {
    const id = query.get('uploadId') ?? '';
    const upload = this.uploads.get(id);
    if (upload?.key !== key) return failure(404, 'NoSuchUpload', 'no such upload');
    if (what === 'UploadPart') {
      upload.parts.set(Number(query.get('partNumber')), body);
      return { status: 200, headers: { etag: `"${md5(body)}"` } };
    }
    if (what === 'AbortMultipartUpload') {
      this.uploads.delete(id);
      return { status: 204 };
    }
    const taken = this.#taken(request, key);
    if (taken !== undefined) return taken;
    const wanted = [
      ...body.toString().matchAll(/<PartNumber>(\d+)<\/PartNumber><ETag>(.*?)<\/ETag>/g),
    ];
    const parts = wanted.map(([, number, tag = '']) => {
      const part = upload.parts.get(Number(number));
      const isSame = part !== undefined && tag.replaceAll('&#34;', '"') === `"${md5(part)}"`;
      return isSame ? part : undefined;
    });
    if (parts.length === 0 || parts.includes(undefined)) return failure(400, 'InvalidPart', 'part');
    this.uploads.delete(id);
    this.#store(key, Buffer.concat(parts as Buffer[]), `${md5(body)}-${parts.length}`);
    return { status: 200, body: '<CompleteMultipartUploadResult></CompleteMultipartUploadResult>' };
  }
}

function operationOf(method: string, key: string, query: URLSearchParams): string {
  if (key === '') {
    if (method === 'POST') return 'DeleteObjects';
    return query.has('uploads') ? 'ListMultipartUploads' : 'ListObjectsV2';
  }
  if (query.has('uploads')) return 'CreateMultipartUpload';
  if (query.has('uploadId')) {
    if (method === 'PUT') return 'UploadPart';
    return method === 'POST' ? 'CompleteMultipartUpload' : 'AbortMultipartUpload';
  }
  const name = { GET: 'Get', HEAD: 'Head', PUT: 'Put', DELETE: 'Delete' }[method];
  return name === undefined ? method : `${name}Object`;
}

function faultAnswer(fault: S3Fault): Outcome | undefined {
  if (fault === 'error') return failure(500, 'InternalError', 'We encountered an internal error.');
  if (fault === 'conflict') return failure(409, 'ConditionalRequestConflict', 'at the same moment');
  if (fault !== 'slow-down') return undefined;
  return { ...failure(503, 'SlowDown', 'Reduce your rate.'), headers: { 'retry-after': '0' } };
}

function failure(status: number, code: string, message: string, more = ''): Outcome {
  const body = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${message}</Message>${more}</Error>`;
  return { status, body };
}

function md5(bytes: Buffer): string {
  return createHash('md5').update(bytes).digest('hex');
}
