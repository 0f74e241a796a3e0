// How one master reaches another one, by its address (HOST:PORT of its gRPC).

import { sleep, systemTime } from '../../base/clock.ts';
import { ClusterServiceClient } from '../../proto/gen/stele/v1/cluster.ts';
import type { WatchViewResponse } from '../../proto/gen/stele/v1/cluster.ts';
import type { ClusterView } from '../../proto/gen/stele/v1/view.ts';
import type { LeaderCalls } from '../../proto/operations.ts';
import type { DialIdentity } from '../../transport/dial-identity.ts';
import { callUnary, openClient } from '../../transport/grpc-channel.ts';
import { connectLeader } from './remote-leader.ts';

const WATCH_AGAIN_MS = 200;
const ASK_MS = 1_000;

interface FollowHandlers {
  onView(view: ClusterView): void;
  /** No views arrive until the next one does. */
  onLost(): void;
}

export interface MasterPeers {
  /** Passes calls on to it. */
  connect(address: string): LeaderCalls & { close(): void };
  /** Watches the views that it serves until the returned function is called. */
  follow(address: string, handlers: FollowHandlers): () => void;
  /** The view that it serves now. Throws UNAVAILABLE. */
  viewOf(address: string): Promise<ClusterView | undefined>;
}

/** Reaches them over gRPC. */
export const grpcPeers = (identity: DialIdentity = {}): MasterPeers => ({
  connect: (address) => connectLeader(address, identity),
  follow: (address, handlers) => {
    const stop = new AbortController();
    void watch(address, handlers, identity, stop.signal);
    return () => stop.abort();
  },
  viewOf: async (address) => {
    const client = openClient(ClusterServiceClient, address, identity);
    try {
      const method = client.getView.bind(client);
      return (await callUnary(method, {}, address, { deadlineMs: ASK_MS })).view;
    } finally {
      client.close();
    }
  },
});

async function watch(
  address: string,
  handlers: FollowHandlers,
  identity: DialIdentity,
  stop: AbortSignal,
): Promise<void> {
  const client = openClient(ClusterServiceClient, address, identity);
  while (!stop.aborted) {
    const call = client.watchView({});
    const cancel = (): void => call.cancel();
    stop.addEventListener('abort', cancel);
    try {
      for await (const { view } of call as AsyncIterable<WatchViewResponse>) {
        if (view !== undefined && !stop.aborted) handlers.onView(view);
      }
    } catch {
      // The election tells whether there is another leader; this one may come back.
    }
    stop.removeEventListener('abort', cancel);
    if (!stop.aborted) handlers.onLost();
    await sleep(WATCH_AGAIN_MS, stop, systemTime);
  }
  client.close();
}
