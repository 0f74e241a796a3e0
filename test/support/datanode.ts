// A datanode as an object, without sockets, in a folder of its own.

import type { IncomingSegment } from '../../datanode/transfer/segment-connection.ts';
import { onTestFinished } from 'vitest';
import { BackgroundTasks } from '../../base/background.ts';
import { SteleError } from '../../base/errors.ts';
import { silentLogger } from '../../base/log.ts';
import { directLink } from '../../datanode/endpoints/direct-link.ts';
import { NodeIdentity } from '../../datanode/identity.ts';
import { Datanode } from '../../datanode/node.ts';
import { DiskStore } from '../../datanode/storage/store.ts';
import type { OrderHeader } from '../../proto/gen/stele/v1/datanode.ts';
import { LookupStatus } from '../../proto/gen/stele/v1/lookup.ts';
import type { BuiltSegment } from '../../segment/builder.ts';
import { TEST_UID } from './segments.ts';

/** What the master of the test's cluster writes over an order for `node`. */
export function orderHeader({ identity }: Datanode, more: Partial<OrderHeader> = {}): OrderHeader {
  const { incarnation, nodeId } = identity;
  return { epoch: 1, nodeId, incarnation, clusterId: 'c1', ...more };
}

/** Opened on what the folder holds; closed after the test. */
export async function openTestNode(
  folder: string,
  memoryMaxBytes = 1024 ** 3,
): Promise<{ node: Datanode; store: DiskStore }> {
  const store = new DiskStore({ folder, diskReserveBytes: 0, log: silentLogger });
  await store.prepare();
  const node = new Datanode({
    identity: NodeIdentity.open(folder, 'n1'),
    store,
    links: {
      connect: () => {
        throw new SteleError('UNAVAILABLE', 'no peers');
      },
    },
    zone: '',
    memoryMaxBytes,
    copyConcurrency: 2,
    hasIntakeBrake: true,
    background: new BackgroundTasks(silentLogger),
    log: silentLogger,
  });
  onTestFinished(() => node.close());
  await node.open();
  return { node, store };
}

/** What a connection does with the bytes that it reads. */
export function fill(arrival: IncomingSegment, bytes: Uint8Array): void {
  arrival.room.set(bytes);
  arrival.filled(bytes.length);
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
    fill(arrival, bytes);
    await arrival.finish();
  }
}

/** Values, and the status where there is none. */
export async function lookUpIn(
  node: Datanode,
  keys: readonly string[],
  version = 1,
): Promise<(string | LookupStatus)[]> {
  const answers: (string | LookupStatus)[] = [];
  await directLink(node).lookups.lookup(
    { keyspaceUid: TEST_UID, version },
    keys.map((key) => Buffer.from(key)),
    (index, status, bytes, start, end) => {
      answers[index] =
        status === LookupStatus.OK ? Buffer.from(bytes.subarray(start, end)).toString() : status;
    },
    { deadlineMs: 5000 },
  );
  return answers;
}

/** Waits for a condition, at most ten seconds. */
export async function eventually(what: string, condition: () => boolean): Promise<void> {
  const endMs = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
