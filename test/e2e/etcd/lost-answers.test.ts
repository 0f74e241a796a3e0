// Answers that are lost after etcd has done what was asked.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { silentLogger } from '../../../base/log.ts';
import { EtcdClient } from '../../../master/metadata/etcd/etcd-client.ts';
import { startAnswerProxy } from '../../support/faults/answer-proxy.ts';
import type { AnswerProxy } from '../../support/faults/answer-proxy.ts';
import { EtcdServer, hasEtcd } from '../../support/process/etcd-server.ts';
import { until } from '../../support/process/stele-process.ts';

describe.skipIf(!hasEtcd())('an answer that is lost', () => {
  let server: EtcdServer;
  let direct: EtcdClient;
  let proxy: AnswerProxy;
  let client: EtcdClient;

  beforeAll(async () => {
    server = await EtcdServer.start();
    direct = new EtcdClient({ endpoints: server.endpoints, log: silentLogger });
  });

  beforeEach(async () => {
    const [host = '', port] = server.endpoints[0]!.split(':');
    proxy = await startAnswerProxy(host, Number(port));
    client = new EtcdClient({ endpoints: [proxy.endpoint], log: silentLogger });
    await client.range('connected');
  });

  afterEach(() => {
    client.close();
    proxy.close();
  });

  afterAll(async () => {
    direct.close();
    await server.close();
  });

  test('leaves the outcome of a write unknown, and the write is made once', async () => {
    proxy.loseAnswers();
    const write = client.transaction({
      compares: [],
      success: [{ kind: 'put', key: 'lost', value: 'made' }],
    });
    await expect(write).rejects.toMatchObject({
      code: 'OUTCOME_UNKNOWN',
      message: expect.stringMatching(
        /^Whether etcd made a change is not known [(]etcd at 127[.]0[.]0[.]1:\d+: .+[)]; read the keys/,
      ) as string,
    });
    expect(proxy.lost).toBe(1);
    const isMade = async (): Promise<boolean> => (await direct.range('lost')).entries.length === 1;
    await until('the write to be made', isMade);
    expect((await direct.range('lost')).entries[0]?.version).toBe(1);
  });

  test('is asked for again by reads, and by transactions that only read', async () => {
    const compares = [{ key: 'none', target: 'mod', revision: 0 }] as const;
    proxy.loseAnswers();
    const success = [{ kind: 'range', key: 'lost' }] as const;
    expect((await client.transaction({ compares, success })).succeeded).toBe(true);
    proxy.loseAnswers();
    expect((await client.range('none')).entries).toEqual([]);
    expect(proxy.lost).toBe(2);
  });

  test('of a lease leads to the lease that was granted, and of its end to none', async () => {
    proxy.loseAnswers();
    const { id, ttlSeconds } = await client.grantLease(60);
    expect(ttlSeconds).toBe(60);
    expect(await direct.leaseTimeToLive(id)).toBeGreaterThan(0);
    proxy.loseAnswers();
    expect(await client.keepAlive(id)).toBe(60);
    proxy.loseAnswers();
    await client.revokeLease(id);
    expect(await direct.leaseTimeToLive(id)).toBe(0);
    expect(proxy.lost).toBe(3);
  });
});
