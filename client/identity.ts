// How a program that uses the library appears to the cluster, by its options.

import { basicAuthorization } from '../access/basic.ts';
import type { DialIdentity } from '../transport/dial-identity.ts';
import { SteleError } from '../base/errors.ts';
import type { TlsSource } from '../transport/tls/tls-files.ts';
import { TlsIdentity } from '../transport/tls/tls-identity.ts';

export interface IdentityOptions {
  /**
   * Secures the connections; without it there is no TLS. `{}` trusts the authorities of Node.js. Files
   * that are replaced later are used for later connections.
   */
  readonly tls?: TlsSource | undefined;
  /** Who asks, in a cluster with users. */
  readonly user?: string | undefined;
  /** The password of `user`. */
  readonly password?: string | undefined;
}

/** Throws INVALID_ARGUMENT for certificates that cannot be used, and a user without a password. */
export function identityOf({ password, tls, user }: IdentityOptions): DialIdentity {
  if ((user === undefined) !== (password === undefined)) {
    throw new SteleError('INVALID_ARGUMENT', 'Give both `user` and `password`, or neither.');
  }
  return {
    tls: tls === undefined ? undefined : new TlsIdentity(tls),
    authorization:
      user === undefined || password === undefined
        ? undefined
        : basicAuthorization({ user, password }),
  };
}
