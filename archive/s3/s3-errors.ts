// What goes wrong with S3, as sentences that say what to do.

import { SteleError, systemErrorCode, toSteleError } from '../../base/errors.ts';
import type { ErrorCode } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';
import { textIn } from './xml.ts';

/** An answer that is an error. */
export interface S3Fault {
  readonly status: number;
  /** `NoSuchBucket` ...; empty if the body has none. */
  readonly code: string;
  readonly message: string;
  /** The region that the bucket is in, if the store says so. */
  readonly region: string | undefined;
  readonly retryAfter: string | undefined;
  readonly date: string | undefined;
}

export function faultOf(status: number, headers: Headers, body: string): S3Fault {
  return {
    status,
    code: textIn(body, 'Code') ?? '',
    message: textIn(body, 'Message') ?? '',
    region: textIn(body, 'Region') ?? headers.get('x-amz-bucket-region') ?? undefined,
    retryAfter: headers.get('retry-after') ?? undefined,
    date: headers.get('date') ?? undefined,
  };
}

/** What is told of a request in an error. */
export interface RequestFacts {
  /** The URL of the store. */
  readonly url: string;
  readonly bucket: string;
  /** `s3:PutObject` ... */
  readonly right: string;
  /** The object, if it is about one. */
  readonly name: string;
  readonly region: string;
  readonly endpoint: string;
  readonly credentialsFrom: string;
}

const EXPIRED: ReadonlySet<string> = new Set([
  'ExpiredToken',
  'ExpiredTokenException',
  'TokenRefreshRequired',
]);
const UNKNOWN_KEY: ReadonlySet<string> = new Set([
  'InvalidAccessKeyId',
  'InvalidToken',
  'InvalidClientTokenId',
]);
const PASSING: ReadonlySet<string> = new Set([
  'SlowDown',
  'InternalError',
  'ServiceUnavailable',
  'RequestTimeout',
  'OperationAborted',
  'ConditionalRequestConflict',
  'Throttling',
  'ThrottlingException',
  'TooManyRequests',
  'BadDigest',
  'XAmzContentSHA256Mismatch',
  'IncompleteBody',
]);
const PASSING_STATUSES: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504]);

/** Whether the same request may succeed a little later. */
export function isPassing({ code, status }: S3Fault): boolean {
  return PASSING_STATUSES.has(status) || PASSING.has(code);
}

/** Whether other credentials may help. */
export function isOfCredentials({ code }: S3Fault): boolean {
  return EXPIRED.has(code) || UNKNOWN_KEY.has(code);
}

/** The error for people. */
export function faultError(fault: S3Fault, facts: RequestFacts): SteleError {
  const [code, text] = explain(fault, facts);
  const said = fault.code === '' ? `${fault.status}` : `${fault.status} ${fault.code}`;
  return new SteleError(code, `${facts.url}: ${text} (${said}).`);
}

function explain(fault: S3Fault, facts: RequestFacts): readonly [ErrorCode, string] {
  const { bucket, credentialsFrom, endpoint, name, region, right } = facts;
  const { code, message, status } = fault;
  if (code === 'NoSuchBucket') {
    return [
      'NOT_FOUND',
      `there is no bucket '${bucket}' at ${endpoint}; create it, or correct the URL or --s3-endpoint`,
    ];
  }
  if (code === 'NoSuchKey') return ['NOT_FOUND', `there is no object '${name}'`];
  if (EXPIRED.has(code)) {
    return [
      'PERMISSION_DENIED',
      `the credentials from ${credentialsFrom} have expired; renew them and run it again`,
    ];
  }
  if (UNKNOWN_KEY.has(code)) {
    return [
      'PERMISSION_DENIED',
      `the store does not know the access key from ${credentialsFrom}; check it, and that it belongs to ${endpoint}`,
    ];
  }
  if (code === 'SignatureDoesNotMatch') {
    return [
      'PERMISSION_DENIED',
      `the secret key from ${credentialsFrom} does not fit its access key; correct it`,
    ];
  }
  if (code === 'RequestTimeTooSkewed') {
    return ['PERMISSION_DENIED', 'the clock of this machine is wrong; set it'];
  }
  if (fault.region !== undefined && fault.region !== region && (status === 301 || status === 400)) {
    return [
      'INVALID_ARGUMENT',
      `the bucket is in region ${fault.region}, not in ${region}; use --s3-region ${fault.region}`,
    ];
  }
  if (status === 301 || status === 307) {
    return [
      'INVALID_ARGUMENT',
      `the bucket is not at ${endpoint}; set --s3-region or --s3-endpoint`,
    ];
  }
  if (status === 401 || status === 403) {
    return [
      'PERMISSION_DENIED',
      `the credentials from ${credentialsFrom} may not do this; grant them ${right} on ${name === '' ? 'the bucket' : 'its objects'} (docs/backup.md lists all that is needed)`,
    ];
  }
  if (isPassing(fault)) {
    return [
      'UNAVAILABLE',
      `the store still refused after several attempts; run it again later${withWords(message)}`,
    ];
  }
  if (status === 404)
    return [
      'NOT_FOUND',
      `there is nothing at ${endpoint} that answers like S3; check --s3-endpoint`,
    ];
  if (status === 501)
    return ['UNSUPPORTED', `the store does not know this request${withWords(message)}`];
  return ['IO', `the store refused${withWords(message)}`];
}

function withWords(message: string): string {
  return message === '' ? '' : `: ${shorten(message.replace(/[.]$/, ''), 200)}`;
}

const UNTRUSTED =
  /^(?:DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|CERT_|ERR_TLS_)/;

/** Whether a retry cannot help: a name that does not exist, a certificate that is not trusted. */
export function isFinalFailure(thrown: unknown): boolean {
  const code = failureCode(thrown);
  return code === 'ENOTFOUND' || UNTRUSTED.test(code);
}

/** The error of a request without an answer. */
export function failureError(thrown: unknown, { endpoint, url }: RequestFacts): SteleError {
  if (thrown instanceof SteleError) return thrown;
  const code = failureCode(thrown);
  const text = (why: string): string => `${url}: ${endpoint} cannot be reached: ${why}.`;
  const options = { cause: thrown };
  if (code === 'ENOTFOUND') {
    return new SteleError(
      'UNAVAILABLE',
      text('no such host; check --s3-endpoint and --s3-region'),
      options,
    );
  }
  if (UNTRUSTED.test(code)) {
    const why = `its certificate is not trusted (${code}); NODE_EXTRA_CA_CERTS names a file with its CA`;
    return new SteleError('UNAVAILABLE', text(why), options);
  }
  const why = code === '' ? toSteleError(thrown).message.replace(/[.]$/, '') : code;
  return new SteleError(
    'UNAVAILABLE',
    text(`${why}; check that it runs, and --s3-endpoint`),
    options,
  );
}

/** fetch hides the system's error in `cause`, perhaps in a list. */
function failureCode(thrown: unknown): string {
  for (let at = thrown, depth = 0; at instanceof Error && depth < 4; depth++) {
    const code = systemErrorCode(at);
    if (code !== undefined) return code;
    at = at instanceof AggregateError ? at.errors[0] : at.cause;
  }
  return '';
}
