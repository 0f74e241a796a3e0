// Who may read /metrics without a user: everybody, or a collector that shows a token.
//
// The file has one token a line, and each is accepted, so that a token can be replaced without a gap.

import { createHash, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { SteleError, toSteleError } from '../base/errors.ts';

const TOKEN_CHARACTERS_MIN = 16;
const SCHEME = 'Bearer ';

export class MetricsDoor {
  readonly #isOpen: boolean;
  readonly #digests: readonly Buffer[];

  /** `tokenFile` may be empty: there is no token. Throws INVALID_ARGUMENT. */
  constructor(isOpen: boolean, tokenFile: string) {
    this.#isOpen = isOpen;
    this.#digests = tokenFile === '' ? [] : tokensIn(tokenFile).map(digestOf);
  }

  /** Whether a request with this header `authorization` needs no user. */
  opensFor(authorization: string | undefined): boolean {
    if (this.#isOpen) return true;
    if (this.#digests.length === 0 || authorization?.startsWith(SCHEME) !== true) return false;
    const shown = digestOf(authorization.slice(SCHEME.length).trim());
    return this.#digests.some((digest) => timingSafeEqual(digest, shown));
  }
}

function tokensIn(path: string): string[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (thrown) {
    const { message } = toSteleError(thrown);
    throw new SteleError('INVALID_ARGUMENT', `--metrics-token-file cannot be read: ${message}.`, {
      cause: thrown,
    });
  }
  const tokens = text.split('\n').map((line) => line.trim());
  const given = tokens.filter((token) => token !== '');
  if (given.length > 0 && given.every((token) => token.length >= TOKEN_CHARACTERS_MIN)) {
    return given;
  }
  throw new SteleError(
    'INVALID_ARGUMENT',
    `The file of --metrics-token-file has one token a line, each of at least ${TOKEN_CHARACTERS_MIN} characters; \`openssl rand -hex 32\` makes one.`,
  );
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
