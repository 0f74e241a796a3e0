import { describe, expect, onTestFinished, test } from 'vitest';
import { BackgroundTasks } from '../../../base/background.ts';
import { SteleError } from '../../../base/errors.ts';
import { silentLogger } from '../../../base/log.ts';
import type { CallOptions, DatanodeLink, LinkFactory, LinkTarget } from '../../../proto/ports.ts';
import { ConnectionManager } from '../../../master/control/nodes/connection-manager.ts';
import { Heartbeater } from '../../../master/control/nodes/heartbeater.ts';
import { until } from '../control-plane.ts';
import { FakeNetwork } from '../fake-datanodes.ts';

/** A factory that counts the links that it opens and that are closed. */
class CountingFactory implements LinkFactory {
  readonly network = new FakeNetwork();
  opened = 0;
  closed = 0;
  hang = new Set<string>();
  /** By node: the number of heartbeats that fail because their connection ended. */
  broken = new Map<string, number>();
  /** The round-trip time. */
  delayMs = 0;

  connect(whom: LinkTarget): DatanodeLink {
    this.opened += 1;
    const link = this.network.connect(whom);
    return {
      ...link,
      heartbeat: (request, options) =>
        this.#breaks(whom.nodeId)
          ? Promise.reject(new SteleError('UNAVAILABLE', 'the connection has ended'))
          : this.hang.has(whom.nodeId)
            ? this.#cut(options)
            : this.delayMs === 0
              ? link.heartbeat(request, options)
              : Promise.race([
                  this.#cut(options),
                  this.#late(() => link.heartbeat(request, options)),
                ]),
      close: () => {
        this.closed += 1;
      },
    };
  }

  #breaks(nodeId: string): boolean {
    const left = this.broken.get(nodeId) ?? 0;
    this.broken.set(nodeId, left - 1);
    return left > 0;
  }

  #cut({ deadlineMs, signal }: CallOptions): Promise<never> {
    return new Promise((_resolve, reject) => {
      const timer = setTimeout(() => fail('DEADLINE_EXCEEDED'), deadlineMs);
      const fail = (code: 'DEADLINE_EXCEEDED' | 'CANCELLED'): void => {
        clearTimeout(timer);
        reject(new SteleError(code, 'silent'));
      };
      signal?.addEventListener('abort', () => fail('CANCELLED'), { once: true });
    });
  }

  async #late<Answer>(answer: () => Promise<Answer>): Promise<Answer> {
    await new Promise((resolve) => setTimeout(resolve, this.delayMs));
    return answer();
  }
}

/** The heartbeats of some nodes, with their results. */
function beating(factory: CountingFactory, ids: readonly string[], isImpatient: boolean) {
  const connections = new ConnectionManager(factory);
  const background = new BackgroundTasks(silentLogger);
  const answers: string[] = [];
  const misses: string[] = [];
  const on = {
    answer: (nodeId: string): unknown => answers.push(nodeId),
    miss: (nodeId: string): unknown => misses.push(nodeId),
  };
  const heartbeater = new Heartbeater({
    intervalMs: 50,
    deadlineMs: 200,
    connections,
    background,
    header: (nodeId) => ({ epoch: 1, nodeId, incarnation: '', clusterId: '' }),
    isImpatient: () => isImpatient,
    onAnswer: (nodeId) => void on.answer(nodeId),
    onMiss: (nodeId) => void on.miss(nodeId),
  });
  for (const id of ids) {
    connections.addDependency(target(id, factory.network.add(id).port));
    heartbeater.start(id);
  }
  onTestFinished(async () => {
    heartbeater.close();
    await background.settled();
  });
  return { heartbeater, background, answers, misses, on };
}

function target(nodeId: string, grpcPort: number): LinkTarget {
  return { nodeId, address: { host: 'h', httpPort: 1, respPort: 1, grpcPort } };
}

describe('connection manager', () => {
  test('fails at once for a node that is offline', () => {
    const factory = new CountingFactory();
    const manager = new ConnectionManager(factory);
    manager.addDependency(target('a', 1));
    expect(() => manager.requireClient('a')).toThrow(/does not answer/);
    const link = manager.probe('a')!;
    manager.report('a', link, true);
    expect(manager.requireClient('a')).toBe(link);
    expect([...manager.getClients().keys()]).toEqual(['a']);
    manager.remove('a');
    expect(manager.isOnline('a')).toBe(false);
    expect([factory.opened, factory.closed]).toEqual([1, 1]);
  });

  test('dials anew after four failures in a row, and when the node registers again', () => {
    const factory = new CountingFactory();
    const manager = new ConnectionManager(factory);
    manager.addDependency(target('a', 1));
    for (let i = 0; i < 8; i++) manager.report('a', manager.probe('a')!, false);
    expect([factory.opened, factory.closed]).toEqual([3, 2]);
    manager.addDependency(target('a', 1));
    expect(factory.opened).toBe(4);
    manager.report('a', manager.probe('a')!, true);
    manager.addDependency(target('a', 1));
    expect(factory.opened).toBe(4);
    manager.addDependency(target('a', 2));
    expect(factory.opened).toBe(5);
  });

  test('passes over what an old link came to', () => {
    const manager = new ConnectionManager(new CountingFactory());
    manager.addDependency(target('a', 1));
    const old = manager.probe('a')!;
    manager.addDependency(target('a', 2));
    expect(manager.report('a', old, true)).toBe(false);
    expect(manager.isOnline('a')).toBe(false);
  });
});

describe('heartbeats', () => {
  test('of one node that hangs delay no other, and never overlap', async () => {
    const factory = new CountingFactory();
    const connections = new ConnectionManager(factory);
    const background = new BackgroundTasks(silentLogger);
    const answers: string[] = [];
    const misses: string[] = [];
    const heartbeater = new Heartbeater({
      intervalMs: 2,
      deadlineMs: 100,
      connections,
      background,
      header: (nodeId) => ({ epoch: 1, nodeId, incarnation: '', clusterId: '' }),
      onAnswer: (nodeId) => answers.push(nodeId),
      isImpatient: () => false,
      onMiss: (nodeId) => misses.push(nodeId),
    });
    factory.hang.add('slow');
    for (const id of ['slow', 'quick']) {
      const node = factory.network.add(id);
      connections.addDependency(target(id, node.port));
      heartbeater.start(id);
    }
    await until(() => misses.length === 1, 'the first miss');
    expect(answers.filter((id) => id === 'quick').length).toBeGreaterThan(5);
    expect(misses).toEqual(['slow']);
    heartbeater.close();
    await background.settled();
  });

  test('come at once when a connection is lost, even right after a slow read was told', async () => {
    const factory = new CountingFactory();
    const connections = new ConnectionManager(factory);
    const background = new BackgroundTasks(silentLogger);
    let answers = 0;
    const heartbeater = new Heartbeater({
      intervalMs: 60_000,
      deadlineMs: 100,
      connections,
      background,
      header: (nodeId) => ({ epoch: 1, nodeId, incarnation: '', clusterId: '' }),
      onAnswer: () => answers++,
      isImpatient: () => false,
      onMiss: () => undefined,
    });
    connections.addDependency(target('a', factory.network.add('a').port));
    heartbeater.start('a');
    await until(() => answers === 1, 'the first heartbeat');
    heartbeater.reportTrouble('a');
    await until(() => answers === 2, 'the heartbeat of a doubt');
    heartbeater.reportTrouble('a');
    heartbeater.connectionLost('a');
    await until(() => answers === 3, 'the heartbeat of a lost connection');
    heartbeater.connectionLost('a');
    await new Promise((resolve) => setImmediate(resolve));
    expect(answers).toBe(3);
    heartbeater.close();
    await background.settled();
  });

  test('that all take longer at once are waited for; one that hangs alone is not', async () => {
    const factory = new CountingFactory();
    const { answers, heartbeater, misses } = beating(factory, ['a', 'b', 'c', 'd'], true);
    await until(() => new Set(answers).size === 4, 'a heartbeat of each');
    // Longer than the 60 ms that a replaceable node has.
    factory.delayMs = 120;
    for (const id of ['a', 'b', 'c', 'd']) heartbeater.reportTrouble(id);
    answers.length = 0;
    await until(() => new Set(answers).size === 4, 'a slow heartbeat of each');
    expect(misses).toEqual([]);
    factory.delayMs = 0;
    factory.hang.add('b');
    await until(() => misses.length > 0, 'a miss');
    expect(new Set(misses)).toEqual(new Set(['b']));
  });

  test('that fail with their connection after a pause of this process are made again, once', async () => {
    const factory = new CountingFactory();
    const { answers, misses } = beating(factory, ['a', 'b'], false);
    await until(() => answers.includes('a') && answers.includes('b'), 'answers');
    const endMs = performance.now() + 700;
    while (performance.now() < endMs);
    factory.broken.set('a', 1).set('b', 2);
    answers.length = 0;
    await until(() => answers.includes('a') && answers.includes('b'), 'answers again');
    expect(misses).toEqual(['b']);
    // Without a stall it counts against the node.
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    factory.broken.set('a', 1);
    await until(() => misses.includes('a'), 'a miss');
  });

  test('whose answer is not taken are counted as such, are not missed, and go on', async () => {
    const factory = new CountingFactory();
    const { answers, background, misses, on } = beating(factory, ['a', 'b'], false);
    on.answer = (nodeId) => {
      if (nodeId === 'a') throw new Error('broken');
      return answers.push(nodeId);
    };
    await until(() => (background.failures().get('heartbeat answer') ?? 0) >= 2, 'two failures');
    on.answer = (nodeId) => answers.push(nodeId);
    await until(() => answers.includes('a') && answers.includes('b'), 'both answers');
    expect(misses).toEqual([]);
  });

  test('of a node that is away go on after its miss was not taken, at a falling rate', async () => {
    const factory = new CountingFactory();
    factory.hang.add('a');
    const { background, misses, on } = beating(factory, ['a'], false);
    on.miss = () => {
      throw new Error('broken');
    };
    await until(() => background.failures().get('missed heartbeat') === 1, 'a failure');
    on.miss = (nodeId) => misses.push(nodeId);
    await until(() => misses.length > 0, 'the next miss');
  });
});
