// The users, roles and tokens of a cluster, as every process with ports has them.

import { createHash } from 'node:crypto';
import { AccessList } from '../proto/gen/stele/v1/access.ts';
import type { AccessToken, AccessUser } from '../proto/gen/stele/v1/access.ts';
import { SteleError } from '../base/errors.ts';
import { shorten } from '../base/ids.ts';
import { BUILT_IN_ROLES, Rights } from './rights.ts';

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

/** Of a cluster to which nobody was added yet. */
export const NO_USERS = AccessList.decode(new Uint8Array(0));

/** A user, and what its roles allow together. */
export interface Account {
  readonly user: AccessUser;
  readonly grants: readonly string[];
  readonly rights: Rights;
}

/** A token, and what its own roles allow; undefined: everything that its user may do. */
export interface HeldToken {
  readonly token: AccessToken;
  readonly limits: Rights | undefined;
}

/** Whether a user or a role can have this name. An `@` ends the name of a user. */
export function isName(name: string): boolean {
  // Certificates of nodes have this name.
  return NAME.test(name) && name !== 'node';
}

/** Throws INVALID_ARGUMENT for what cannot be the name of a `what`. */
export function checkName(name: string, what: 'user' | 'role'): void {
  if (isName(name)) return;
  throw new SteleError(
    'INVALID_ARGUMENT',
    `'${shorten(name)}' cannot be the name of a ${what}: use 1 to 63 letters, digits, '_', '-' or '.', starting with a letter or digit, and not 'node'.`,
  );
}

/** Identifies the content of a list; empty if there are no users and no roles. */
export function digestOf(list: AccessList): string {
  if (list.users.length === 0 && list.roles.length === 0) return '';
  return createHash('sha256').update(AccessList.encode(list).finish()).digest('hex');
}

/** The accounts by name. A role that does not exist allows nothing. */
export function accountsOf(list: AccessList): Map<string, Account> {
  const grantsOf = grantsIn(list);
  return new Map(
    list.users.map((user) => {
      const grants = grantsOf(user.roles);
      return [user.name, { user, grants, rights: new Rights(grants) }];
    }),
  );
}

/** The tokens by id. */
export function tokensOf(list: AccessList): Map<string, HeldToken> {
  const grantsOf = grantsIn(list);
  return new Map(
    list.tokens.map((token) => {
      const limits = token.roles.length === 0 ? undefined : new Rights(grantsOf(token.roles));
      return [token.id, { token, limits }];
    }),
  );
}

/** A function that gives the grants of roles together. A role that does not exist has none. */
export function grantsIn({ roles }: AccessList): (names: readonly string[]) => string[] {
  const own = new Map<string, readonly string[]>(roles.map(({ grants, name }) => [name, grants]));
  const grantsOf = (role: string): readonly string[] =>
    (Object.hasOwn(BUILT_IN_ROLES, role) ? BUILT_IN_ROLES[role] : own.get(role)) ?? [];
  return (names) => [...new Set(names.flatMap(grantsOf))];
}
