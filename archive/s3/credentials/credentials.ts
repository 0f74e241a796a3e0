// Credentials that expire, and the one place that renews them: before they do, once for all
// callers.

import type { Time } from '../../../base/clock.ts';
import { SteleError, toSteleError } from '../../../base/errors.ts';

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
  /** Unix time in ms; absent: never. */
  readonly expiresMs?: number | undefined;
  /** Where they come from, for messages: `the environment`. */
  readonly from: string;
}

export interface CredentialSource {
  /** Throws PERMISSION_DENIED if there are none. */
  current(): Promise<S3Credentials>;
  /**
   * To be called when the store refuses them; the next call of `current` gets others, if there are
   * others.
   */
  renew(refused: S3Credentials): void;
}

const RENEWED_BEFORE_MS = 300_000;
/** After a renewal that failed, while the credentials before are still good. */
const RETRY_MS = 30_000;

export class RenewedCredentials implements CredentialSource {
  readonly #fetch: () => Promise<S3Credentials>;
  readonly #time: Time;
  #known: S3Credentials | undefined;
  #fetching: Promise<S3Credentials> | undefined;
  #failedAtMs = -Infinity;

  constructor(fetch: () => Promise<S3Credentials>, time: Time) {
    this.#fetch = fetch;
    this.#time = time;
  }

  async current(): Promise<S3Credentials> {
    const known = this.#known;
    const leftMs = known === undefined ? 0 : (known.expiresMs ?? Infinity) - this.#time.unixMs();
    if (known !== undefined && leftMs > RENEWED_BEFORE_MS) return known;
    const hasFailed = this.#time.nowMs() - this.#failedAtMs < RETRY_MS;
    if (known !== undefined && leftMs > 0 && hasFailed) return known;
    try {
      return await this.#fetchOnce();
    } catch (thrown) {
      this.#failedAtMs = this.#time.nowMs();
      if (known !== undefined && leftMs > 0) return known;
      throw toSteleError(thrown, 'PERMISSION_DENIED');
    }
  }

  renew(refused: S3Credentials): void {
    if (this.#known === refused) this.#known = undefined;
  }

  #fetchOnce(): Promise<S3Credentials> {
    this.#fetching ??= this.#fetch()
      .then((fetched) => (this.#known = fetched))
      .finally(() => (this.#fetching = undefined));
    return this.#fetching;
  }
}

/** The credentials in the answer of a metadata service. Throws PERMISSION_DENIED. */
export function credentialsIn(answer: string, from: string): S3Credentials {
  let parsed: unknown;
  try {
    parsed = JSON.parse(answer);
  } catch {
    parsed = undefined;
  }
  const fields = (typeof parsed === 'object' && parsed !== null ? parsed : {}) as Record<
    string,
    unknown
  >;
  const textOf = (name: string): string => {
    const value = fields[name];
    return typeof value === 'string' ? value : '';
  };
  const [accessKeyId, secretAccessKey] = [textOf('AccessKeyId'), textOf('SecretAccessKey')];
  if (accessKeyId === '' || secretAccessKey === '') {
    throw new SteleError('PERMISSION_DENIED', `No S3 credentials come from ${from}.`);
  }
  const expiresMs = Date.parse(textOf('Expiration'));
  return {
    accessKeyId,
    secretAccessKey,
    sessionToken: textOf('Token') || textOf('SessionToken') || undefined,
    expiresMs: Number.isNaN(expiresMs) ? undefined : expiresMs,
    from,
  };
}
