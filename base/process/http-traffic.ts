// The connections of a server, and the bytes that went through them.

import type { Server, Socket } from 'node:net';
import type { MetricSet } from './metrics.ts';

/** Connections of one kind: those that are open, and the bytes of all since the start. */
export interface Traffic {
  readonly connections: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

export const NO_TRAFFIC: Traffic = { connections: 0, bytesIn: 0, bytesOut: 0 };

/** Counts the connections of a server that does not listen yet. Costs nothing per request. */
export class HttpTraffic {
  readonly #open = new Set<Socket>();
  #bytesIn = 0;
  #bytesOut = 0;

  constructor(server: Server) {
    server.on('connection', (socket: Socket) => {
      this.#open.add(socket);
      socket.once('close', () => {
        this.#open.delete(socket);
        this.#bytesIn += socket.bytesRead;
        this.#bytesOut += socket.bytesWritten;
      });
    });
  }

  get connections(): number {
    return this.#open.size;
  }

  /** With the bytes of open connections. */
  get now(): Traffic {
    let bytesIn = this.#bytesIn;
    let bytesOut = this.#bytesOut;
    for (const socket of this.#open) {
      bytesIn += socket.bytesRead;
      bytesOut += socket.bytesWritten;
    }
    return { connections: this.#open.size, bytesIn, bytesOut };
  }
}

/** Adds the metrics of the connections that clients open, by protocol. */
export function defineTrafficMetrics<Protocol extends string>(
  set: MetricSet,
  traffic: () => Readonly<Record<Protocol, Traffic>>,
): void {
  const ofEach = (name: string, help: string, value: (traffic: Traffic) => number): void =>
    set.series(name, help, () =>
      Object.entries<Traffic>(traffic()).map(([protocol, now]) => [{ protocol }, value(now)]),
    );
  ofEach('stele_connections', 'Open client connections', ({ connections }) => connections);
  ofEach('stele_received_bytes_total', 'Bytes received from clients', ({ bytesIn }) => bytesIn);
  ofEach('stele_sent_bytes_total', 'Bytes sent to clients', ({ bytesOut }) => bytesOut);
}
