// Nodes that leave, over real connections.

import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { monotonicNowMs } from '../../../base/clock.ts';
import { ConnectionManager } from '../../../master/nodes/connection-manager.ts';
import { GrpcLinkFactory } from '../../../proto/grpc-link.ts';
import { GrpcServer } from '../../../proto/grpc-server.ts';
import { DatanodeServiceService } from '../../../proto/gen/stele/v1/datanode.ts';
import type { LinkTarget } from '../../../proto/ports.ts';
import { until } from '../../support/stele-process.ts';

const HEADER = { epoch: 1, nodeId: 'a', incarnation: '', clusterId: '' };

function target(grpcPort: number): LinkTarget {
  return { nodeId: 'a', address: { host: '127.0.0.1', httpPort: 1, respPort: 1, grpcPort } };
}

/** A datanode that takes calls and never answers them. */
async function startSilentNode(): Promise<{ readonly port: number; readonly calls: () => number }> {
  const server = new GrpcServer();
  let calls = 0;
  const heartbeat = (): void => void (calls += 1);
  server.server.addService(DatanodeServiceService, {
    ...Object.fromEntries(Object.keys(DatanodeServiceService).map((name) => [name, heartbeat])),
  });
  const port = await server.listen('127.0.0.1', 0, '--grpc-port');
  onTestFinished(() => server.close(100));
  return { port, calls: () => calls };
}

test('a leave ends the call in flight, and a dial that hangs, within 100 ms', async () => {
  const node = await startSilentNode();
  // Takes connections and says nothing: the dial of gRPC never ends.
  const mute = new Set<Socket>();
  const server = createServer((socket) => mute.add(socket.on('error', () => undefined)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of mute) socket.destroy();
    server.close();
  });
  for (const port of [node.port, (server.address() as AddressInfo).port]) {
    const manager = new ConnectionManager(new GrpcLinkFactory());
    manager.addDependency(target(port));
    let endedAtMs = 0;
    const call = manager
      .probe('a')!
      .heartbeat({ header: HEADER }, { deadlineMs: 10_000 })
      .catch(() => (endedAtMs = monotonicNowMs()));
    const calls = node.calls();
    await until('it to be under way', () => node.calls() > calls || mute.size > 0);
    const leftAtMs = monotonicNowMs();
    manager.remove('a');
    await call;
    expect(endedAtMs - leftAtMs).toBeLessThan(100);
  }
});
