// Errors as HTTP documents: application/problem+json (RFC 9457) with Stele's code and the request
// id.

import { ERROR_TABLE, SteleError, toSteleError } from './errors.ts';
import type { ErrorCode } from './errors.ts';

export const PROBLEM_TYPE = 'application/problem+json';
/** The header www-authenticate of a response with status 401. */
export const CHALLENGES = 'Basic realm="stele", charset="UTF-8", Bearer realm="stele"';
/**
 * The same for the console, which has a form of its own: a browser would open another one for
 * Basic.
 */
export const CONSOLE_CHALLENGE = 'Console realm="stele"';

export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ErrorCode;
  readonly requestId: string;
}

/** The document for `error`. `status` overrides the status in ERROR_TABLE. */
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
 * The error for a request without the Host header that HTTP/1.1 requires (RFC 9112, 3.2); undefined
 * if the request is valid. Node.js would answer without a body, so servers disable its own check
 * (`requireHostHeader`).
 */
export function missingHost({ headers, httpVersion }: RequestForm): SteleError | undefined {
  if (headers.host !== undefined || httpVersion !== '1.1') return undefined;
  return new SteleError(
    'INVALID_ARGUMENT',
    'The request has no Host header, which HTTP/1.1 needs.',
  );
}

/** The error for an unknown scope of /readyz, on every process. */
export function unknownScope(): SteleError {
  return new SteleError('INVALID_ARGUMENT', "The scope of /readyz is 'cluster', or left out.");
}

interface RequestForm {
  readonly headers: { readonly host?: string | undefined };
  readonly httpVersion: string;
}

/** Converts an error of fastify or of a handler to a SteleError. */
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
