// Peers of a gRPC channel: one that accepts calls, one that accepts connections and sends nothing,
// one that refuses them. All end with the test.

import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import { DatanodeServiceService, HeartbeatResponse } from '../../../proto/gen/stele/v1/datanode.ts';
import { GrpcServer } from '../../../transport/grpc-server.ts';
import type { LinkTarget } from '../../../proto/ports.ts';

export interface Peer {
  readonly port: number;
  /** Number of calls, or of accepted connections. */
  readonly seen: () => number;
}

export interface GrpcPeer extends Peer {
  /** Cuts every connection. */
  close(): Promise<void>;
}

/** A datanode that answers heartbeats with empty messages, or accepts them and never answers. */
export async function startGrpcPeer({ answers }: { answers: boolean }): Promise<GrpcPeer> {
  const server = new GrpcServer();
  let seen = 0;
  const empty = HeartbeatResponse.decode(new Uint8Array(0));
  const method = (_call: unknown, callback: (error: null, value: unknown) => void): void => {
    seen += 1;
    if (answers) callback(null, empty);
  };
  const names = Object.keys(DatanodeServiceService);
  server.addService(
    DatanodeServiceService,
    Object.fromEntries(names.map((name) => [name, method])),
  );
  const port = await server.listen('127.0.0.1', 0, '--grpc-port');
  const close = (): Promise<void> => server.close(0);
  onTestFinished(close);
  return { port, seen: () => seen, close };
}

/** Accepts connections and sends nothing: to gRPC it looks like a process that hangs. */
export async function startMutePeer(): Promise<Peer> {
  let seen = 0;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    seen += 1;
    sockets.add(socket);
    // Reads, so that the end of the other side is noticed.
    socket.on('error', () => undefined).resume();
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, seen: () => seen };
}

/** A port that nothing listens on. */
export async function refusingPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export function targetAt(nodeId: string, grpcPort: number): LinkTarget {
  return { nodeId, address: { host: '127.0.0.1', httpPort: 1, respPort: 1, grpcPort } };
}

/** TCP connections that this process has open, including accepted ones. */
export function openSockets(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;
}
