// What a client of S3 is made of.

import type { Time } from '../../base/clock.ts';
import type { CredentialSource } from './credentials/credentials.ts';

export interface S3Options {
  readonly bucket: string;
  /** Prepended to each name, with a slash; empty: nothing. */
  readonly prefix: string;
  /** For messages. */
  readonly url: string;
  /** Default: that of AWS in the region. One whose host begins with `bucket.` is used as it is. */
  readonly endpoint?: string | undefined;
  /** Default: AWS_REGION, the profile's, or that which the store names. */
  readonly region?: string | undefined;
  readonly credentials: CredentialSource;
  readonly time: Time;
  /** 0 <= x < 1. */
  readonly random: () => number;
  /** Objects above this are sent in parts of this size. */
  readonly partBytes: number;
  /** Requests at the same time. */
  readonly requestsMax: number;
  /** The first pause before a retry; it doubles, with full jitter. */
  readonly backoffMs: number;
  /** A request that makes no progress for this long is repeated. */
  readonly idleMs: number;
  /** Names in one page of a listing. */
  readonly pageSize: number;
}
