// Connections of the HTTP port that change to the segment protocol (proto/segment-transfer.ts).

import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { Socket } from 'node:net';
import { SEGMENTS_PATH, SEGMENTS_PROTOCOL } from '../proto/segment-transfer.ts';
import { SegmentConnection } from './segment-connection.ts';
import type { SegmentKeeper } from './segment-connection.ts';

/** Loaders use eight each, datanodes a few. Whoever comes on top is refused and tries again. */
const CONNECTIONS_MAX = 1024;
/** A refused peer has so long to hang up. */
const REFUSED_MS_MAX = 1000;

/** Starts to take and give segments at `server`; the returned function cuts all their connections off. */
export function exchangeSegments(server: Server, keeper: SegmentKeeper): () => void {
  const open = new Set<SegmentConnection>();
  server.on('upgrade', (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    // Until it is somebody's, or closed.
    stream.on('error', () => stream.destroy());
    if (!isForSegments(request) || head.length > 0) refuse(stream, '400 Bad Request');
    else if (open.size >= CONNECTIONS_MAX) refuse(stream, '503 Service Unavailable');
    else if (stream instanceof Socket) {
      stream.write(
        `HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: ${SEGMENTS_PROTOCOL}\r\n\r\n`,
      );
      const connection = new SegmentConnection(stream, keeper, () => open.delete(connection));
      open.add(connection);
    }
  });
  return () => {
    for (const connection of open) connection.close();
  };
}

function isForSegments({ headers, url }: IncomingMessage): boolean {
  return url === SEGMENTS_PATH && headers.upgrade === SEGMENTS_PROTOCOL;
}

function refuse(stream: Duplex, status: string): void {
  stream.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
  // A peer that does not hang up in its turn would keep the descriptor.
  const cutOff = setTimeout(() => stream.destroy(), REFUSED_MS_MAX);
  stream.once('close', () => clearTimeout(cutOff));
}
