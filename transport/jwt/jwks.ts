// The public keys of the issuer of JWTs (RFC 7517), from a file or an https URL.
//
//   file   read again when it has changed (base/disk/reloaded-file.ts)
//   URL    fetched at the start, then every ten minutes while it is used, and for a key that is not there, but
//          at most twice a minute; the keys before stay for a day while that fails

import { ReloadedFile } from '../../base/disk/reloaded-file.ts';
import { monotonicNowMs } from '../../base/clock.ts';
import type { Clock } from '../../base/clock.ts';
import { SteleError, toSteleError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';

const FETCH_MS_MAX = 5_000;
const BYTES_MAX = 1024 * 1024;
const FRESH_MS = 600_000;
const KEPT_MS_MAX = 86_400_000;
const RETRY_MS = 30_000;
/** While there are none. */
const FIRST_RETRY_MS = 2_000;
const LOOPBACK = /^(?:localhost|127[.]\d+[.]\d+[.]\d+|\[::1\])$/;

/** A set of keys; another object when it has changed. */
export interface Jwks {
  readonly keys: readonly object[];
}

export interface KeySource {
  /** Throws UNAVAILABLE while there are no keys. */
  current(): Promise<Jwks>;
  /**
   * The keys after another look for one that is unknown; the same object if there is no newer one
   * yet.
   */
  renewed(): Promise<Jwks>;
}

/**
 * The keys at `from`. Throws INVALID_ARGUMENT for a file without keys, and for a URL that is not
 * https.
 */
export function openKeys(from: string, log: Logger): KeySource {
  if (/^[a-z]+:\/\//i.test(from)) return new UrlKeys({ url: urlOf(from), log });
  const file = new ReloadedFile({ path: from, what: '--jwt-jwks', parse: parseJwks, log });
  const current = async (): Promise<Jwks> => file.content;
  return { current, renewed: current };
}

interface UrlKeysOptions {
  readonly url: URL;
  readonly log: Logger;
  readonly nowMs?: Clock;
}

/** Fetches the first keys at once. */
export class UrlKeys implements KeySource {
  readonly #url: URL;
  readonly #log: Logger;
  readonly #nowMs: Clock;
  #text = '';
  #keys: Jwks | undefined;
  #fetchedMs = -Infinity;
  #triedMs = -Infinity;
  #fetching: Promise<void> | undefined;

  constructor({ log, nowMs = monotonicNowMs, url }: UrlKeysOptions) {
    this.#url = url;
    this.#log = log;
    this.#nowMs = nowMs;
    void this.#fetch();
  }

  async current(): Promise<Jwks> {
    const ageMs = this.#nowMs() - this.#fetchedMs;
    const fetching = ageMs < FRESH_MS ? undefined : this.#fetch();
    if (ageMs >= KEPT_MS_MAX) await fetching;
    return this.#known();
  }

  async renewed(): Promise<Jwks> {
    await this.#fetch();
    return this.#known();
  }

  #known(): Jwks {
    const isKept = this.#nowMs() - this.#fetchedMs < KEPT_MS_MAX;
    if (this.#keys !== undefined && isKept) return this.#keys;
    throw new SteleError(
      'UNAVAILABLE',
      'No JWT can be verified now, because the keys of their issuer cannot be fetched (--jwt-jwks); try again.',
    );
  }

  /** Never rejects. Does nothing soon after another attempt. */
  #fetch(): Promise<void> {
    if (this.#fetching !== undefined) return this.#fetching;
    const nowMs = this.#nowMs();
    const retryMs = this.#keys === undefined ? FIRST_RETRY_MS : RETRY_MS;
    if (nowMs - this.#triedMs < retryMs) return Promise.resolve();
    this.#triedMs = nowMs;
    this.#fetching = this.#fetchNow().finally(() => (this.#fetching = undefined));
    return this.#fetching;
  }

  async #fetchNow(): Promise<void> {
    try {
      const text = await textAt(this.#url);
      if (text !== this.#text) this.#keys = parseJwks(text);
      this.#text = text;
      this.#fetchedMs = this.#nowMs();
    } catch (thrown) {
      // What fetch throws says why in its cause.
      const { message } = toSteleError(thrown instanceof TypeError ? thrown.cause : thrown);
      this.#log.warn(`the keys of the issuer of JWTs cannot be fetched: ${message}`);
    }
  }
}

/** The body, within the limits of time and size; redirects are not followed. */
async function textAt(url: URL): Promise<string> {
  const response = await fetch(url, {
    headers: { accept: 'application/jwk-set+json, application/json' },
    redirect: 'error',
    signal: AbortSignal.timeout(FETCH_MS_MAX),
  });
  if (response.status !== 200) throw new Error(`the answer has status ${response.status}`);
  const pieces: Uint8Array[] = [];
  let byteCount = 0;
  for await (const piece of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    byteCount += piece.length;
    if (byteCount > BYTES_MAX) throw new Error(`the answer has more than ${BYTES_MAX} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}

function parseJwks(text: string): Jwks {
  const parsed = parsedOr(text);
  const { keys } = (typeof parsed === 'object' && parsed !== null ? parsed : {}) as {
    keys?: unknown;
  };
  const isSet = (value: unknown): value is object[] =>
    Array.isArray(value) && value.every((key) => typeof key === 'object' && key !== null);
  if (isSet(keys) && keys.length > 0) return { keys };
  throw new SteleError(
    'INVALID_ARGUMENT',
    '--jwt-jwks names no set of keys: it is JSON with a list `keys` of public keys (RFC 7517).',
  );
}

function parsedOr(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function urlOf(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isPlain = url?.protocol === 'http:' && LOOPBACK.test(url.hostname);
  if (url !== undefined && (url.protocol === 'https:' || isPlain)) return url;
  throw new SteleError(
    'INVALID_ARGUMENT',
    'The URL of --jwt-jwks must begin with https:// (http:// only on this machine), or be the path of a file.',
  );
}
