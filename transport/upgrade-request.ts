// The first request of a connection that leaves HTTP behind at a datanode's HTTP port, and its answer.

import type { LinkTarget } from '../proto/ports.ts';

const STATUS = /^HTTP\/1\.1 (\d{3}) /;
/** Of an answer that is a change of protocol. */
export const CHANGED = '101';
/** An answer has no more than this. */
export const ANSWER_BYTES_MAX = 1024;

/** A datanode as it is named in errors. */
export function peerOf({ address: { host, httpPort }, nodeId }: LinkTarget): string {
  return `datanode ${nodeId} (${host}:${httpPort})`;
}

/** `headers` are further lines, each with its end. */
export function upgradeRequest(
  { address: { host, httpPort } }: LinkTarget,
  path: string,
  protocol: string,
  headers = '',
): string {
  return (
    `GET ${path} HTTP/1.1\r\nhost: ${host}:${httpPort}\r\n` +
    `connection: upgrade\r\nupgrade: ${protocol}\r\n${headers}\r\n`
  );
}

/** What a peer that answers with `status` has done, for a sentence that begins with its name. */
export function refusedUpgrade(what: string, protocol: string, status: string): string {
  const who = 'a proxy or service mesh in between may refuse it';
  return `gives no ${what} there: the upgrade to ${protocol} was answered with HTTP status ${status} (${who})`;
}

/** The status of an answer that begins with `head`; 'none' where it is no answer. */
export function answerStatus(head: string): string {
  return STATUS.exec(head)?.[1] ?? 'none';
}
