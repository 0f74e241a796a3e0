// Errors as documents over HTTP: application/problem+json (RFC 9457) with Stele's code and the request's id.

import { ERROR_TABLE } from './errors.ts';
import type { ErrorCode, SteleError } from './errors.ts';

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
