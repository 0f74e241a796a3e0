// The users and roles of a cluster, as every process with ports has them.

import { createHash } from 'node:crypto';
import { AccessList } from '../proto/gen/stele/v1/access.ts';
import type { AccessUser } from '../proto/gen/stele/v1/access.ts';
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

/** Throws INVALID_ARGUMENT for what cannot be the name of a `what`. An `@` ends the name of a user. */
export function checkName(name: string, what: 'user' | 'role'): void {
  // Certificates of nodes have this name.
  if (NAME.test(name) && name !== 'node') return;
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
export function accountsOf({ roles, users }: AccessList): Map<string, Account> {
  const own = new Map(roles.map(({ grants, name }) => [name, grants]));
  return new Map(
    users.map((user) => {
      const grants = user.roles.flatMap((role) => grantsOfRole(role, own));
      return [user.name, { user, grants: [...new Set(grants)], rights: new Rights(grants) }];
    }),
  );
}

function grantsOfRole(
  role: string,
  own: ReadonlyMap<string, readonly string[]>,
): readonly string[] {
  return (Object.hasOwn(BUILT_IN_ROLES, role) ? BUILT_IN_ROLES[role] : own.get(role)) ?? [];
}
