// Opens every connection to another process, except those that grpc-js dials itself.

import { connect } from 'node:net';
import type { OnReadOpts, Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { TlsIdentity } from './tls/tls-identity.ts';

export interface DialOptions {
  readonly onread?: OnReadOpts;
  /** Secures the connection; without it there is no TLS. */
  readonly tls?: TlsIdentity | undefined;
}

/**
 * Returns a connection to `host` that may not be established yet; data written before is sent once
 * it is. `onread` receives its bytes; without it they arrive as `data` events. The caller handles
 * `error` (`dialReason` explains it) and deadlines.
 */
export function dial(host: string, port: number, { onread, tls }: DialOptions = {}): Socket {
  const read = onread === undefined ? {} : { onread };
  if (tls === undefined) return connect({ host, port, noDelay: true, ...read });
  return connectTls({ port, ...tls.dialOptions(host), ...read }).setNoDelay(true);
}

/** The event of a connection of `dial` that tells that it is established. */
export function establishedEvent(tls: TlsIdentity | undefined): 'connect' | 'secureConnect' {
  return tls === undefined ? 'connect' : 'secureConnect';
}
