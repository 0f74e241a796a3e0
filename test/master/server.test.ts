import { mkdtempSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { credentials } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { resolveSettings } from '../../base/config.ts';
import { silentLogger } from '../../base/log.ts';
import { steleErrorFromGrpc } from '../../transport/grpc-errors.ts';
import { ClusterServiceClient } from '../../proto/gen/stele/v1/cluster.ts';
import type { ClusterView } from '../../proto/gen/stele/v1/view.ts';
import { startMaster } from '../../master/server.ts';
import type { Master } from '../../master/server.ts';
import { masterSettings } from '../../master/settings.ts';
import type { MasterSettings } from '../../master/settings.ts';
import { until } from './control-plane.ts';
import { FakeNetwork } from './fake-datanodes.ts';

let folder: string;
let masters: Master[];
let network: FakeNetwork;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'stele-master-'));
  masters = [];
  network = new FakeNetwork();
});
afterEach(async () => {
  for (const master of masters) await master.close();
  rmSync(folder, { recursive: true, force: true });
});

function settings(flags: Record<string, unknown> = {}): MasterSettings {
  const ports = { httpPort: 0, respPort: 0, grpcPort: 0, heartbeatInterval: '20ms' };
  const inputs = { flags: { dataDir: folder, ...ports, ...flags }, environment: {}, file: {} };
  return resolveSettings(masterSettings, inputs).values;
}

async function start(flags: Record<string, unknown> = {}): Promise<Master> {
  const master = await startMaster(settings(flags), { log: silentLogger, linkFactory: network });
  masters.push(master);
  return master;
}

function clientOf(master: Master): ClusterServiceClient {
  return new ClusterServiceClient(`127.0.0.1:${master.ports.grpc}`, credentials.createInsecure());
}

describe('startMaster', () => {
  test('opens its ports, registers a node over gRPC and tells of it in a watched view', async () => {
    const master = await start();
    const client = clientOf(master);
    const node = network.add('a');
    const seen: ClusterView[] = [];
    const watch = client.watchView({});
    watch.on('data', (message: { view: ClusterView }) => seen.push(message.view));
    watch.on('error', () => undefined);
    await new Promise<void>((resolve, reject) => {
      const { id: nodeId, incarnation, address } = node;
      client.registerNode(
        { nodeId, incarnation, address, zone: '', segmentFormat: 1, weight: 0, clusterId: '' },
        (error, response) => {
          if (error !== null) reject(error);
          else resolve(expect(response.epoch).toBe(1));
        },
      );
    });
    await until(() => seen.at(-1)?.ready === true, 'a ready view');
    expect(seen.at(-1)?.nodes.map(({ id }) => id)).toEqual(['a']);
    const revisions = seen.map(({ revision }) => revision);
    expect(revisions).toEqual([...new Set(revisions)].sort((left, right) => left - right));
    watch.cancel();
    client.close();
  });

  test('sends an error with its code over gRPC', async () => {
    const client = clientOf(await start());
    const error = await new Promise<unknown>((resolve) => {
      client.rollback({ keyspace: 'nix', to: 0 }, resolve);
    });
    expect(error).toMatchObject({ code: 5, details: expect.stringContaining("'nix'") as string });
    client.close();
  });

  test('gives one node and one keyspace over gRPC, or says that there is none', async () => {
    const master = await start();
    const client = clientOf(master);
    const { address, id: nodeId, incarnation } = network.add('a');
    const more = { zone: '', segmentFormat: 1, weight: 0, clusterId: '' };
    await master.registrar.registerNode(
      { nodeId, incarnation, address, ...more },
      { deadlineMs: 5000 },
    );
    const found = await new Promise<string | undefined>((resolve) => {
      client.getNode({ nodeId: 'a' }, (_error, answer) => resolve(answer.node?.node?.id));
    });
    expect(found).toBe('a');
    const codes = await Promise.all([
      new Promise((resolve) => client.getNode({ nodeId: 'b' }, resolve)),
      new Promise((resolve) => client.getKeyspace({ keyspace: 'nix' }, resolve)),
    ]);
    expect(codes.map((error) => steleErrorFromGrpc(error, 'master').code)).toEqual([
      'NODE_NOT_FOUND',
      'KEYSPACE_NOT_FOUND',
    ]);
    client.close();
  });

  test('with an empty catalog, tells a datanode of another cluster how to restore it', async () => {
    const master = await start();
    const { address, id: nodeId, incarnation } = network.add('a');
    const more = { zone: '', segmentFormat: 1, weight: 0, clusterId: '0011' };
    const answer = master.registrar.registerNode(
      { nodeId, incarnation, address, ...more },
      { deadlineMs: 5000 },
    );
    await expect(answer).rejects.toMatchObject({
      code: 'WRONG_NODE',
      message: expect.stringMatching(/catalog of the master is empty.*metadata restore/) as string,
    });
  });

  test('lists itself as the only master, with its address', async () => {
    const { operations, ports } = await start();
    const [one, ...others] = (await operations.listMasters()).masters;
    expect(one).toMatchObject({ address: `127.0.0.1:${ports.grpc}`, leads: true });
    expect(others).toEqual([]);
    expect(one?.since).toMatch(/Z$/);
  });

  test('refuses a data folder in use, and says by whom', async () => {
    await start();
    await expect(start()).rejects.toMatchObject({
      code: 'LOCKED',
      message: expect.stringContaining(`process ${process.pid}`) as string,
    });
  });

  test('refuses a port in use by a sentence with the flag, and leaves nothing locked', async () => {
    const master = await start();
    const other = join(folder, 'other');
    const grpcPort = master.ports.grpc;
    await expect(start({ dataDir: other, grpcPort })).rejects.toMatchObject({
      code: 'PORT_IN_USE',
      message: expect.stringContaining('--grpc-port') as string,
    });
    await start({ dataDir: other });
  });

  test('survives a metadata store cut short, with a higher epoch', async () => {
    const first = await start();
    const { epoch } = first.operations.current();
    await first.close();
    truncateSync(join(folder, 'metadata', 'data.mdb'), 5_000);
    const second = await start();
    expect(second.operations.current().epoch).toBeGreaterThan(epoch);
  });

  test('keeps the number of virtual nodes that one start was told for those that are told none', async () => {
    const virtualNodes = async (flags: Record<string, unknown>): Promise<number | undefined> => {
      const master = await start(flags);
      if (network.nodes.size === 0) {
        const { address, id: nodeId, incarnation } = network.add('a');
        const common = { zone: '', segmentFormat: 1, clusterId: '' };
        const node = { ...common, nodeId, incarnation, address, weight: 2 };
        await master.registrar.registerNode(node, { deadlineMs: 1000 });
      }
      const view = (): number => master.operations.current().nodes.length;
      await until(() => view() === 1, 'the datanode is known');
      const [node] = (await master.operations.listNodes()).nodes;
      await master.close();
      return node?.virtualNodes;
    };
    expect(await virtualNodes({ virtualNodes: '10' })).toBe(20);
    expect(await virtualNodes({})).toBe(20);
    expect(await virtualNodes({ virtualNodes: '128' })).toBe(128);
    expect(await virtualNodes({})).toBe(128);
  });

  test('refuses a number of shards that is no power of two', async () => {
    await expect(start({ shards: 100 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  test('closes within ten seconds though a client watches', async () => {
    const master = await start();
    const client = clientOf(master);
    const watch = client.watchView({});
    watch.on('error', () => undefined);
    await new Promise((resolve) => watch.once('data', resolve));
    const startedMs = performance.now();
    await master.close();
    expect(performance.now() - startedMs).toBeLessThan(10_000);
    client.close();
  });
});
