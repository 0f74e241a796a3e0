// The header `authorization` of a token (RFC 6750): one of Stele's, or a JWT.

import { SteleError } from '../base/errors.ts';

const BEARER = /^Bearer +(?<token>[!-~]+) *$/i;

/** Throws INVALID_ARGUMENT for text that cannot be a token; the message does not repeat it. */
export function bearerAuthorization(token: string): string {
  if (/^[!-~]+$/.test(token)) return `Bearer ${token}`;
  throw new SteleError(
    'INVALID_ARGUMENT',
    'A token is one word of letters, digits and signs; this text is empty or has others.',
  );
}

/** The token in a header; undefined if there is none. */
export function readBearer(authorization: string): string | undefined {
  return BEARER.exec(authorization)?.groups?.['token'];
}
