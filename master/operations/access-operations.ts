// Users, roles and tokens: what `stele user`, `stele role` and `stele token` do, and the list that
// every process decides by.

import { randomBytes } from 'node:crypto';
import { accountsOf } from '../../access/access-list.ts';
import { hashPassword } from '../../access/passwords.ts';
import { BUILT_IN_ROLES } from '../../access/rights.ts';
import { newToken } from '../../access/tokens.ts';
import { wallClockIso } from '../../base/clock.ts';
import { SteleError } from '../../base/errors.ts';
import type {
  AccessList,
  AddUserRequest,
  ChangeUserRequest,
  CreateTokenRequest,
  CreateTokenResponse,
  ListRolesResponse,
  ListTokensRequest,
  ListTokensResponse,
  ListUsersResponse,
  PutRoleRequest,
  TokenSummary,
} from '../../proto/gen/stele/v1/access.ts';
import type { AccessCalls } from '../../proto/operations.ts';
import {
  accessListOf,
  addUser,
  changeUser,
  hasAdmin,
  putRole,
  removeRole,
  removeUser,
} from '../catalog/access-transitions.ts';
import type { CatalogState, Transition } from '../catalog/catalog.ts';
import type { TokenRecord } from '../catalog/records.ts';
import { addToken, revokeToken, tokensOfUser } from '../catalog/token-transitions.ts';
import type { Leader } from '../control/leader.ts';

const FIRST_ADMIN = 'admin';
const FIRST_PASSWORD_BYTES = 24;
const EXPIRES_IN_MS_MAX = 100 * 366 * 86_400_000;

export class AccessOperations implements AccessCalls {
  readonly #leader: Leader;

  constructor(leader: Leader) {
    this.#leader = leader;
  }

  async accessList(): Promise<AccessList> {
    return accessListOf(this.#leader.catalog.state);
  }

  async listUsers(): Promise<ListUsersResponse> {
    const { state } = this.#leader.catalog;
    const accounts = accountsOf(accessListOf(state));
    const users = [...accounts.values()].map(({ grants, user }) => {
      const { defaultKeyspace, disabled, name, roles } = user;
      const createdAt = state.user.get(name)?.createdAt ?? '';
      return { name, disabled, roles, defaultKeyspace, createdAt, grants: [...grants] };
    });
    return { users };
  }

  async addUser({ defaultKeyspace, name, password, roles }: AddUserRequest): Promise<void> {
    const passwordHash = await hashPassword(password);
    const createdAt = wallClockIso(this.#leader.env);
    const user = { name, passwordHash, disabled: false, roles, defaultKeyspace, createdAt };
    await this.#change((state) => addUser(state, user));
  }

  async changeUser(request: ChangeUserRequest): Promise<void> {
    const { defaultKeyspace, disabled, name, password, roles } = request;
    const change = {
      ...(defaultKeyspace === undefined ? {} : { defaultKeyspace }),
      ...(disabled === undefined ? {} : { disabled }),
      ...(password === undefined ? {} : { passwordHash: await hashPassword(password) }),
      ...(roles === undefined ? {} : { roles: roles.names }),
    };
    await this.#change((state) => changeUser(state, name, change));
  }

  removeUser(name: string): Promise<void> {
    return this.#change((state) => removeUser(state, name));
  }

  async listRoles(): Promise<ListRolesResponse> {
    const own = accessListOf(this.#leader.catalog.state).roles;
    const builtIn = Object.entries(BUILT_IN_ROLES).map(([name, grants]) => ({
      role: { name, grants: [...grants] },
      builtIn: true,
    }));
    return { roles: [...builtIn, ...own.map((role) => ({ role, builtIn: false }))] };
  }

  async putRole({ role }: PutRoleRequest): Promise<void> {
    if (role === undefined) throw new SteleError('INVALID_ARGUMENT', 'There is no role.');
    await this.#change((state) => putRole(state, role));
  }

  removeRole(name: string): Promise<void> {
    return this.#change((state) => removeRole(state, name));
  }

  async createToken({
    expiresInMs,
    roles,
    user,
  }: CreateTokenRequest): Promise<CreateTokenResponse> {
    if (expiresInMs < 0 || expiresInMs > EXPIRES_IN_MS_MAX) {
      throw new SteleError('INVALID_ARGUMENT', 'A token expires within 100 years, or never (0).');
    }
    const { env } = this.#leader;
    const { hash, id, text } = newToken();
    const nowMs = env.unixMs();
    const expiresMs = expiresInMs === 0 ? 0 : nowMs + expiresInMs;
    const token = { id, user, hash, expiresMs, roles, createdAt: wallClockIso(env) };
    await this.#change((state) => addToken(state, token, nowMs));
    return { token: text, summary: summaryOf(token) };
  }

  async listTokens({ user }: ListTokensRequest): Promise<ListTokensResponse> {
    return { tokens: tokensOfUser(this.#leader.catalog.state, user).map(summaryOf) };
  }

  revokeToken(id: string): Promise<void> {
    return this.#change((state) => revokeToken(state, id));
  }

  /**
   * Makes the user `admin`, unless an enabled user has the right of that name. `passwordOf` is
   * given a random password, and returns the one to use once that is kept somewhere. Returns
   * whether it did.
   */
  async ensureAdmin(passwordOf: (random: string) => string): Promise<boolean> {
    const { state } = this.#leader.catalog;
    if (hasAdmin(state) || state.user.has(FIRST_ADMIN)) return false;
    const password = passwordOf(randomBytes(FIRST_PASSWORD_BYTES).toString('base64url'));
    const roles = ['admin'];
    await this.addUser({ name: FIRST_ADMIN, password, roles, defaultKeyspace: '' });
    return true;
  }

  async #change(transition: (state: CatalogState) => Transition<unknown>): Promise<void> {
    await this.#leader.catalog.update(transition);
    this.#leader.turn();
    await this.#leader.waitApplied();
  }
}

function summaryOf({ createdAt, expiresMs, id, roles, user }: TokenRecord): TokenSummary {
  const expiresAt = expiresMs === 0 ? '' : new Date(expiresMs).toISOString();
  return { id, user, roles: [...roles], createdAt, expiresAt };
}
