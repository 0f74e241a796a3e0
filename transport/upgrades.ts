// Upgrades of connections to the HTTP port with their first request (101 Switching Protocols).

import type { IncomingHttpHeaders, IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { Socket } from 'node:net';
import type { Access } from '../access/access.ts';
import type { Subject } from '../access/subject.ts';
import { toSteleError } from '../base/errors.ts';
import type { ErrorCode } from '../base/errors.ts';
import { shownBy } from './http-access.ts';

/** Time for a refused peer to close the connection. */
const REFUSED_MS_MAX = 1000;

/** A protocol that a connection can be upgraded to. */
export interface Upgrade {
  readonly path: string;
  /** The value of the peer's `upgrade` header. */
  readonly protocol: string;
  /** Maximum number of connections; further ones are refused with 503. */
  readonly connectionsMax: number;
  /**
   * Serves `socket` from after the 101 until it closes, then calls `onClose`. `subject` is who sent the
   * request, with --auth on.
   */
  open(
    socket: Socket,
    headers: IncomingHttpHeaders,
    onClose: () => void,
    subject?: Subject,
  ): { close(): void };
}

/** Accepts upgrades at `server`. The returned function closes all upgraded connections. */
export function acceptUpgrades(
  server: Server,
  upgrades: readonly Upgrade[],
  access?: Access,
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
    if (access === undefined) return begin(wanted, stream, headers);
    // The peer sends nothing before it has our 101.
    access.identify(shownBy(request)).then(
      (subject) => begin(wanted, stream, headers, subject),
      (thrown: unknown) => refuse(stream, statusOf(toSteleError(thrown).code)),
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
  subject?: Subject,
): void {
  if (open.size >= upgrade.connectionsMax) return refuse(stream, '503 Service Unavailable');
  if (!(stream instanceof Socket) || stream.destroyed) return;
  stream.write(
    `HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: ${upgrade.protocol}\r\n\r\n`,
  );
  const connection = upgrade.open(stream, headers, () => open.delete(connection), subject);
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
