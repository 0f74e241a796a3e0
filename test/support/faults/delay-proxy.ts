// A slow network in front of one address: everything that passes is delayed by a fixed time.

import { connect, createServer } from 'node:net';
import type { Socket } from 'node:net';

export interface DelayProxy {
  /** Delay per direction in ms; 0: none. */
  delayMs: number;
  /** Bytes that were delayed so far. */
  delayedBytes: number;
  close(): void;
}

/** Listens on `host`:`port` and forwards to 127.0.0.1:`port`; resolves when it listens. */
export async function startDelayProxy(host: string, port: number): Promise<DelayProxy> {
  const sockets = new Set<Socket>();
  const proxy: DelayProxy = {
    delayMs: 0,
    delayedBytes: 0,
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
  const server = createServer((from) => {
    const to = connect({ host: '127.0.0.1', port });
    for (const [source, target] of [
      [from, to],
      [to, from],
    ] as const) {
      sockets.add(source);
      forward(source, target, proxy);
      source.on('close', () => sockets.delete(source));
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, host, resolve);
  });
  return proxy;
}

/** In order, because the delay of a piece is never shorter than that of earlier ones. */
function forward(source: Socket, target: Socket, proxy: DelayProxy): void {
  let dueMs = 0;
  const later = (work: () => void): void => {
    const nowMs = performance.now();
    dueMs = Math.max(dueMs, nowMs + proxy.delayMs);
    if (dueMs - nowMs < 1) work();
    else setTimeout(work, dueMs - nowMs);
  };
  source.on('data', (bytes: Buffer) => {
    if (proxy.delayMs > 0) proxy.delayedBytes += bytes.length;
    later(() => {
      if (!target.destroyed) target.write(bytes);
    });
  });
  source.on('close', () => later(() => target.destroy()));
  source.on('error', () => undefined);
}
