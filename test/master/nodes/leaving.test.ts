// Nodes that leave, over real connections.

import { queryObjects } from 'node:v8';
import { Subchannel } from '@grpc/grpc-js/build/src/subchannel.js';
import { describe, expect, onTestFinished, test } from 'vitest';
import { monotonicNowMs, sleep } from '../../../base/clock.ts';
import { ConnectionManager } from '../../../master/control/nodes/connection-manager.ts';
import { GrpcLinkFactory } from '../../../transport/grpc-link.ts';
import {
  openSockets,
  refusingPort,
  startGrpcPeer,
  startMutePeer,
  targetAt,
} from '../../support/peers/peers.ts';
import { seededRandom } from '../../support/inputs/rows.ts';
import { until } from '../../support/process/stele-process.ts';

const HEADER = { epoch: 1, nodeId: 'a', incarnation: '', clusterId: '' };
const FLAPS = 1000;
const NODES = 20;

function manager(): ConnectionManager {
  return new ConnectionManager(new GrpcLinkFactory());
}

describe('a leave', () => {
  test('ends the call in flight, and a dial that hangs, within 100 ms', async () => {
    for (const peer of [await startGrpcPeer({ answers: false }), await startMutePeer()]) {
      const connections = manager();
      connections.addDependency(targetAt('a', peer.port));
      let endedAtMs = 0;
      const call = connections
        .probe('a')!
        .heartbeat({ header: HEADER }, { deadlineMs: 10_000 })
        .catch(() => (endedAtMs = monotonicNowMs()));
      await until('it to be under way', () => peer.seen() > 0);
      const leftAtMs = monotonicNowMs();
      connections.remove('a');
      await call;
      expect(endedAtMs - leftAtMs).toBeLessThan(100);
    }
  });

  test(`leaves nothing open: ${FLAPS} times a node joins and leaves, which answers, is mute or refuses`, async () => {
    const seed = Date.now() % 1_000_000;
    console.log(`  seed ${seed}`);
    const random = seededRandom(seed);
    const answering = await startGrpcPeer({ answers: true });
    const ports = [answering.port, (await startMutePeer()).port, await refusingPort()];
    const before = { sockets: openSockets(), subchannels: subchannels() };
    const connections = manager();
    const calls: Promise<unknown>[] = [];
    for (let flap = 0; flap < FLAPS; flap++) {
      const id = `node-${flap % NODES}`;
      connections.remove(id);
      connections.addDependency(targetAt(id, ports[Math.floor(random() * 3)] ?? 0));
      const call = connections
        .probe(id)!
        .heartbeat({ header: HEADER }, { deadlineMs: 10_000 })
        .catch(() => undefined);
      calls.push(call);
      // Some leave at once, some when the call is over, some while it is in progress.
      if (random() < 0.2) await Promise.race([call, sleep(10 * random())]);
    }
    // Those that have not left are still connecting on a busy machine.
    await until('one that answers to be called', () => answering.seen() > 0);
    expect(openSockets()).toBeGreaterThan(before.sockets);
    connections.close();
    await Promise.all(calls);
    await until('every socket to be closed', () => openSockets() <= before.sockets);
    // Timers of theirs run out first.
    await until('no subchannel', () => subchannels() <= before.subchannels, 20_000, 200);
  }, 60_000);
});

test('a connection that ends is told of at once, without any reader', async () => {
  const peer = await startGrpcPeer({ answers: true });
  const lost: string[] = [];
  const connections = new ConnectionManager(new GrpcLinkFactory(), (nodeId) => lost.push(nodeId));
  onTestFinished(() => connections.close());
  connections.addDependency(targetAt('a', peer.port));
  await connections.probe('a')!.heartbeat({ header: HEADER }, { deadlineMs: 5000 });
  expect(lost).toEqual([]);
  await peer.close();
  await until('the loss to be told', () => lost.length > 0, 2000, 5);
  expect(lost).toEqual(['a']);
});

/** Counted in the heap, after a full collection. */
function subchannels(): number {
  return queryObjects(Subchannel, { format: 'count' });
}
