// Pure transitions of users and roles, and the list of them that decides who may do what.
// token-transitions.ts has those of tokens.
//
// Invariant: once there is an enabled user with the right `admin`, there always is one.

import { accountsOf, checkName, digestOf } from '../../access/access-list.ts';
import { BUILT_IN_ROLES, checkGrant } from '../../access/rights.ts';
import { SteleError } from '../../base/errors.ts';
import { keyspaceName, shorten } from '../../base/ids.ts';
import type { AccessList } from '../../proto/gen/stele/v1/access.ts';
import { applyChanges } from './catalog.ts';
import type { CatalogState, Change, Transition } from './catalog.ts';
import type { RoleRecord, UserRecord } from './records.ts';

const USERS_MAX = 10_000;
const ROLES_MAX = 1_000;
const GRANTS_MAX = 100;

type AccessState = Pick<CatalogState, 'user' | 'role' | 'token'>;

const lists = new WeakMap<CatalogState['user'], AccessState & { readonly list: AccessList }>();
const digests = new WeakMap<AccessList, string>();

/** The users, roles and tokens of a state; the same object while they are the same. */
export function accessListOf({ role, token, user }: AccessState): AccessList {
  const known = lists.get(user);
  if (known?.role === role && known.token === token) return known.list;
  const list = {
    users: byName(user).map(({ defaultKeyspace, disabled, name, passwordHash, roles }) => {
      return { name, passwordHash, disabled, roles: [...roles], defaultKeyspace };
    }),
    roles: byName(role).map(({ grants, name }) => ({ name, grants: [...grants] })),
    tokens: sorted(token, ({ id }) => id).map(({ expiresMs, hash, id, roles, user: of }) => {
      return { id, user: of, hash, expiresMs, roles: [...roles] };
    }),
  };
  lists.set(user, { user, role, token, list });
  return list;
}

/** Identifies them; empty if there are none. */
export function accessDigestOf(state: AccessState): string {
  const list = accessListOf(state);
  let digest = digests.get(list);
  if (digest === undefined) digests.set(list, (digest = digestOf(list)));
  return digest;
}

function byName<Named extends { readonly name: string }>(
  records: ReadonlyMap<string, Named>,
): Named[] {
  return sorted(records, ({ name }) => name);
}

function sorted<Of>(records: ReadonlyMap<string, Of>, keyOf: (record: Of) => string): Of[] {
  return [...records.values()].sort((left, right) => (keyOf(left) < keyOf(right) ? -1 : 1));
}

/** Whether an enabled user has the right `admin`. */
export function hasAdmin(state: AccessState): boolean {
  const accounts = [...accountsOf(accessListOf(state)).values()];
  return accounts.some(({ rights, user }) => !user.disabled && rights.may('admin'));
}

/** Throws CONFLICT if there is a user with this name, and INVALID_ARGUMENT. */
export function addUser(state: CatalogState, user: UserRecord): Transition<void> {
  checkName(user.name, 'user');
  if (state.user.has(user.name)) {
    throw new SteleError('CONFLICT', `There is a user '${user.name}' already.`);
  }
  refuseMore(state.user.size, USERS_MAX, 'users');
  return putUser(state, user);
}

/** Throws NOT_FOUND, INVALID_ARGUMENT, and CONFLICT for the last one with the right admin. */
export function changeUser(
  state: CatalogState,
  name: string,
  change: Partial<Omit<UserRecord, 'name' | 'createdAt'>>,
): Transition<void> {
  return putUser(state, { ...requireUser(state, name), ...change });
}

/**
 * Removes a user and its tokens. Throws NOT_FOUND, and CONFLICT for the last one with the right
 * admin.
 */
export function removeUser(state: CatalogState, name: string): Transition<void> {
  requireUser(state, name);
  const own = [...state.token.values()].filter(({ user }) => user === name);
  const tokens = own.map(({ id }) => ({ table: 'token', id, record: undefined }) as const);
  const removed = keepingAnAdmin(state, { table: 'user', id: name, record: undefined });
  return { ...removed, changes: [...tokens, ...removed.changes] };
}

/** Adds a role, or replaces its grants. Throws INVALID_ARGUMENT and CONFLICT. */
export function putRole(state: CatalogState, role: RoleRecord): Transition<void> {
  const { grants, name } = role;
  checkName(name, 'role');
  refuseBuiltIn(name);
  for (const grant of grants) checkGrant(grant);
  if (grants.length === 0 || grants.length > GRANTS_MAX) {
    throw new SteleError('INVALID_ARGUMENT', `A role has 1 to ${GRANTS_MAX} grants.`);
  }
  if (!state.role.has(name)) refuseMore(state.role.size, ROLES_MAX, 'roles');
  return keepingAnAdmin(state, { table: 'role', id: name, record: role });
}

/** Throws NOT_FOUND, and CONFLICT while a user has the role. */
export function removeRole(state: CatalogState, name: string): Transition<void> {
  refuseBuiltIn(name);
  if (!state.role.has(name)) throw noSuch('role', name);
  const holder = [...state.user.values()].find(({ roles }) => roles.includes(name));
  if (holder !== undefined) {
    throw new SteleError(
      'CONFLICT',
      `User '${holder.name}' has the role '${name}'; take it first.`,
    );
  }
  return { changes: [{ table: 'role', id: name, record: undefined }], result: undefined };
}

function putUser(state: CatalogState, user: UserRecord): Transition<void> {
  if (user.defaultKeyspace !== '') keyspaceName(user.defaultKeyspace);
  requireRoles(state, user.roles);
  return keepingAnAdmin(state, { table: 'user', id: user.name, record: user });
}

function keepingAnAdmin(state: CatalogState, change: Change): Transition<void> {
  if (hasAdmin(state) && !hasAdmin(applyChanges(state, [change]))) {
    throw new SteleError(
      'CONFLICT',
      'No enabled user would have the right admin any more; give it to another one first.',
    );
  }
  return { changes: [change], result: undefined };
}

/** Throws NOT_FOUND for a role that does not exist. */
export function requireRoles(state: CatalogState, roles: readonly string[]): void {
  const missing = roles.find(
    (role) => !Object.hasOwn(BUILT_IN_ROLES, role) && !state.role.has(role),
  );
  if (missing !== undefined) throw noSuch('role', missing);
}

/** Throws NOT_FOUND. */
export function requireUser(state: CatalogState, name: string): UserRecord {
  const user = state.user.get(name);
  if (user === undefined) throw noSuch('user', name);
  return user;
}

function refuseBuiltIn(role: string): void {
  if (!Object.hasOwn(BUILT_IN_ROLES, role)) return;
  throw new SteleError('CONFLICT', `The role '${role}' is built in and cannot be changed.`);
}

/** Throws CONFLICT if there are as many as there may be. */
export function refuseMore(count: number, max: number, what: string): void {
  if (count < max) return;
  throw new SteleError('CONFLICT', `There are ${max} ${what} already, which is the limit.`);
}

function noSuch(what: 'user' | 'role', name: string): SteleError {
  return new SteleError(
    'NOT_FOUND',
    `There is no ${what} '${shorten(name)}'; \`stele ${what} list\` lists those there are.`,
  );
}
