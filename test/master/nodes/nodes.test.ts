import { describe, expect, test } from 'vitest';
import { BackgroundTasks } from '../../../base/background.ts';
import { SteleError } from '../../../base/errors.ts';
import { silentLogger } from '../../../base/log.ts';
import type { DatanodeLink, LinkFactory, LinkTarget } from '../../../proto/ports.ts';
import { ConnectionManager } from '../../../master/nodes/connection-manager.ts';
import type { ClientChange } from '../../../master/nodes/connection-manager.ts';
import { Heartbeater } from '../../../master/nodes/heartbeater.ts';
import { until } from '../control-plane.ts';
import { FakeNetwork } from '../fake-datanodes.ts';

/** A factory that counts what it opens and what is closed again. */
class CountingFactory implements LinkFactory {
  readonly network = new FakeNetwork();
  opened = 0;
  closed = 0;
  hang = new Set<string>();

  connect(whom: LinkTarget): DatanodeLink {
    this.opened += 1;
    const link = this.network.connect(whom);
    return {
      ...link,
      heartbeat: (request, options) =>
        this.hang.has(whom.nodeId)
          ? new Promise((_resolve, reject) => {
              const fail = (): void => reject(new SteleError('DEADLINE_EXCEEDED', 'silent'));
              setTimeout(fail, options.deadlineMs);
            })
          : link.heartbeat(request, options),
      close: () => {
        this.closed += 1;
      },
    };
  }
}

function target(nodeId: string, grpcPort: number): LinkTarget {
  return { nodeId, address: { host: 'h', httpPort: 1, respPort: 1, grpcPort } };
}

describe('connection manager', () => {
  test('fails at once for a node that is offline, and tells when it is online', () => {
    const factory = new CountingFactory();
    const manager = new ConnectionManager(factory);
    const changes: ClientChange[] = [];
    manager.watchClients((change) => changes.push(change));
    manager.addDependency(target('a', 1));
    expect(() => manager.requireClient('a')).toThrow(/does not answer/);
    const link = manager.probe('a')!;
    manager.report('a', link, true);
    expect(manager.requireClient('a')).toBe(link);
    expect([...manager.getClients().keys()]).toEqual(['a']);
    manager.remove('a');
    expect(manager.isOnline('a')).toBe(false);
    expect(changes).toEqual([
      { nodeId: 'a', online: true },
      { nodeId: 'a', online: false },
    ]);
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
    heartbeater.doubt('a');
    await until(() => answers === 2, 'the heartbeat of a doubt');
    heartbeater.doubt('a');
    heartbeater.connectionLost('a');
    await until(() => answers === 3, 'the heartbeat of a lost connection');
    heartbeater.connectionLost('a');
    await new Promise((resolve) => setImmediate(resolve));
    expect(answers).toBe(3);
    heartbeater.close();
    await background.settled();
  });
});
