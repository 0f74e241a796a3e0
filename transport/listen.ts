// Opens ports: the RESP port here, those of fastify and grpc-js through the functions below, so
// that a failure to open a port is the same error everywhere.

import { createServer } from 'node:net';
import type { Server, ServerOpts, Socket } from 'node:net';
import type { Server as HttpServer } from 'node:http';
import { createServer as createTlsServer } from 'node:tls';
import type { Server as TlsServer } from 'node:tls';
import { hostAndPort } from '../base/address.ts';
import { SteleError, systemErrorCode, toSteleError } from '../base/errors.ts';
import type { TlsIdentity } from './tls/tls-identity.ts';
import { secureServer, tlsServerOptions } from './tls/tls-server.ts';

const BACKLOG = 1024;

/** A port to open. */
export interface PortOptions {
  readonly host: string;
  /** 0 picks a free port. */
  readonly port: number;
  /** The setting of the port, for error messages: `--resp-port`. */
  readonly flag: string;
  /** Makes it a port of TLS, and of nothing else. */
  readonly tls?: TlsIdentity | undefined;
}

/** Opens a TCP port and passes its connections to `onConnection`. Throws PORT_IN_USE or IO. */
export async function listenTcp(
  options: PortOptions,
  serverOptions: ServerOpts,
  onConnection: (socket: Socket) => void,
): Promise<{ readonly port: number; readonly server: Server }> {
  const { host, port, tls } = options;
  const server =
    tls === undefined
      ? createServer(serverOptions, onConnection)
      : secured(tls, serverOptions, onConnection);
  await opening(options, () => bound(server, { host, port, backlog: BACKLOG }));
  return { port: portOf(server, port), server };
}

function secured(
  tls: TlsIdentity,
  serverOptions: ServerOpts,
  onConnection: (socket: Socket) => void,
): Server {
  const server = createTlsServer({ ...serverOptions, ...tlsServerOptions(tls) }, onConnection);
  secureServer(server, tls);
  return server;
}

/**
 * Starts a fastify app on the port; with `tls`, one that was made with its `httpOptions`. Returns
 * the port. Throws PORT_IN_USE or IO.
 */
export async function listenHttp(
  app: {
    readonly server: HttpServer;
    listen(options: { host: string; port: number; backlog: number }): Promise<unknown>;
  },
  options: PortOptions,
): Promise<number> {
  const { host, port, tls } = options;
  if (tls !== undefined) secureServer(app.server as unknown as TlsServer, tls);
  await opening(options, () => app.listen({ host, port, backlog: BACKLOG }));
  return portOf(app.server, port);
}

/**
 * Throws PORT_IN_USE for the first port that is in use, so that a start fails before it has created
 * anything. The keys of the ports are flags without dashes. Port 0 is always free.
 */
export async function checkPortsFree(
  host: string,
  ports: Readonly<Record<string, number>>,
): Promise<void> {
  for (const [flag, port] of Object.entries(ports)) {
    await checkPortFree({ host, port, flag: `--${flag}` });
  }
}

/**
 * Throws PORT_IN_USE if something listens on the port, IO if it cannot be opened for another
 * reason.
 */
export async function checkPortFree(options: PortOptions): Promise<void> {
  if (options.port === 0) return;
  const { server } = await listenTcp(options, {}, (socket) => socket.destroy());
  await new Promise((resolve) => server.close(resolve));
}

/** Ports of `host` that were free a moment ago. */
export async function freePorts(host: string, count: number): Promise<number[]> {
  const opened = await Promise.all(
    Array.from({ length: count }, () =>
      listenTcp({ host, port: 0, flag: '--host' }, {}, (socket) => socket.destroy()),
    ),
  );
  await Promise.all(opened.map(({ server }) => new Promise((resolve) => server.close(resolve))));
  return opened.map(({ port }) => port);
}

async function opening({ host, port, flag }: PortOptions, open: () => Promise<unknown>) {
  try {
    await open();
  } catch (thrown) {
    if (systemErrorCode(thrown) !== 'EADDRINUSE') throw toSteleError(thrown, 'IO');
    throw new SteleError(
      'PORT_IN_USE',
      `Something already listens on ${hostAndPort(host, port)}; stop it, or choose another port with ${flag} (0 picks a free one).`,
      { cause: thrown },
    );
  }
}

function bound(
  server: Server,
  options: { host: string; port: number; backlog: number },
): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(options, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function portOf(server: Server | HttpServer, port: number): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : port;
}
