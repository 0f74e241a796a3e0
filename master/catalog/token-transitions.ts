// Pure transitions of tokens.

import { SteleError } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';
import { refuseMore, requireRoles, requireUser } from './access-transitions.ts';
import type { CatalogState, Change, Transition } from './catalog.ts';
import type { TokenRecord } from './records.ts';

/** Of one user, and of all: every process has the list of them. */
const TOKENS_OF_USER_MAX = 100;
const TOKENS_MAX = 10_000;
const ROLES_MAX = 20;
/** For so long an expired token stays in listings. */
const SHOWN_EXPIRED_MS = 30 * 86_400_000;

/**
 * Adds a token, and removes those of its user that expired long ago. Throws NOT_FOUND for a user or
 * a role that does not exist, INVALID_ARGUMENT, and CONFLICT if there are too many.
 */
export function addToken(
  state: CatalogState,
  token: TokenRecord,
  nowMs: number,
): Transition<TokenRecord> {
  requireUser(state, token.user);
  requireRoles(state, token.roles);
  if (token.roles.length > ROLES_MAX) {
    throw new SteleError('INVALID_ARGUMENT', `A token has at most ${ROLES_MAX} roles.`);
  }
  const own = tokensOfUser(state, token.user);
  const old = own.filter(
    ({ expiresMs }) => expiresMs !== 0 && expiresMs < nowMs - SHOWN_EXPIRED_MS,
  );
  refuseMore(own.length - old.length, TOKENS_OF_USER_MAX, `tokens of user '${token.user}'`);
  refuseMore(state.token.size - old.length, TOKENS_MAX, 'tokens');
  const removed: Change[] = old.map(({ id }) => ({ table: 'token', id, record: undefined }));
  const added: Change = { table: 'token', id: token.id, record: token };
  return { changes: [...removed, added], result: token };
}

/** Throws NOT_FOUND. */
export function revokeToken(state: CatalogState, id: string): Transition<void> {
  if (!state.token.has(id)) {
    throw new SteleError(
      'NOT_FOUND',
      `There is no token with the id '${shorten(id)}'; \`stele token list\` lists those there are.`,
    );
  }
  return { changes: [{ table: 'token', id, record: undefined }], result: undefined };
}

/** The tokens of a user; without a name, of all. Oldest first. */
export function tokensOfUser({ token }: CatalogState, name: string): TokenRecord[] {
  const found = [...token.values()].filter(({ user }) => name === '' || user === name);
  return found.sort((left, right) => (left.createdAt < right.createdAt ? -1 : 1));
}
