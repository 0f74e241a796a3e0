// A TCP proxy in front of one address that loses answers: what the server sends is dropped from a
// moment on, and with its first bytes the connection is cut, so that its client does not learn what
// the server has done.

import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

export interface AnswerProxy {
  /** `host:port` of the proxy. */
  readonly endpoint: string;
  /** Loses the answers on the connections that are open now. */
  loseAnswers(): void;
  /** Connections cut so far. */
  readonly lost: number;
  close(): void;
}

/** Forwards to `host`:`port`. Call `close`. */
export async function startAnswerProxy(host: string, port: number): Promise<AnswerProxy> {
  const open = new Set<Socket>();
  const losing = new WeakSet<Socket>();
  let lost = 0;
  const server = createServer((from) => {
    const to = connect({ host, port });
    open.add(from).add(to);
    const end = (): void => {
      for (const socket of [from, to]) {
        socket.destroy();
        open.delete(socket);
      }
    };
    from.on('data', (bytes) => to.write(bytes));
    to.on('data', (bytes) => {
      if (!losing.has(to)) {
        from.write(bytes);
        return;
      }
      lost++;
      end();
    });
    for (const socket of [from, to]) socket.on('error', () => undefined).on('close', end);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    loseAnswers: () => {
      for (const socket of open) losing.add(socket);
    },
    get lost() {
      return lost;
    },
    close: () => {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}
