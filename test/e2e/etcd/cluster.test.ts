// Three members, of which the one in use dies, hangs, or is cut off from the others.

import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { silentLogger } from '../../../base/log.ts';
import { EtcdClient } from '../../../master/metadata/etcd/etcd-client.ts';
import { EtcdServer, hasEtcd } from '../../support/process/etcd-server.ts';
import { until } from '../../support/process/stele-process.ts';

describe.skipIf(!hasEtcd())('a cluster of three members', () => {
  let server: EtcdServer;
  const clients: EtcdClient[] = [];

  beforeAll(async () => {
    server = await EtcdServer.start({ members: 3 });
  });

  afterEach(async () => {
    for (const client of clients.splice(0)) client.close();
    await server.mend();
  });

  afterAll(async () => {
    for (const client of clients) client.close();
    await server.close();
  });

  function open(endpoints: readonly string[], deadlineMs = 20_000): EtcdClient {
    const client = new EtcdClient({ endpoints, log: silentLogger, deadlineMs });
    clients.push(client);
    return client;
  }

  const put = (client: EtcdClient, key: string, value: string) =>
    client.transaction({ compares: [], success: [{ kind: 'put', key, value }] });

  const valueOf = async (client: EtcdClient, key: string): Promise<string | undefined> =>
    (await client.range(key)).entries[0]?.value.toString();

  test('calls go on when the member in use is killed', async () => {
    const client = open(server.endpoints);
    await put(client, 'killed', 'before');
    const lease = await client.grantLease(60);
    await server.members[0]!.kill();
    expect(await client.keepAlive(lease.id)).toBe(60);
    expect(await valueOf(client, 'killed')).toBe('before');
    await put(client, 'killed', 'after');
    expect(await valueOf(client, 'killed')).toBe('after');
  });

  test('reads, renewals and later writes go on when the member in use is stopped', async () => {
    const client = open(server.endpoints);
    await put(client, 'stopped', 'before');
    const lease = await client.grantLease(60);
    const only = open([server.endpoints[0]!]);
    await valueOf(only, 'stopped');
    server.members[0]!.signal('SIGSTOP');
    await expect(only.keepAlive(lease.id, 300)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(await valueOf(client, 'stopped')).toBe('before');
    await put(client, 'stopped', 'after');
    expect(await client.keepAlive(lease.id)).toBe(60);
    await client.revokeLease(lease.id);
    expect(await client.keepAlive(lease.id)).toBe(0);
  });

  test('a write that is sent to a stopped member has an unknown outcome', async () => {
    const client = open(server.endpoints, 2000);
    await put(client, 'sent', 'before');
    server.members[0]!.signal('SIGSTOP');
    await expect(put(client, 'sent', 'after')).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
  });

  test('a write goes past a member that is stopped before it is connected to', async () => {
    const client = open(server.endpoints);
    server.members[0]!.signal('SIGSTOP');
    await valueOf(open(server.endpoints.slice(1)), 'past');
    expect((await put(client, 'past', 'made')).succeeded).toBe(true);
    expect(await valueOf(client, 'past')).toBe('made');
  });

  test('another etcd in its place is refused, with what to do', async () => {
    const both = [await EtcdServer.start(), await EtcdServer.start()];
    onTestFinished(async () => void (await Promise.all(both.map((one) => one.close()))));
    const client = open(both.flatMap(({ endpoints }) => endpoints));
    await put(client, 'whose', 'of this one');
    const [first, second] = both;
    const isFirst = (await valueOf(open(first!.endpoints), 'whose')) !== undefined;
    await (isFirst ? first : second)!.members[0]!.kill();
    await expect(valueOf(client, 'any')).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringMatching(
        /another etcd cluster than before; .*metadata restore.* restart all masters/,
      ) as string,
    });
  });

  test('without a majority nothing is made, and a write says so', async () => {
    const client = open(server.endpoints, 800);
    await put(open(server.endpoints), 'majority', 'before');
    await Promise.all([server.members[0]!.kill(), server.members[1]!.kill()]);
    const left = open([server.endpoints[2]!], 500);
    await until('the last member to have no leader', async () => {
      const thrown: unknown = await left.range('majority').catch((error: unknown) => error);
      return String(thrown).includes('has no leader');
    });
    await expect(put(left, 'majority', 'after')).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(
        /^etcd did not answer in 500 ms [(]etcd at \S+: its member has no leader[)]; check /,
      ) as string,
    });
    await expect(valueOf(client, 'majority')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(put(client, 'majority', 'after')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    server.members[0]!.start();
    const patient = open(server.endpoints);
    expect(await valueOf(patient, 'majority')).toBe('before');
  });
});
