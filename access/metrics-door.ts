// Who may read /metrics without a user: everybody, or a collector that shows a token.
//
// The file has one token a line, each is accepted, and it is read again when it has changed, so
// that a token can be replaced without a gap.

import { createHash, timingSafeEqual } from 'node:crypto';
import { ReloadedFile } from '../base/disk/reloaded-file.ts';
import { SteleError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';

const TOKEN_CHARACTERS_MIN = 16;
const SCHEME = 'Bearer ';

export class MetricsDoor {
  readonly #isOpen: boolean;
  readonly #digests: ReloadedFile<readonly Buffer[]> | undefined;

  /** `tokenFile` may be empty: there is no token. Throws INVALID_ARGUMENT. */
  constructor(isOpen: boolean, tokenFile: string, log?: Logger) {
    this.#isOpen = isOpen;
    if (tokenFile === '') return;
    const parse = (text: string): readonly Buffer[] => tokensIn(text).map(digestOf);
    this.#digests = new ReloadedFile({ path: tokenFile, what: '--metrics-token-file', parse, log });
  }

  /** Whether a request with this header `authorization` needs no user. */
  opensFor(authorization: string | undefined): boolean {
    if (this.#isOpen) return true;
    if (this.#digests === undefined || authorization?.startsWith(SCHEME) !== true) return false;
    const shown = digestOf(authorization.slice(SCHEME.length).trim());
    return this.#digests.content.some((digest) => timingSafeEqual(digest, shown));
  }
}

function tokensIn(text: string): string[] {
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
