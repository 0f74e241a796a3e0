import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import { systemTime } from '../../../base/clock.ts';
import { silentLogger } from '../../../base/log.ts';
import { EtcdClient } from '../../../master/metadata/etcd/etcd-client.ts';
import { openEmbeddedMetadata } from '../../../master/metadata/embedded.ts';
import { MemoryEtcd } from '../../../master/metadata/etcd/memory-etcd.ts';
import { EtcdServer, hasEtcd } from '../../support/process/etcd-server.ts';
import { testMetadataContract } from './contract.ts';
import { layout, openAsLeader } from './etcd/leading.ts';

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

testMetadataContract('embedded', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'stele-metadata-'));
  folders.push(folder);
  return { open: () => openEmbeddedMetadata(folder, silentLogger) };
});

describe.skipIf(!hasEtcd())('etcd', () => {
  let server: EtcdServer;
  const clients: EtcdClient[] = [];
  const connect = (): EtcdClient => {
    const client = new EtcdClient({ endpoints: server.endpoints, log: silentLogger });
    clients.push(client);
    return client;
  };
  beforeAll(async () => {
    server = await EtcdServer.start();
  }, 60_000);
  afterAll(async () => {
    for (const client of clients) client.close();
    await server?.close();
  });

  testMetadataContract('a real etcd', async () => {
    await server.ctl('del', '--prefix', layout.catalog.slice(0, -'catalog/'.length));
    return { open: async () => (await openAsLeader(connect())).metadata };
  });
});

testMetadataContract('etcd in memory', async () => {
  const store = new MemoryEtcd(systemTime);
  return { open: async () => (await openAsLeader(store.connect())).metadata };
});
