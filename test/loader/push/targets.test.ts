import { hostname, networkInterfaces } from 'node:os';
import { expect, it } from 'vitest';
import { Targets } from '../../../loader/push/targets.ts';
import { NodeState } from '../../../proto/gen/stele/v1/view.ts';

function targetsAt(hosts: readonly string[], readNodes: number[]): Targets {
  const nodes = hosts.map((host, index) => ({
    id: `node-${index}`,
    incarnation: 'i',
    address: { host, httpPort: 1, respPort: 2, grpcPort: 3 },
    zone: '',
    state: NodeState.SERVING,
  }));
  return new Targets({ nodes, owners: [], readNodes });
}

it('knows a datanode that is read on this machine, by any of its names and addresses', () => {
  const own = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  for (const host of ['localhost', hostname(), ...own.map(({ address }) => address)]) {
    expect(targetsAt(['192.0.2.1', host], [1]).servesReadsLocally, host).toBe(true);
  }
  expect(targetsAt(['127.0.0.1'], []).servesReadsLocally).toBe(false);
  expect(targetsAt(['127.0.0.1', '192.0.2.1'], [1]).servesReadsLocally).toBe(false);
  expect(targetsAt(['db-17.example'], [0]).servesReadsLocally).toBe(false);
});
