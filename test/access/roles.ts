// For tests: one access with a user of each role, and everybody who may knock at a door.

import { Access } from '../../access/access.ts';
import { basicAuthorization } from '../../access/basic.ts';
import { bearerAuthorization } from '../../access/bearer.ts';
import { ClusterSecret } from '../../access/cluster-secret.ts';
import { hashPassword } from '../../access/passwords.ts';
import { newToken } from '../../access/tokens.ts';
import type { NewToken } from '../../access/tokens.ts';
import { systemTime } from '../../base/clock.ts';
import type { Time } from '../../base/clock.ts';
import type { AccessToken } from '../../proto/gen/stele/v1/access.ts';
import { JwtVerifier } from '../../transport/jwt/jwt-verifier.ts';
import { JWT_SETTINGS, TestIssuer } from './jwts.ts';

const SECRET = 'the-secret-of-this-cluster';
const PASSWORD = 'password of everybody';
const DAY_MS = 86_400_000;

/** Right credentials, by what they have the rights for; `geo` has read and load on `geo*`. */
const ROLES = ['reader', 'loader', 'operator', 'admin', 'geo'] as const;
/** Of `geo`; of `admin`, but only with the role reader. */
const TOKENS = ['token', 'narrow token'] as const;
const WRONG_TOKENS = ['expired token', 'revoked token', 'token of disabled'] as const;
const WRONG_JWTS = [
  'expired jwt',
  'jwt of another issuer',
  'jwt for another audience',
  'jwt of an unknown key',
  'jwt by a shared secret',
  'jwt without a signature',
] as const;
export const STRANGERS = [
  'nobody',
  'wrong password',
  'disabled',
  'wrong secret',
  ...WRONG_TOKENS,
  ...WRONG_JWTS,
] as const;
export type Caller =
  (typeof ROLES)[number] | (typeof TOKENS)[number] | (typeof STRANGERS)[number] | 'jwt' | 'cluster';
export const CALLERS: readonly Caller[] = [...STRANGERS, ...ROLES, ...TOKENS, 'jwt', 'cluster'];

/** By caller, as texts: the same for every access. */
const bearers = new Map<Caller, string>();
const kept: AccessToken[] = [];
let issuer: Promise<TestIssuer> | undefined;

/** A failed login makes the next ones wait, which they need not here. */
const time: Time = {
  ...systemTime,
  after: (_delayMs, callback) => systemTime.after(0, callback),
};

export async function accessOfRoles(trustsCertificates = false): Promise<Access> {
  issuer ??= makeBearers();
  const verifier = new JwtVerifier(JWT_SETTINGS, (await issuer).source);
  const access = new Access({
    secret: new ClusterSecret([SECRET]),
    trustsCertificates,
    verifyJwt: (token) => verifier.verify(token),
    time,
  });
  const passwordHash = await hashPassword(PASSWORD);
  const user = (name: string, disabled = false) => ({
    name,
    passwordHash,
    disabled,
    roles: disabled ? ['admin'] : [name],
    defaultKeyspace: '',
  });
  access.update({
    users: [...ROLES.map((name) => user(name)), user('disabled', true)],
    roles: [{ name: 'geo', grants: ['read:geo*', 'load:geo*'] }],
    tokens: kept,
  });
  // Failed logins make others from the same address wait, but not those that are known.
  await Promise.all(ROLES.map((name) => access.login(name, PASSWORD, 'elsewhere')));
  return access;
}

async function makeBearers(): Promise<TestIssuer> {
  const made = await TestIssuer.start();
  makeTokens();
  await makeJwts(made);
  return made;
}

function makeTokens(): void {
  const make = (caller: Caller): NewToken => {
    const token = newToken();
    bearers.set(caller, token.text);
    return token;
  };
  const keep = (caller: Caller, user: string, more: Partial<AccessToken> = {}): void => {
    const { hash, id } = make(caller);
    kept.push({ id, user, hash, expiresMs: Date.now() + DAY_MS, roles: [], ...more });
  };
  make('revoked token');
  keep('token', 'geo', { expiresMs: 0 });
  keep('narrow token', 'admin', { roles: ['reader'] });
  keep('expired token', 'admin', { expiresMs: Date.now() - 1 });
  keep('token of disabled', 'disabled');
}

async function makeJwts(by: TestIssuer): Promise<void> {
  const claims = { roles: ['geo', 'no such role'] };
  const all = { claims: { roles: ['admin'] } };
  bearers.set('jwt', await by.sign({ claims }));
  bearers.set('expired jwt', await by.sign({ ...all, expires: '-1h' }));
  bearers.set('jwt of another issuer', await by.sign({ ...all, issuer: 'https://x.example' }));
  bearers.set('jwt for another audience', await by.sign({ ...all, audience: 'other' }));
  bearers.set('jwt of an unknown key', await by.sign({ ...all, kid: 'two' }));
  bearers.set('jwt by a shared secret', await by.signShared(all));
  bearers.set('jwt without a signature', by.unsecured(all.claims));
}

/** The header that a caller sends. */
export function authorizationOf(caller: Caller): string | undefined {
  const bearer = bearers.get(caller);
  if (bearer !== undefined) return bearerAuthorization(bearer);
  switch (caller) {
    case 'nobody':
      return undefined;
    case 'cluster':
      return `Cluster ${SECRET}`;
    case 'wrong secret':
      return `Cluster ${SECRET}x`;
    case 'wrong password':
      return basicAuthorization({ user: 'admin', password: `${PASSWORD}x` });
    default:
      return basicAuthorization({ user: caller, password: PASSWORD });
  }
}

/** The login of a caller with a password, or with what it has in place of one. */
export function passwordOf(caller: Caller): { readonly user: string; readonly password: string } {
  const bearer = bearers.get(caller);
  if (bearer !== undefined) return { user: 'default', password: bearer };
  return caller === 'wrong password'
    ? { user: 'admin', password: `${PASSWORD}x` }
    : { user: caller, password: PASSWORD };
}

/** What an action asks for, in the words of the documentation. */
export type Asked = 'open' | 'cluster' | 'user' | 'read' | 'load' | 'operate' | 'admin';

const READERS: readonly Caller[] = ['reader', 'narrow token', 'loader', 'operator', 'admin'];
const ALLOWED: Readonly<Record<Asked, readonly Caller[]>> = {
  open: CALLERS,
  cluster: ['cluster'],
  user: [...ROLES, ...TOKENS, 'jwt', 'cluster'],
  read: [...READERS, 'cluster'],
  load: ['loader', 'admin', 'cluster'],
  operate: ['operator', 'admin', 'cluster'],
  admin: ['admin', 'cluster'],
};
/** Those with the rights of `geo`. */
const OF_GEO: readonly Caller[] = ['geo', 'token', 'jwt'];

/**
 * What the door answers: undefined if it lets the caller in. `keyspace`: what the action is about.
 */
export function refusalOf(
  caller: Caller,
  asked: Asked,
  keyspace: string | undefined,
): 'UNAUTHENTICATED' | 'PERMISSION_DENIED' | undefined {
  if (ALLOWED[asked].includes(caller)) return undefined;
  if ((STRANGERS as readonly Caller[]).includes(caller)) return 'UNAUTHENTICATED';
  const isOwn = OF_GEO.includes(caller) && (asked === 'read' || asked === 'load');
  return isOwn && keyspace === 'geo' ? undefined : 'PERMISSION_DENIED';
}
