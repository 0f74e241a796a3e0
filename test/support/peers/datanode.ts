// A datanode as an object, without sockets, in a folder of its own.

import { openStore } from '../../../archive/open-store.ts';
import { onTestFinished } from 'vitest';
import { BackgroundTasks } from '../../../base/background.ts';
import { systemEnv } from '../../../base/env.ts';
import type { Env } from '../../../base/env.ts';
import { SteleError } from '../../../base/errors.ts';
import { silentLogger } from '../../../base/log.ts';
import { directLink } from '../../../datanode/endpoints/direct-link.ts';
import { NodeIdentity } from '../../../datanode/identity.ts';
import { Datanode } from '../../../datanode/node.ts';
import { DiskStore } from '../../../datanode/storage/store.ts';
import type { OpenObjectStore } from '../../../datanode/transfer/object-stores.ts';
import type { DatanodeLink } from '../../../proto/ports.ts';
import type { OrderHeader } from '../../../proto/gen/stele/v1/datanode.ts';
import type { LookupStatus } from '../../../proto/gen/stele/v1/lookup.ts';
import type { BuiltSegment } from '../../../segment/builder.ts';
import { askFor } from './lookups.ts';
import { TEST_UID } from '../segments/segments.ts';
import { fillTarget } from '../../../transport/fetch-target.ts';

/** What the master of the test's cluster writes over an order for `node`. */
export function orderHeader({ identity }: Datanode, more: Partial<OrderHeader> = {}): OrderHeader {
  const { incarnation, nodeId } = identity;
  return { epoch: 1, nodeId, incarnation, clusterId: 'c1', ...more };
}

export interface TestNodeOptions {
  readonly memoryMaxBytes?: number;
  readonly diskCacheBytes?: number;
  readonly readAtOnceBytesMax?: number;
  readonly diskReserveBytes?: number;
  readonly serveWithoutMasterMaxMs?: number;
  /** By node id; without one, no other datanode can be reached. */
  readonly peers?: ReadonlyMap<string, DatanodeLink>;
  readonly openObjectStore?: OpenObjectStore;
  readonly env?: Env;
}

/**
 * The datanode `n1`, opened on what the folder holds; closed after the test, when it writes nothing
 * any more.
 */
export async function openTestNode(
  folder: string,
  {
    memoryMaxBytes = 1024 ** 3,
    diskReserveBytes = 0,
    peers = new Map<string, DatanodeLink>(),
    openObjectStore = ({ url, ...how }) => openStore(url, how),
    env = systemEnv,
    ...more
  }: TestNodeOptions = {},
): Promise<{ node: Datanode; store: DiskStore; folder: string }> {
  const store = new DiskStore({ folder, diskReserveBytes, log: silentLogger, env });
  await store.prepare();
  const background = new BackgroundTasks(silentLogger);
  const node = new Datanode({
    ...more,
    env,
    identity: await NodeIdentity.open(folder, 'n1'),
    store,
    links: {
      connect: ({ nodeId }) => {
        const link = peers.get(nodeId);
        if (link === undefined) throw new SteleError('UNAVAILABLE', `no peer ${nodeId}`);
        return link;
      },
    },
    zone: '',
    memoryMaxBytes,
    copyConcurrency: 2,
    openObjectStore,
    hasIntakeBrake: true,
    background,
    log: silentLogger,
  });
  onTestFinished(async () => {
    await node.close();
    await background.settled();
  });
  await node.open();
  return { node, store, folder };
}

/** As a loader does. */
export async function pushTo(node: Datanode, segments: readonly BuiltSegment[]): Promise<void> {
  for (const { bytes, info } of segments) {
    const arrival = await node.receiving.admit({
      keyspaceUid: TEST_UID,
      segmentId: info.id,
      byteLength: bytes.length,
      expectNode: '',
      expectIncarnation: '',
      loadId: '',
    });
    if (arrival === undefined) continue;
    await fillTarget(arrival, bytes);
    await arrival.finish();
  }
}

/** Values, and the status where there is none. */
export async function lookUpIn(
  node: Datanode,
  keys: readonly string[],
  version = 1,
): Promise<(string | LookupStatus)[]> {
  return askFor(directLink(node).lookups, keys, { keyspaceUid: TEST_UID, version });
}

/** Waits for a condition, at most ten seconds. */
export async function eventually(what: string, condition: () => boolean): Promise<void> {
  const endMs = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
