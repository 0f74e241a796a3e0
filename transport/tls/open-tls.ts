// The identity that the settings of a process name.

import { SteleError } from '../../base/errors.ts';
import { TlsIdentity } from './tls-identity.ts';
import { tlsSource } from './tls-settings.ts';
import type { TlsSettings } from './tls-settings.ts';

/**
 * The identity of a program that only connects; undefined: without TLS. Throws INVALID_ARGUMENT.
 */
export function clientTls(settings: TlsSettings): TlsIdentity | undefined {
  const source = tlsSource(settings);
  return source === undefined ? undefined : new TlsIdentity(source);
}

/**
 * The identity of a role, which needs a certificate; undefined: without TLS. Throws
 * INVALID_ARGUMENT.
 */
export function roleTls(settings: TlsSettings): TlsIdentity | undefined {
  const identity = clientTls(settings);
  if (identity === undefined || identity.hasCertificate) return identity;
  throw new SteleError(
    'INVALID_ARGUMENT',
    'TLS needs a certificate: give --tls-cert and --tls-key (`stele certs node` makes them), or --tls off.',
  );
}
