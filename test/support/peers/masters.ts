// Masters of a list: real gRPC servers that answer every call of ClusterService and AccessService
// with an empty message, with an error, or never. In this process, or in a process of its own that
// can be stopped. All end with the test.

import type { sendUnaryData } from '@grpc/grpc-js';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { onTestFinished } from 'vitest';
import type { SteleError } from '../../../base/errors.ts';
import { AccessServiceService } from '../../../proto/gen/stele/v1/access.ts';
import { ClusterServiceService } from '../../../proto/gen/stele/v1/cluster.ts';
import { toGrpcError } from '../../../transport/grpc-errors.ts';
import type { ClusterView } from '../../../proto/gen/stele/v1/view.ts';
import { GrpcServer } from '../../../transport/grpc-server.ts';
import { builtModule } from '../process/stele-process.ts';

export interface MasterPeer {
  readonly address: string;
  /** The methods that were called, in order. */
  readonly calls: string[];
  /** How calls are answered from now on: by an empty message, this error, or never. */
  reply: 'empty' | 'never' | SteleError;
  /** Cuts every connection, and refuses later ones. */
  close(): Promise<void>;
}

export async function startMasterPeer(
  reply: MasterPeer['reply'] = 'empty',
  { host = '127.0.0.1', port = 0 } = {},
): Promise<MasterPeer> {
  const server = new GrpcServer();
  const calls: string[] = [];
  for (const service of [ClusterServiceService, AccessServiceService]) {
    const methods = Object.entries(service).map(([name, { responseDeserialize }]) => {
      const method = (_call: unknown, callback: sendUnaryData<unknown>): void => {
        calls.push(name);
        if (peer.reply === 'empty') callback(null, responseDeserialize(Buffer.alloc(0)));
        else if (peer.reply !== 'never') callback(toGrpcError(peer.reply));
      };
      return [name, method] as const;
    });
    server.addService(service, Object.fromEntries(methods));
  }
  const bound = await server.listen(host, port, '--grpc-port');
  const close = (): Promise<void> => server.close(0);
  onTestFinished(close);
  const peer: MasterPeer = { address: `${host}:${bound}`, calls, reply, close };
  return peer;
}

/** A master that sends `view` to each that watches, and the number of those. */
export async function startViews(view: ClusterView | undefined) {
  const server = new GrpcServer();
  let watches = 0;
  const watchView = (call: { write(message: unknown): void }): void => {
    watches++;
    if (view !== undefined) call.write({ view });
  };
  const names = Object.keys(ClusterServiceService);
  server.addService(
    ClusterServiceService,
    Object.fromEntries(names.map((name) => [name, watchView])),
  );
  const port = await server.listen('127.0.0.1', 0, '--grpc-port');
  const close = (): Promise<void> => server.close(0);
  onTestFinished(close);
  return { address: `127.0.0.1:${port}`, close, watches: () => watches };
}

export interface MasterProcess {
  readonly address: string;
  /** `SIGSTOP`: it keeps its connections, accepts more, and is silent. */
  kill(signal: 'SIGSTOP' | 'SIGKILL'): void;
}

const script = (): string => `
  const { ClusterServiceService } = await import(${JSON.stringify(builtModule('proto/gen/stele/v1/cluster.ts'))});
  const { GrpcServer } = await import(${JSON.stringify(builtModule('transport/grpc-server.ts'))});
  const server = new GrpcServer();
  const methods = Object.entries(ClusterServiceService).map(([name, { responseDeserialize }]) => [
    name, (call, callback) => callback(null, responseDeserialize(Buffer.alloc(0))),
  ]);
  server.addService(ClusterServiceService, Object.fromEntries(methods));
  console.log(await server.listen('127.0.0.1', 0, '--grpc-port'));`;

/** A master that answers every call with an empty message, in a process of its own. */
export async function startMasterProcess(): Promise<MasterProcess> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', script()], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [port] = (await once(child.stdout, 'data')) as [Buffer];
  return {
    address: `127.0.0.1:${Number(port.toString())}`,
    kill: (signal) => void child.kill(signal),
  };
}
