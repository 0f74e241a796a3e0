// Tokens stand for a user and its password, in programs:
//
//   stele_<id, 12 hex digits>_<secret, 64 hex digits>
//
// The form is one that scanners for secrets can look for. The id names a token in listings and is
// no secret. What is kept is the SHA-256 of the whole: a secret of 256 random bits needs no slow
// hash.

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { SteleError } from '../base/errors.ts';

const TOKEN = /^stele_(?<id>[0-9a-f]{12})_[0-9a-f]{64}$/;
const ID_BYTES = 6;
const SECRET_BYTES = 32;
/** Of a token that nobody has. */
const NO_HASH = '0'.repeat(64);

export interface NewToken {
  readonly id: string;
  /** What its user keeps. */
  readonly text: string;
  /** What the cluster keeps. */
  readonly hash: string;
}

export function newToken(): NewToken {
  const id = randomBytes(ID_BYTES).toString('hex');
  const text = `stele_${id}_${randomBytes(SECRET_BYTES).toString('hex')}`;
  return { id, text, hash: hashOf(text).toString('hex') };
}

/** The id in a token; undefined for text that is none. */
export function idOfToken(text: string): string | undefined {
  return TOKEN.exec(text)?.groups?.['id'];
}

/** Whether `hash` was made from this token. Takes the same time without a hash. */
export function isToken(text: string, hash: string | undefined): boolean {
  return timingSafeEqual(hashOf(text), Buffer.from(hash ?? NO_HASH, 'hex'));
}

/** The error for a token that is not, or no longer, one of an enabled user. */
export function tokenNotKnown(): SteleError {
  return new SteleError(
    'UNAUTHENTICATED',
    'The token is wrong or was revoked, or its user is disabled or another one.',
  );
}

function hashOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
