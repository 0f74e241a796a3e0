// What a connection and a request to a port show of who sends them.

import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Shown } from '../access/access.ts';
import { nameOf } from '../access/audit/audit.ts';
import type { Attempt } from '../access/audit/audit.ts';
import { readBasic } from '../access/basic.ts';
import type { PeerCertificate } from '../access/cluster-secret.ts';
import type { Subject } from '../access/subject.ts';

/** Certificates by connection: taking one apart costs more than a short answer. */
const certificates = new WeakMap<Socket, PeerCertificate>();

/** The certificate that a client showed, if a trusted authority has signed it. */
export function certificateOf(socket: Socket): PeerCertificate | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  let certificate = certificates.get(socket);
  if (certificate === undefined) {
    certificate = socket.getPeerCertificate();
    certificates.set(socket, certificate);
  }
  return certificate;
}

export function shownBy({ headers, socket }: IncomingMessage): Shown {
  return {
    authorization: headers.authorization,
    certificate: () => certificateOf(socket),
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
