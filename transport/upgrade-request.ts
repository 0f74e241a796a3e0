// The request that upgrades a connection to a datanode's HTTP port, and the answer to it.

import { hostAndPort } from '../base/address.ts';
import { SteleError } from '../base/errors.ts';
import type { LinkTarget } from '../proto/ports.ts';
import type { DialIdentity } from './dial-identity.ts';

const STATUS = /^HTTP\/1\.1 (\d{3}) /;
/** The status of a successful upgrade. */
export const CHANGED = '101';
/** The status of an upgrade by somebody who is not let in. */
export const REFUSED_LOGIN = '401';
/** Maximum size of an answer. */
export const ANSWER_BYTES_MAX = 1024;

/** A datanode's name in error messages. */
export function peerOf({ address: { host, httpPort }, nodeId }: LinkTarget): string {
  return `datanode ${nodeId} (${hostAndPort(host, httpPort)})`;
}

/** `headers` are further header lines, each with its line end. */
export function upgradeRequest(
  { address: { host, httpPort } }: LinkTarget,
  path: string,
  protocol: string,
  { authorization }: DialIdentity,
  headers = '',
): string {
  const shown = authorization === undefined ? '' : `authorization: ${authorization()}\r\n`;
  return (
    `GET ${path} HTTP/1.1\r\nhost: ${hostAndPort(host, httpPort)}\r\n` +
    `connection: upgrade\r\nupgrade: ${protocol}\r\n${shown}${headers}\r\n`
  );
}

/**
 * Describes a refused upgrade, as a verb phrase for a sentence that begins with the peer's name.
 */
export function refusedUpgrade(what: string, protocol: string, status: string): string {
  const who = 'a proxy or service mesh in between may refuse it';
  return `serves no ${what} there: the upgrade to ${protocol} was answered with HTTP status ${status} (${who})`;
}

/** The error of an upgrade with REFUSED_LOGIN. */
export function refusedLogin(peer: string): SteleError {
  return new SteleError(
    'UNAUTHENTICATED',
    `The ${peer} refused the login: the user, its password, the token or the cluster secret is wrong or missing.`,
  );
}

/** The status in `head`; 'none' if it is not an HTTP answer. */
export function answerStatus(head: string): string {
  return STATUS.exec(head)?.[1] ?? 'none';
}
