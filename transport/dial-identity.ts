// How a process appears to those that it dials.

import type { TlsIdentity } from './tls/tls-identity.ts';

export interface DialIdentity {
  /** Secures the connections; without it there is no TLS. */
  readonly tls?: TlsIdentity | undefined;
  /** The present value of the header, or metadata, of this name; without it none is sent. */
  readonly authorization?: (() => string) | undefined;
}
