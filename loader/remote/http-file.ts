// A file at an http:// or https:// URL.
//
//     opened     GET, Range: bytes=0-0     206: size, ETag, Last-Modified     200: no ranges, a stream
//     read       GET, Range, If-Match      206 of the same size and ETag      412, others: INPUT_CHANGED
//
// A broken answer goes on from where it broke; a server that is down is asked again for about a
// minute.

import { sleep, systemTime } from '../../base/clock.ts';
import { SteleError, toSteleError } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';
import { ProgressTimer } from '../../base/progress-timer.ts';
import { remoteChanged, shownUrl } from './remote-file.ts';
import type { RemoteFile } from './remote-file.ts';

/** How often a request without any progress is made, and the pauses between. */
const ATTEMPTS_MAX = 9;
const BACKOFF_MS = 200;
const BACKOFF_MS_MAX = 15_000;
const IDLE_MS_MAX = 30_000;

/** What tests set otherwise. */
export interface HttpTuning {
  readonly backoffMs?: number;
  readonly idleMs?: number;
}

/** Opens the file. Throws INPUT_NOT_FOUND, PERMISSION_DENIED, UNAVAILABLE, INVALID_ARGUMENT. */
export async function openHttpFile(text: string, tuning: HttpTuning = {}): Promise<RemoteFile> {
  if (!URL.canParse(text)) {
    throw new SteleError('INVALID_ARGUMENT', `'${shorten(shownUrl(text), 200)}' is not a URL.`);
  }
  return await HttpFile.open(new URL(text), tuning);
}

/** What an answer says about the file. */
interface Facts {
  readonly sizeBytes: number;
  readonly tag: string;
  readonly modified: string;
}

class HttpFile implements RemoteFile {
  readonly url: string;
  readonly sizeBytes: number;
  readonly identity: string;
  readonly modifiedMs: number;
  readonly #request: HttpRequest;
  readonly #facts: Facts;

  private constructor(request: HttpRequest, facts: Facts, hasRanges: boolean) {
    this.#request = request;
    this.#facts = facts;
    this.url = request.shown;
    this.sizeBytes = facts.sizeBytes;
    this.identity = hasRanges ? facts.tag || facts.modified : '';
    this.modifiedMs = Date.parse(facts.modified) || 0;
  }

  static async open(url: URL, tuning: HttpTuning): Promise<HttpFile> {
    const request = new HttpRequest(url, tuning);
    return await request.repeat(new AbortController().signal, async (signal) => {
      const answer = await request.get(signal, { range: 'bytes=0-0' });
      await answer.body?.cancel();
      if (answer.status === 416) return new HttpFile(request, factsOf(answer), false);
      return new HttpFile(request, factsOf(answer), answer.status === 206);
    });
  }

  async read(into: Uint8Array, start: number, outer: AbortSignal): Promise<void> {
    let filled = 0;
    while (filled < into.length) {
      await this.#request.repeat(outer, async (signal, progressed) => {
        const range = `bytes=${start + filled}-${start + into.length - 1}`;
        const { tag } = this.#facts;
        const headers = { range, ...(tag.startsWith('"') ? { 'if-match': tag } : {}) };
        const answer = await this.#request.get(signal, headers);
        if (answer.status !== 206 || !isSame(factsOf(answer), this.#facts)) {
          await answer.body?.cancel();
          throw remoteChanged(this.url);
        }
        for await (const piece of answer.body ?? []) {
          const part = (piece as Uint8Array).subarray(0, into.length - filled);
          into.set(part, filled);
          filled += part.length;
          progressed();
        }
        if (filled < into.length) throw new Error('the answer was cut short');
      });
    }
  }

  async *stream(signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    // The body is read after the request has ended, and `signal` must end that as well.
    const answer = await this.#request.repeat(signal, (inner) =>
      this.#request.get(AbortSignal.any([signal, inner]), {}),
    );
    try {
      for await (const piece of answer.body ?? []) {
        signal.throwIfAborted();
        yield piece as Uint8Array;
      }
    } catch (thrown) {
      if (signal.aborted) throw thrown;
      const text = `'${shorten(this.url, 200)}' broke off (${causeOf(thrown)}), and its server cannot go on from there; load it again, or copy it first.`;
      throw new SteleError('UNAVAILABLE', text, { cause: thrown });
    }
  }

  close(): void {
    // The connections of fetch end by themselves.
  }

  async check(): Promise<void> {
    // A stream is read once.
    if (this.identity === '') return;
    await this.#request.repeat(new AbortController().signal, async (signal) => {
      const answer = await this.#request.get(signal, { range: 'bytes=0-0' });
      await answer.body?.cancel();
      if (!isSame(factsOf(answer), this.#facts)) throw remoteChanged(this.url);
    });
  }
}

function factsOf({ headers, status }: Response): Facts {
  const total = /\/(\d+)$/.exec(headers.get('content-range') ?? '')?.[1];
  const length = status === 200 ? headers.get('content-length') : null;
  return {
    sizeBytes: Number(total ?? length ?? 0),
    tag: headers.get('etag') ?? '',
    modified: headers.get('last-modified') ?? '',
  };
}

function isSame(one: Facts, other: Facts): boolean {
  return (
    one.sizeBytes === other.sizeBytes && one.tag === other.tag && one.modified === other.modified
  );
}

/** Requests for one URL. */
class HttpRequest {
  /** For people. */
  readonly shown: string;
  readonly #url: string;
  readonly #authorization: string | undefined;
  readonly #backoffMs: number;
  readonly #idleMs: number;

  constructor(url: URL, { backoffMs = BACKOFF_MS, idleMs = IDLE_MS_MAX }: HttpTuning) {
    const { password, username } = url;
    this.shown = shownUrl(url.href);
    const bare = new URL(url);
    bare.username = '';
    bare.password = '';
    this.#url = bare.href;
    const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    const basic = `Basic ${Buffer.from(pair).toString('base64')}`;
    this.#authorization = username === '' && password === '' ? undefined : basic;
    this.#backoffMs = backoffMs;
    this.#idleMs = idleMs;
  }

  /** An answer of status 200, 206, 412 or 416; others are errors. */
  async get(signal: AbortSignal, more: Record<string, string>): Promise<Response> {
    const headers: Record<string, string> = { 'accept-encoding': 'identity', ...more };
    if (this.#authorization !== undefined) headers['authorization'] = this.#authorization;
    const answer = await fetch(this.#url, { headers, signal });
    if ([200, 206, 412, 416].includes(answer.status)) return answer;
    await answer.body?.cancel();
    throw this.#refusal(answer.status);
  }

  #refusal(status: number): Error {
    const where = `'${shorten(this.shown, 200)}'`;
    if (status === 404 || status === 410) {
      return new SteleError('INPUT_NOT_FOUND', `There is no file ${where} (status ${status}).`);
    }
    if (status === 401 || status === 403) {
      const text = `${where} may not be read (status ${status}); give user and password in the URL, or a signed URL that has not expired.`;
      return new SteleError('PERMISSION_DENIED', text);
    }
    if (status >= 500 || status === 408 || status === 429) return new Error(`status ${status}`);
    return new SteleError(
      'IO',
      `${where} cannot be read: its server answers with status ${status}.`,
      {
        retryable: false,
      },
    );
  }

  /** Calls `run` until it succeeds, at most ATTEMPTS_MAX times without progress. */
  async repeat<Result>(
    outer: AbortSignal,
    run: (signal: AbortSignal, progressed: () => void) => Promise<Result>,
  ): Promise<Result> {
    for (let attempt = 1; ; attempt++) {
      const timer = new ProgressTimer(systemTime, this.#idleMs, undefined, outer);
      const { signal } = timer;
      const progressed = (): void => {
        attempt = 1;
        timer.progressed(0);
      };
      try {
        return await run(signal, progressed);
      } catch (thrown) {
        if (outer.aborted) throw toSteleError(thrown, 'CANCELLED');
        const isLate = signal.aborted;
        if (thrown instanceof SteleError && !isLate) throw thrown;
        if (attempt >= ATTEMPTS_MAX) throw this.#gone(isLate ? signal.reason : thrown);
      } finally {
        timer.end();
      }
      const most = Math.min(BACKOFF_MS_MAX, this.#backoffMs * 2 ** attempt);
      await sleep(most * (0.5 + Math.random() / 2), outer);
      if (outer.aborted) throw new SteleError('CANCELLED', 'Stopped while reading the input.');
    }
  }

  #gone(thrown: unknown): SteleError {
    return new SteleError(
      'UNAVAILABLE',
      `'${shorten(this.shown, 200)}' cannot be read (${causeOf(thrown)}, ${ATTEMPTS_MAX} times); check the server and its address. The same command goes on from where this one was.`,
      { cause: thrown },
    );
  }
}

/** fetch hides the reason in a chain of causes. */
function causeOf(thrown: unknown): string {
  let innermost = thrown;
  while (innermost instanceof Error && innermost.cause !== undefined) innermost = innermost.cause;
  if (!(innermost instanceof Error)) return String(innermost);
  return 'code' in innermost ? String(innermost.code) : innermost.message;
}
