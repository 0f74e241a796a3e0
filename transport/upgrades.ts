// Upgrades of connections to the HTTP port with their first request (101 Switching Protocols).

import type { IncomingHttpHeaders, IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { Socket } from 'node:net';
import type { Access } from '../access/access.ts';
import type { Audit, Door } from '../access/audit/audit.ts';
import { nameOf } from '../access/audit/audit.ts';
import { readBasic } from '../access/basic.ts';
import type { Subject } from '../access/subject.ts';
import { toSteleError } from '../base/errors.ts';
import type { ErrorCode } from '../base/errors.ts';
import { shownBy } from './http-access.ts';

/** Time for a refused peer to close the connection. */
const REFUSED_MS_MAX = 1000;

/** Who upgraded a connection. */
export interface Peer {
  /** Undefined: without --auth on. */
  readonly subject: Subject | undefined;
  /** Call it with what was thrown for a request of the peer: refusals are recorded. */
  onError(thrown: unknown): void;
}

/** A protocol that a connection can be upgraded to. */
export interface Upgrade {
  readonly path: string;
  /** Its name in the audit log. */
  readonly door: Door;
  /** The value of the peer's `upgrade` header. */
  readonly protocol: string;
  /** Maximum number of connections; further ones are refused with 503. */
  readonly connectionsMax: number;
  /**
   * Serves `socket` from after the 101 until it closes, then calls `onClose`. `peer` is who sent
   * the request.
   */
  open(
    socket: Socket,
    headers: IncomingHttpHeaders,
    onClose: () => void,
    peer: Peer,
  ): { close(): void };
}

/** Accepts upgrades at `server`. The returned function closes all upgraded connections. */
export function acceptUpgrades(
  server: Server,
  upgrades: readonly Upgrade[],
  {
    access,
    audit,
  }: { readonly access?: Access | undefined; readonly audit?: Audit | undefined } = {},
): () => void {
  const all: Upgrading[] = upgrades.map((upgrade) => ({ upgrade, open: new Set() }));
  server.on('upgrade', (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    // Applies until the stream has another listener or is closed.
    stream.on('error', () => stream.destroy());
    const { headers, url } = request;
    const wanted = all.find(({ upgrade: { path, protocol } }) => {
      return url === path && headers.upgrade === protocol;
    });
    // Bytes before our 101 mean that the peer does not speak this protocol.
    if (wanted === undefined || head.length > 0) return refuse(stream, '400 Bad Request');
    const peerOf = (subject?: Subject): Peer => {
      const claimed = readBasic(headers.authorization ?? '')?.user;
      const who = subject === undefined ? claimed : nameOf(subject);
      const { door, protocol } = wanted.upgrade;
      const from = request.socket.remoteAddress ?? '';
      const attempt = { door, what: protocol, from, ...(who === undefined ? {} : { who }) };
      return { subject, onError: (thrown) => audit?.noteRefusal(thrown, attempt) };
    };
    if (access === undefined) return begin(wanted, stream, headers, peerOf());
    // The peer sends nothing before it has our 101.
    access.identify(shownBy(request)).then(
      (subject) => begin(wanted, stream, headers, peerOf(subject)),
      (thrown: unknown) => {
        peerOf().onError(thrown);
        refuse(stream, statusOf(toSteleError(thrown).code));
      },
    );
  });
  return () => {
    for (const { open } of all) for (const connection of open) connection.close();
  };
}

interface Upgrading {
  readonly upgrade: Upgrade;
  readonly open: Set<{ close(): void }>;
}

function begin(
  { open, upgrade }: Upgrading,
  stream: Duplex,
  headers: IncomingHttpHeaders,
  peer: Peer,
): void {
  if (open.size >= upgrade.connectionsMax) return refuse(stream, '503 Service Unavailable');
  if (!(stream instanceof Socket) || stream.destroyed) return;
  stream.write(
    `HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: ${upgrade.protocol}\r\n\r\n`,
  );
  const connection = upgrade.open(stream, headers, () => open.delete(connection), peer);
  open.add(connection);
}

function statusOf(code: ErrorCode): string {
  return code === 'UNAUTHENTICATED' ? '401 Unauthorized' : '503 Service Unavailable';
}

function refuse(stream: Duplex, status: string): void {
  endSoon(stream, `HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
}

/** Sends a refusal and closes, after a second at the latest. */
export function endSoon(stream: Duplex, refusal: string | Buffer): void {
  stream.end(refusal);
  // A peer that does not close its side would keep the descriptor.
  const cutOff = setTimeout(() => stream.destroy(), REFUSED_MS_MAX);
  stream.once('close', () => clearTimeout(cutOff));
}
