// Datanodes that answer heartbeats and no reads, and readers that hurry a heartbeat.

import { describe, expect, onTestFinished, test } from 'vitest';
import { BackgroundTasks } from '../../../../base/background.ts';
import { SteleError } from '../../../../base/errors.ts';
import { silentLogger } from '../../../../base/log.ts';
import { NodeState } from '../../../../proto/gen/stele/v1/view.ts';
import { LookupStatus } from '../../../../proto/gen/stele/v1/lookup.ts';
import type { DatanodeLink, LinkFactory } from '../../../../proto/ports.ts';
import { ConnectionManager } from '../../../../master/control/nodes/connection-manager.ts';
import { Heartbeater } from '../../../../master/control/nodes/heartbeater.ts';
import { ReadProbes } from '../../../../master/control/nodes/read-probe.ts';
import { until } from '../../control-plane.ts';
import { channelOf } from '../../../support/peers/lookups.ts';
import { FakeNetwork } from '../../fake-datanodes.ts';

const A = { nodeId: 'a', address: { host: 'h', httpPort: 1, respPort: 1, grpcPort: 1 } };
const background = new BackgroundTasks(silentLogger);

/** One node with scripted reads and heartbeats. */
class OneNode implements LinkFactory {
  readonly connections = new ConnectionManager(this);
  reads: () => Promise<void> = () => Promise.resolve();
  hangs = false;
  readsAsked = 0;
  beatsAsked = 0;

  constructor() {
    this.connections.addDependency(A);
    this.#online();
  }

  connect(): DatanodeLink {
    const lookups = channelOf(async (batch) => {
      this.readsAsked++;
      await this.reads();
      batch.onAnswer(LookupStatus.UNAVAILABLE, Buffer.alloc(0), 0, 0);
    });
    const link = new FakeNetwork().connect(A);
    return {
      ...link,
      lookups,
      heartbeat: (_request, { deadlineMs, signal }) => {
        this.beatsAsked++;
        if (this.hangs) return silence(deadlineMs, signal);
        return Promise.resolve({ ...ANSWER });
      },
    };
  }

  #online(): void {
    const link = this.connections.probe('a');
    if (link !== undefined) this.connections.report('a', link, true);
  }
}

const ANSWER = {
  nodeId: 'a',
  incarnation: 'a-1',
  state: NodeState.SERVING,
  verifyBytesDone: 0,
  verifyBytesTotal: 0,
  holdingsRevision: 1,
  viewEpoch: 1,
  viewRevision: 1,
  stats: undefined,
  address: undefined,
  zone: '',
  copyFailures: [],
  tierMoves: [],
};

function silence(deadlineMs: number, signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_resolve, reject) => {
    const fail = (): void => reject(new SteleError('DEADLINE_EXCEEDED', 'silent'));
    const timer = setTimeout(fail, deadlineMs);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      fail();
    });
  });
}

function probesOf(node: OneNode): { probes: ReadProbes; changes: boolean[] } {
  const changes: boolean[] = [];
  const { connections } = node;
  const onChange = (_nodeId: string, failing: boolean): number => changes.push(failing);
  return {
    changes,
    probes: new ReadProbes({ deadlineMs: 100, connections, background, onChange }),
  };
}

/** Heartbeats, each after the probe of the one before. */
async function beats(probes: ReadProbes, count: number): Promise<void> {
  for (let beat = 0; beat < count; beat++) {
    probes.onBeat('a');
    await background.settled();
  }
}

const broken = (): Promise<never> => Promise.reject(new SteleError('UNAVAILABLE', 'no reads'));

test('reads are probed with every fourth heartbeat while nothing is wrong', async () => {
  const node = new OneNode();
  const { changes, probes } = probesOf(node);
  await beats(probes, 12);
  expect([node.readsAsked, changes]).toEqual([3, []]);
});

test('two probes in a row that fail are told, and two that are answered', async () => {
  const node = new OneNode();
  const { changes, probes } = probesOf(node);
  await beats(probes, 4);
  node.reads = broken;
  await beats(probes, 1);
  expect(changes).toEqual([]);
  await beats(probes, 3);
  expect(changes).toEqual([true]);
  node.reads = () => Promise.resolve();
  await beats(probes, 1);
  expect(changes).toEqual([true]);
  await beats(probes, 1);
  expect(changes).toEqual([true, false]);
});

test('one probe that fails tells nothing, nor does a node that is offline or busy', async () => {
  const node = new OneNode();
  const { changes, probes } = probesOf(node);
  node.reads = broken;
  await beats(probes, 1);
  node.reads = () => Promise.resolve();
  await beats(probes, 1);
  node.reads = () => Promise.reject(new SteleError('OVERLOADED', 'busy'));
  await beats(probes, 20);
  node.reads = broken;
  node.connections.report('a', node.connections.requireClient('a'), false);
  await beats(probes, 20);
  expect(changes).toEqual([]);
});

test('a reader in doubt has the next heartbeat probe', async () => {
  const node = new OneNode();
  const { probes } = probesOf(node);
  await beats(probes, 2);
  expect(node.readsAsked).toBe(1);
  probes.reportTrouble('a');
  await beats(probes, 1);
  expect(node.readsAsked).toBe(2);
});

describe('a heartbeat that is not answered', () => {
  let isImpatient = false;
  let misses = 0;

  function heartbeaterOf(node: OneNode, intervalMs: number, deadlineMs: number): Heartbeater {
    isImpatient = false;
    misses = 0;
    const heartbeater = new Heartbeater({
      intervalMs,
      deadlineMs,
      connections: node.connections,
      background,
      header: (nodeId) => ({ epoch: 1, nodeId, incarnation: '', clusterId: 'c' }),
      isImpatient: () => isImpatient,
      onAnswer: () => undefined,
      onMiss: () => misses++,
    });
    onTestFinished(() => heartbeater.close());
    heartbeater.start('a');
    return heartbeater;
  }

  test('is brought forward by a doubt, once an interval, and cut short where others can take the place', async () => {
    const node = new OneNode();
    const heartbeater = heartbeaterOf(node, 400, 60_000);
    await until(() => node.beatsAsked === 1, 'the first heartbeat');
    node.hangs = true;
    const startedMs = performance.now();
    await until(() => {
      heartbeater.reportTrouble('a');
      return node.beatsAsked === 2;
    }, 'the isDue heartbeat');
    expect(performance.now() - startedMs).toBeLessThan(300);
    isImpatient = true;
    await until(() => {
      heartbeater.reportTrouble('a');
      return misses === 1;
    }, 'the heartbeat to be cut');
  });

  test('is not waited for as long as the deadline where others can take the place', async () => {
    const node = new OneNode();
    heartbeaterOf(node, 50, 60_000);
    await until(() => node.beatsAsked === 1, 'the first heartbeat');
    isImpatient = true;
    node.hangs = true;
    await until(() => misses === 1, 'the miss');
    isImpatient = false;
  });
});
