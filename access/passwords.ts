// Passwords are kept as scrypt hashes (RFC 7914), one text with all that is needed to verify it:
//
//   scrypt$14$8$1$<salt, base64>$<hash, base64>        log2 N, r, p
//
// A hash takes some 50 ms of a thread of the pool, not of the event loop (authenticator.ts bounds
// them).

import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { SteleError } from '../base/errors.ts';
import { idOfToken } from './tokens.ts';

const LOG_N = 14;
const BLOCK = 8;
const PARALLEL = 1;
const SALT_BYTES = 16;
const HASH_BYTES = 32;
const PASSWORD_CHARACTERS_MIN = 8;
const PASSWORD_CHARACTERS_MAX = 512;
const STORED =
  /^scrypt[$](?<logN>\d{1,2})[$](?<r>\d{1,2})[$](?<p>\d)[$](?<salt>[\w+/=]+)[$](?<hash>[\w+/=]+)$/;

const derive = promisify<string, Buffer, number, { N: number; r: number; p: number }, Buffer>(
  scrypt,
);

/** Throws INVALID_ARGUMENT for a password that is too short or too long, or a token. */
function checkPassword(password: string): void {
  const { length } = password;
  if (idOfToken(password) !== undefined) {
    throw new SteleError('INVALID_ARGUMENT', 'A token cannot be a password too; choose another.');
  }
  if (length >= PASSWORD_CHARACTERS_MIN && length <= PASSWORD_CHARACTERS_MAX) return;
  throw new SteleError(
    'INVALID_ARGUMENT',
    `A password has ${PASSWORD_CHARACTERS_MIN} to ${PASSWORD_CHARACTERS_MAX} characters.`,
  );
}

/** The text to keep in place of a password. Throws as `checkPassword`. */
export async function hashPassword(password: string): Promise<string> {
  checkPassword(password);
  const salt = randomBytes(SALT_BYTES);
  const hash = await derive(password, salt, HASH_BYTES, { N: 2 ** LOG_N, r: BLOCK, p: PARALLEL });
  return storedText(salt, hash);
}

/** A hash of no password, which takes as long to verify as any other. */
export function hashOfNobody(): string {
  return storedText(randomBytes(SALT_BYTES), randomBytes(HASH_BYTES));
}

/** Whether `password` is the one that `stored` was made from; false for a malformed text. */
export async function isPassword(password: string, stored: string): Promise<boolean> {
  const { hash = '', logN, p, r, salt = '' } = STORED.exec(stored)?.groups ?? {};
  if (logN === undefined || password.length > PASSWORD_CHARACTERS_MAX) return false;
  const wanted = Buffer.from(hash, 'base64');
  const costs = { N: 2 ** Number(logN), r: Number(r), p: Number(p) };
  const found = await derive(password, Buffer.from(salt, 'base64'), HASH_BYTES, costs);
  return wanted.length === HASH_BYTES && timingSafeEqual(found, wanted);
}

function storedText(salt: Buffer, hash: Buffer): string {
  const parts = [LOG_N, BLOCK, PARALLEL, salt.toString('base64'), hash.toString('base64')];
  return ['scrypt', ...parts].join('$');
}
