// For tests: one access with a user of each role, and everybody who may knock at a door.

import { Access } from '../../access/access.ts';
import { basicAuthorization } from '../../access/basic.ts';
import { ClusterSecret } from '../../access/cluster-secret.ts';
import { hashPassword } from '../../access/passwords.ts';
import { systemTime } from '../../base/clock.ts';
import type { Time } from '../../base/clock.ts';

const SECRET = 'the-secret-of-this-cluster';
const PASSWORD = 'password of everybody';

/** Right credentials, by what they have the rights for; `geo` has read and load on `geo*`. */
const ROLES = ['reader', 'loader', 'operator', 'admin', 'geo'] as const;
export const STRANGERS = ['nobody', 'wrong password', 'disabled', 'wrong secret'] as const;
export type Caller = (typeof ROLES)[number] | (typeof STRANGERS)[number] | 'cluster';
export const CALLERS: readonly Caller[] = [...STRANGERS, ...ROLES, 'cluster'];

export async function accessOfRoles(): Promise<Access> {
  // A failed login makes the next ones wait, which they need not here.
  const time: Time = {
    ...systemTime,
    after: (_delayMs, callback) => systemTime.after(0, callback),
  };
  const secret = new ClusterSecret([SECRET]);
  const access = new Access({ secret, trustsNodeCertificates: false, time });
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
  });
  // Failed logins make others from the same address wait, but not those that are known.
  await Promise.all(ROLES.map((name) => access.login(name, PASSWORD, 'elsewhere')));
  return access;
}

/** The header that a caller sends. */
export function authorizationOf(caller: Caller): string | undefined {
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

/** The login of a caller with a password. */
export function passwordOf(caller: Caller): { readonly user: string; readonly password: string } {
  return caller === 'wrong password'
    ? { user: 'admin', password: `${PASSWORD}x` }
    : { user: caller, password: PASSWORD };
}

/** What an action asks for, in the words of the documentation. */
export type Asked = 'open' | 'cluster' | 'user' | 'read' | 'load' | 'operate' | 'admin';

const ALLOWED: Readonly<Record<Asked, readonly Caller[]>> = {
  open: CALLERS,
  cluster: ['cluster'],
  user: [...ROLES, 'cluster'],
  read: ['reader', 'loader', 'operator', 'admin', 'cluster'],
  load: ['loader', 'admin', 'cluster'],
  operate: ['operator', 'admin', 'cluster'],
  admin: ['admin', 'cluster'],
};

/** What the door answers: undefined if it lets the caller in. `keyspace`: what the action is about. */
export function refusalOf(
  caller: Caller,
  asked: Asked,
  keyspace: string | undefined,
): 'UNAUTHENTICATED' | 'PERMISSION_DENIED' | undefined {
  if (ALLOWED[asked].includes(caller)) return undefined;
  if ((STRANGERS as readonly Caller[]).includes(caller)) return 'UNAUTHENTICATED';
  const isOwn = caller === 'geo' && (asked === 'read' || asked === 'load');
  return isOwn && keyspace === 'geo' ? undefined : 'PERMISSION_DENIED';
}
