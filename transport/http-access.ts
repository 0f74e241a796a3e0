// What a request to an HTTP port shows of who sends it.

import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';
import type { Shown } from '../access/access.ts';

export function shownBy({ headers, socket }: IncomingMessage): Shown {
  return {
    authorization: headers.authorization,
    certificate: () =>
      socket instanceof TLSSocket && socket.authorized ? socket.getPeerCertificate() : undefined,
    address: socket.remoteAddress ?? '',
  };
}
