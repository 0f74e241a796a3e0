// Cluster clients that are given the master's address: they must find the datanodes by it. The
// "datanodes" here are a second front, whose RESP port the view names for all of them.

import { Cluster } from 'ioredis';
import { createCluster } from 'redis';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { silentLogger } from '../../../base/log.ts';
import { startFront } from '../../../master/front/front.ts';
import type { Front } from '../../../master/front/front.ts';
import { FakeCluster } from '../../support/peers/fake-cluster.ts';

let cluster: FakeCluster;
let master: Front;
let datanode: Front;

beforeEach(async () => {
  cluster = new FakeCluster();
  for (let number = 0; number < 100; number++) cluster.put(`k${number}`, `v${number}`);
  const settings = {
    host: '127.0.0.1',
    httpPort: 0,
    respPort: 0,
    cacheMaxBytes: 0,
    maxConnections: 50,
    lookupDeadlineMs: 200,
  };
  const options = { settings, operations: cluster, links: cluster.links, log: silentLogger };
  master = await startFront(options);
  datanode = await startFront(options);
  cluster.change((view) => {
    for (const node of view.nodes) node.address!.respPort = datanode.respPort;
  });
});

afterEach(async () => {
  await Promise.all([master.close(500), datanode.close(500)]);
});

const readsOf = (front: Front): number => front.core.keysTotal;

it('ioredis Cluster reads from the datanodes', async () => {
  const client = new Cluster([{ host: '127.0.0.1', port: master.respPort }]);
  try {
    for (let number = 0; number < 100; number++) {
      expect(await client.get(`k${number}`)).toBe(`v${number}`);
    }
  } finally {
    client.disconnect();
  }
  expect(readsOf(datanode)).toBe(100);
  expect(readsOf(master)).toBe(0);
});

it('node-redis in cluster mode reads from the datanodes', async () => {
  const client = createCluster({
    rootNodes: [{ socket: { host: '127.0.0.1', port: master.respPort } }],
  });
  await client.connect();
  try {
    for (let number = 0; number < 100; number++) {
      expect(await client.get(`k${number}`)).toBe(`v${number}`);
    }
  } finally {
    await client.close();
  }
  expect(readsOf(datanode)).toBe(100);
  expect(readsOf(master)).toBe(0);
});
