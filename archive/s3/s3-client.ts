// Signed requests to one bucket, repeated while that may help.
//
//     no answer, 408, 429, 5xx, SlowDown ...   again, with backoff and full jitter, or after Retry-After
//     RequestTimeTooSkewed                     again at once, by the clock of the store
//     another region is named                  again at once, in that region
//     expired or unknown credentials           again at once, with renewed ones
//
// The body of a request is sent in slices and signed by its SHA-256, which the store checks.

import { createHash } from 'node:crypto';
import { AwsV4Signer } from 'aws4fetch';
import { sleep, Turns } from '../../base/clock.ts';
import { SteleError } from '../../base/errors.ts';
import { Slots } from '../slots.ts';
import type { StoreCallOptions } from '../object-store.ts';
import type { S3Credentials } from './credentials/credentials.ts';
import { cancelled, ProgressTimer } from '../../base/progress-timer.ts';
import {
  failureError,
  faultError,
  faultOf,
  isFinalFailure,
  isOfCredentials,
  isPassing,
} from './s3-errors.ts';
import type { RequestFacts, S3Fault } from './s3-errors.ts';
import type { S3Options } from './s3-options.ts';
import { encodeKey, encodePart } from './xml.ts';

const ATTEMPTS_MAX = 8;
const BACKOFF_MS_MAX = 20_000;
const RETRY_AFTER_MS_MAX = 60_000;
const SLICE_BYTES = 256 * 1024;
const ANSWER_BYTES_MAX = 16 * 1024 * 1024;
const REGION_DEFAULT = 'us-east-1';
const EMPTY_SHA256 = createHash('sha256').digest('hex');

type RequestHeaders = Readonly<Record<string, string>>;

export interface S3Request {
  readonly method: 'GET' | 'PUT' | 'HEAD' | 'POST' | 'DELETE';
  /** The right that it needs, for messages. */
  readonly right: string;
  /** Empty: about the bucket. */
  readonly name?: string;
  readonly query?: Readonly<Record<string, string>>;
  /** Or a function that is called for each attempt. */
  readonly headers?: RequestHeaders | (() => RequestHeaders);
  readonly body?: Uint8Array;
  /** Bytes that are expected back. */
  readonly answerBytes?: number;
  /** Statuses that are answers and not errors. */
  readonly accepts?: readonly number[];
}

export interface S3Answer<Result> {
  readonly status: number;
  readonly headers: Headers;
  readonly result: Result;
  /** Whether an earlier attempt may have been carried out although its answer was lost. */
  readonly isRepeated: boolean;
}

/** Takes the body of an answer; called once for each attempt that is answered. */
export type Consume<Result> = (answer: Response, timer: ProgressTimer) => Promise<Result>;

export class S3Client {
  readonly #options: S3Options;
  readonly #slots: Slots;
  /** Derived signing keys; the package fills it. */
  readonly #signingKeys = new Map<string, ArrayBuffer>();
  #region: string;
  #skewMs = 0;
  #isClosed = false;

  constructor(options: S3Options) {
    this.#options = options;
    this.#region = options.region ?? REGION_DEFAULT;
    this.#slots = new Slots(options.requestsMax);
  }

  close(): void {
    this.#isClosed = true;
  }

  /** Unix time in ms by the clock of the store, as far as it is known. */
  unixMs(): number {
    return this.#options.time.unixMs() + this.#skewMs;
  }

  /** Sends the request and reads the whole answer as text. */
  text(request: S3Request, options: StoreCallOptions = {}): Promise<S3Answer<string>> {
    return this.send(request, readText, options);
  }

  /** Throws what the errors of ObjectStore say. */
  async send<Result>(
    request: S3Request,
    consume: Consume<Result>,
    options: StoreCallOptions = {},
  ): Promise<S3Answer<Result>> {
    const release = await this.#slots.acquire(options.signal);
    try {
      return await this.#repeat(request, consume, options);
    } finally {
      release();
    }
  }

  async #repeat<Result>(
    request: S3Request,
    consume: Consume<Result>,
    options: StoreCallOptions,
  ): Promise<S3Answer<Result>> {
    const body = request.body === undefined ? EMPTY_SHA256 : await hashOf(request.body);
    const corrected = new Set<string>();
    let isRepeated = false;
    for (let attempt = 1; ; attempt++) {
      if (options.signal?.aborted === true || this.#isClosed) throw cancelled();
      const credentials = await this.#options.credentials.current();
      const facts = this.#facts(request, credentials);
      const isLast = attempt >= ATTEMPTS_MAX;
      let got: Omit<S3Answer<Result>, 'isRepeated'> | S3Fault;
      try {
        got = await this.#attempt(request, body, credentials, consume, options);
      } catch (thrown) {
        const isOurs = thrown instanceof SteleError;
        if (isOurs && (isLast || !thrown.retryable)) throw thrown;
        if (isLast || isFinalFailure(thrown)) throw failureError(thrown, facts);
        isRepeated = true;
        await this.#pause(attempt, 0, options.signal);
        continue;
      }
      if ('result' in got) return { ...got, isRepeated };
      if (this.#correct(got, credentials, corrected)) continue;
      if (!isPassing(got) || isLast) throw faultError(got, facts);
      isRepeated ||= got.status >= 500;
      await this.#pause(attempt, retryAfterMs(got.retryAfter), options.signal);
    }
  }

  async #attempt<Result>(
    request: S3Request,
    bodyHash: string,
    credentials: S3Credentials,
    consume: Consume<Result>,
    { pace, signal }: StoreCallOptions,
  ): Promise<Omit<S3Answer<Result>, 'isRepeated'> | S3Fault> {
    const { body, headers, method } = request;
    const signer = new AwsV4Signer({
      method,
      url: this.#urlOf(request),
      headers: {
        ...(typeof headers === 'function' ? headers() : headers),
        'x-amz-content-sha256': bodyHash,
      },
      service: 's3',
      region: this.#region,
      accessKeyId: credentials.accessKeyId,
      secretAccessKey: credentials.secretAccessKey,
      ...(credentials.sessionToken !== undefined && { sessionToken: credentials.sessionToken }),
      datetime: new Date(this.unixMs()).toISOString().replace(/[:-]|[.]\d{3}/g, ''),
      cache: this.#signingKeys,
    });
    const signed = await signer.sign();
    const byteCount = (body?.length ?? 0) + (request.answerBytes ?? 0);
    const timer = new ProgressTimer(this.#options.time, this.#options.idleMs, byteCount, signal);
    try {
      if (body !== undefined) signed.headers.set('content-length', String(body.length));
      const answer = await fetch(signed.url, {
        method,
        headers: signed.headers,
        redirect: 'manual',
        signal: timer.signal,
        ...(body && body.length > 0 && { body: slicesOf(body, timer, pace), duplex: 'half' }),
      });
      timer.progressed(0);
      const isAccepted = answer.ok || request.accepts?.includes(answer.status) === true;
      if (!isAccepted) {
        return faultOf(answer.status, answer.headers, await readText(answer, timer));
      }
      const result = await consume(answer, timer);
      return { status: answer.status, headers: answer.headers, result };
    } catch (thrown) {
      throw timer.signal.aborted ? timer.signal.reason : thrown;
    } finally {
      timer.end();
    }
  }

  /** Whether what was wrong is now corrected; each correction is made once for a request. */
  #correct(fault: S3Fault, credentials: S3Credentials, corrected: Set<string>): boolean {
    const once = (what: string): boolean => !corrected.has(what) && corrected.add(what).has(what);
    if (fault.code === 'RequestTimeTooSkewed') {
      const storeMs = Date.parse(fault.date ?? '');
      if (Number.isNaN(storeMs) || !once('clock')) return false;
      this.#skewMs = storeMs - this.#options.time.unixMs();
      return true;
    }
    if (isOfCredentials(fault)) {
      if (!once('credentials')) return false;
      this.#options.credentials.renew(credentials);
      return true;
    }
    const isElsewhere = [301, 307, 400].includes(fault.status) && fault.region !== undefined;
    if (!isElsewhere || fault.region === this.#region || !once('region')) return false;
    this.#region = fault.region;
    return true;
  }

  async #pause(attempt: number, leastMs: number, signal: AbortSignal | undefined): Promise<void> {
    const { backoffMs, random, time } = this.#options;
    const mostMs = Math.min(BACKOFF_MS_MAX, backoffMs * 2 ** (attempt - 1));
    await sleep(leastMs + random() * mostMs, signal, time);
  }

  #urlOf({ name = '', query = {} }: S3Request): string {
    const { bucket, endpoint, prefix } = this.#options;
    const key = [prefix, name].filter((part) => part !== '').join('/');
    const path = name === '' ? '' : encodeKey(key);
    const base = endpoint ?? this.#endpointOfRegion();
    const isOfBucket = new URL(base).hostname.startsWith(`${bucket}.`);
    const words = Object.entries(query).map(([word, value]) => `${word}=${encodePart(value)}`);
    const search = words.length === 0 ? '' : `?${words.join('&')}`;
    return `${base.replace(/\/+$/, '')}/${isOfBucket ? '' : `${bucket}${path && '/'}`}${path}${search}`;
  }

  /** A bucket with dots is not in the certificate, so it goes into the path. */
  #endpointOfRegion(): string {
    const { bucket } = this.#options;
    const domain = this.#region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com';
    const host = `s3.${this.#region}.${domain}`;
    return bucket.includes('.') ? `https://${host}` : `https://${bucket}.${host}`;
  }

  #facts({ name = '', right }: S3Request, { from }: S3Credentials): RequestFacts {
    const { bucket, endpoint, url } = this.#options;
    return {
      url,
      bucket,
      right,
      name,
      region: this.#region,
      endpoint: endpoint ?? this.#endpointOfRegion(),
      credentialsFrom: from,
    };
  }
}

/** The SHA-256 in hex; lets other work of the event loop pass meanwhile. */
async function hashOf(body: Uint8Array): Promise<string> {
  const hash = createHash('sha256');
  const turns = new Turns();
  for (let start = 0; start < body.length; start += 1024 * 1024) {
    const piece = body.subarray(start, start + 1024 * 1024);
    hash.update(piece);
    await turns.after(piece.length);
  }
  return hash.digest('hex');
}

function slicesOf(
  body: Uint8Array,
  timer: ProgressTimer,
  pace: StoreCallOptions['pace'],
): ReadableStream<Uint8Array> {
  let start = 0;
  return new ReadableStream(
    {
      async pull(controller) {
        const slice = body.subarray(start, start + SLICE_BYTES);
        const pauseMs = pace?.(slice.length) ?? 0;
        timer.progressed(pauseMs);
        if (pauseMs > 0) await sleep(pauseMs, timer.signal);
        controller.enqueue(slice);
        start += slice.length;
        if (start >= body.length) controller.close();
      },
    },
    { highWaterMark: 0 },
  );
}

/** Reads a whole answer, of a bounded size. fetch rejects if it ends early. */
async function readText(answer: Response, timer: ProgressTimer): Promise<string> {
  const pieces: Uint8Array[] = [];
  let byteCount = 0;
  for await (const piece of bodyOf(answer)) {
    timer.progressed(0);
    byteCount += piece.length;
    if (byteCount > ANSWER_BYTES_MAX)
      throw new SteleError('IO', 'The answer of the store has no end.');
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}

/** The pieces of the body as they come. */
export async function* bodyOf(answer: Response): AsyncGenerator<Uint8Array> {
  if (answer.body === null) return;
  for await (const piece of answer.body) yield piece as Uint8Array;
}

function retryAfterMs(text: string | undefined): number {
  const seconds = Number(text ?? 0);
  const waitMs = Number.isNaN(seconds) ? Date.parse(text ?? '') - Date.now() : seconds * 1000;
  return Math.min(RETRY_AFTER_MS_MAX, Math.max(0, waitMs || 0));
}
