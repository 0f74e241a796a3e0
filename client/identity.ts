// How a program that uses the library appears to the cluster, by its options.

import { basicAuthorization } from '../access/basic.ts';
import { bearerAuthorization } from '../access/bearer.ts';
import type { DialIdentity } from '../transport/dial-identity.ts';
import { SteleError } from '../base/errors.ts';
import type { TlsSource } from '../transport/tls/tls-files.ts';
import { TlsIdentity } from '../transport/tls/tls-identity.ts';

export interface IdentityOptions {
  /**
   * Secures the connections; without it there is no TLS. `{}` trusts the authorities of Node.js.
   * Files that are replaced later are used for later connections.
   */
  readonly tls?: TlsSource | undefined;
  /** Who asks, in a cluster with users. */
  readonly user?: string | undefined;
  /** The password of `user`. */
  readonly password?: string | undefined;
  /**
   * A token of `stele token create`, or a JWT, in place of `user` and `password`. A function is
   * called for each call and connection, so that it can return another one before the last has
   * expired.
   */
  readonly token?: string | (() => string) | undefined;
}

/** Throws INVALID_ARGUMENT for options that do not go together, and what cannot be used. */
export function identityOf({ password, tls, token, user }: IdentityOptions): DialIdentity {
  if ((user === undefined) !== (password === undefined)) {
    throw new SteleError('INVALID_ARGUMENT', 'Give both `user` and `password`, or neither.');
  }
  if (token !== undefined && user !== undefined) {
    throw new SteleError('INVALID_ARGUMENT', 'Give `token`, or `user` and `password`, not both.');
  }
  return {
    tls: tls === undefined ? undefined : new TlsIdentity(tls),
    authorization: authorizationOf({ password, token, user }),
  };
}

function authorizationOf({
  password,
  token,
  user,
}: IdentityOptions): DialIdentity['authorization'] {
  if (typeof token === 'function') return () => bearerAuthorization(token());
  if (token === undefined && (user === undefined || password === undefined)) return undefined;
  const text =
    token === undefined
      ? basicAuthorization({ user: user ?? '', password: password ?? '' })
      : bearerAuthorization(token);
  return () => text;
}
