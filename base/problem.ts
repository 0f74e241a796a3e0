// Errors as documents over HTTP: application/problem+json (RFC 9457) with Stele's code and the request's id.

import { ERROR_TABLE, SteleError, toSteleError } from './errors.ts';
import type { ErrorCode } from './errors.ts';

export const PROBLEM_TYPE = 'application/problem+json';

export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ErrorCode;
  readonly requestId: string;
}

/** The document that tells of `error`. `status` overrides that of ERROR_TABLE. */
export function problemOf(
  error: SteleError,
  requestId: string,
  status: number = ERROR_TABLE[error.code].http,
): Problem {
  return {
    type: `urn:stele:error:${error.code}`,
    title: titleOf(error.code),
    status,
    detail: error.message,
    code: error.code,
    requestId,
  };
}

/** `KEYSPACE_NOT_FOUND` -> `Keyspace not found`. */
function titleOf(code: ErrorCode): string {
  const words = code.toLowerCase().replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/**
 * Why a request without a Host header is refused (RFC 9112, 3.2); undefined for one that has it, or needs none. Node.js
 * would answer it without a word, so servers are told not to look (`requireHostHeader`).
 */
export function missingHost({ headers, httpVersion }: RequestForm): SteleError | undefined {
  if (headers.host !== undefined || httpVersion !== '1.1') return undefined;
  return new SteleError(
    'INVALID_ARGUMENT',
    'The request has no Host header, which HTTP/1.1 needs.',
  );
}

/** Of /readyz, on every process. */
export function unknownScope(): SteleError {
  return new SteleError('INVALID_ARGUMENT', "The scope of /readyz is 'cluster', or left out.");
}

interface RequestForm {
  readonly headers: { readonly host?: string | undefined };
  readonly httpVersion: string;
}

/** A failure of fastify's own, or of a handler, as one of ours. */
export function steleErrorOfRequest(thrown: unknown): SteleError {
  if (thrown instanceof SteleError || !(thrown instanceof Error)) return toSteleError(thrown);
  const status = 'statusCode' in thrown ? thrown.statusCode : undefined;
  if (status === 413) {
    return new SteleError('BATCH_TOO_LARGE', 'The request body is too large; send fewer keys.');
  }
  if (status === 415) {
    return new SteleError(
      'INVALID_ARGUMENT',
      'Send the body as JSON, with the header content-type: application/json.',
    );
  }
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return new SteleError('INVALID_ARGUMENT', thrown.message, { cause: thrown });
  }
  return toSteleError(thrown);
}
