// Opens every connection to another process, except those that grpc-js dials itself.

import { connect } from 'node:net';
import type { OnReadOpts, Socket } from 'node:net';

/**
 * Returns a connection to `host` that may not be established yet; data written before is sent once
 * it is. `onread` receives its bytes; without it they arrive as `data` events. The caller handles
 * `error` and deadlines.
 */
export function dial(host: string, port: number, onread?: OnReadOpts): Socket {
  const options = { host, port, noDelay: true };
  return connect(onread === undefined ? options : { ...options, onread });
}
