// What a request to an HTTP port shows of who sends it.

import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';
import type { Shown } from '../access/access.ts';
import { nameOf } from '../access/audit/audit.ts';
import type { Attempt } from '../access/audit/audit.ts';
import { readBasic } from '../access/basic.ts';
import type { Subject } from '../access/subject.ts';

export function shownBy({ headers, socket }: IncomingMessage): Shown {
  return {
    authorization: headers.authorization,
    certificate: () =>
      socket instanceof TLSSocket && socket.authorized ? socket.getPeerCertificate() : undefined,
    address: socket.remoteAddress ?? '',
  };
}

/** A request as the audit log has it. Without a `subject`, `who` is the name that was given. */
export function httpAttempt(
  { id, raw }: { readonly id: string; readonly raw: IncomingMessage },
  subject: Subject | undefined,
  what: string,
): Omit<Attempt, 'result'> {
  const claimed = readBasic(raw.headers.authorization ?? '')?.user;
  const who = subject === undefined ? claimed : nameOf(subject);
  const from = raw.socket.remoteAddress ?? '';
  return { door: 'http', what, from, requestId: id, ...(who === undefined ? {} : { who }) };
}
