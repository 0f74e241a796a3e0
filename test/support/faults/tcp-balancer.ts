// A TCP load balancer as users have one in front of query nodes: every connection goes to the next
// address, and past one that refuses it. What is lost on a connection is lost: it sends nothing
// twice.

import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

export interface TcpBalancer {
  readonly port: number;
  /** By target: the connections that it got so far. */
  readonly counts: readonly number[];
  close(): void;
}

/** Listens on 127.0.0.1, in front of these ports of 127.0.0.1. */
export async function startTcpBalancer(ports: readonly number[]): Promise<TcpBalancer> {
  const sockets = new Set<Socket>();
  const counts = ports.map(() => 0);
  let next = 0;
  const keep = (socket: Socket): void => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
  };
  const passOn = (from: Socket, tries: number): void => {
    if (tries === 0 || from.destroyed) return void from.destroy();
    const at = next++ % ports.length;
    const to = connect({ host: '127.0.0.1', port: ports[at] ?? 0 });
    keep(to);
    const again = (): void => passOn(from, tries - 1);
    to.once('error', again).once('connect', () => {
      counts[at] = (counts[at] ?? 0) + 1;
      to.off('error', again);
      from.pipe(to).pipe(from);
      from.once('close', () => to.destroy());
      to.once('close', () => from.destroy());
    });
  };
  const server = createServer({ noDelay: true }, (from) => {
    keep(from);
    passOn(from, ports.length);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    counts,
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
