import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { silentLogger } from '../../../base/log.ts';
import { EtcdClient } from '../../../master/metadata/etcd/etcd-client.ts';
import { EtcdServer, hasEtcd } from '../../support/process/etcd-server.ts';
import { until } from '../../support/process/stele-process.ts';

describe.skipIf(!hasEtcd())('leases', () => {
  let server: EtcdServer;
  let client: EtcdClient;

  beforeAll(async () => {
    server = await EtcdServer.start();
    client = new EtcdClient({ endpoints: server.endpoints, log: silentLogger });
  });

  afterAll(async () => {
    client.close();
    await server.close();
  });

  const putWith = (key: string, lease: number) =>
    client.transaction({ compares: [], success: [{ kind: 'put', key, value: '', lease }] });

  test('the time granted is the one that the server decides', async () => {
    const short = await client.grantLease(1);
    expect(short.ttlSeconds).toBeGreaterThan(1);
    expect(Number.isSafeInteger(short.id)).toBe(true);
    const long = await client.grantLease(60);
    expect(long.ttlSeconds).toBe(60);
    expect(await client.keepAlive(long.id)).toBe(60);
    expect(await client.leaseTimeToLive(long.id)).toBeGreaterThan(0);
    await expect(client.grantLease(1e12)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  test('a key goes with its lease when that is not renewed', async () => {
    const { id } = await client.grantLease(1);
    await putWith('expires', id);
    expect((await client.range('expires')).entries[0]?.lease).toBe(id);
    const isGone = async (): Promise<boolean> =>
      (await client.range('expires')).entries.length === 0;
    await until('the key to be gone', isGone);
    expect(await client.keepAlive(id)).toBe(0);
    expect(await client.leaseTimeToLive(id)).toBe(0);
    await expect(putWith('expires', id)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('a revoked lease takes its keys with it, and may be revoked again', async () => {
    const { id } = await client.grantLease(60);
    await putWith('revoked', id);
    await client.revokeLease(id);
    expect((await client.range('revoked')).entries).toEqual([]);
    await client.revokeLease(id);
  });

  test('a lease that another client granted, with an id above 2^53, does not disturb', async () => {
    const granted = await server.ctl('lease', 'grant', '60');
    const [, hex = ''] = /^lease (\w+) granted/.exec(granted) ?? [];
    await server.ctl('put', 'foreign', 'value', `--lease=${hex}`);
    const { entries } = await client.range('foreign');
    expect(entries[0]?.value.toString()).toBe('value');
    expect(entries[0]?.lease).toBe(Number(`0x${hex}`));
  });
});
