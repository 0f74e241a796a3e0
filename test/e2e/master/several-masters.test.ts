// Several masters on a real etcd: all of them answer, one leads, and another one does when it is
// gone.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { VersionedRows } from '../../support/inputs/rows.ts';
import { hasEtcd } from '../../support/process/etcd-server.ts';
import { MastersCluster } from '../../support/process/masters-cluster.ts';
import { stele, until } from '../../support/process/stele-process.ts';
import { Reader } from '../../support/readers/reader.ts';
import {
  connectCluster,
  connectRedis,
  expectAllRows,
  httpSource,
  respSource,
} from '../../support/readers/sources.ts';

const KEYSPACE = 'numbers';
const rows = new VersionedRows(3_000);
let cluster: MastersCluster;

const originOf = (at: number): string =>
  `http://${cluster.masters[at]!.host}:${cluster.masters[at]!.http}`;

describe.skipIf(!hasEtcd())('three masters', () => {
  beforeAll(async () => {
    cluster = await MastersCluster.start();
    expect(await cluster.load(KEYSPACE, rows, 1)).toMatchObject({ code: 0 });
  }, 120_000);
  afterAll(() => cluster?.close(), 60_000);

  test('each serves reads, listings and changes; one leads', async () => {
    const leader = await cluster.leader();
    for (const at of [0, 1, 2]) {
      await until('the view', async () => (await fetch(`${originOf(at)}/readyz`)).status === 200);
      await expectAllRows(originOf(at), KEYSPACE, rows, 1);
      const { keyspaces } = await cluster.ask((admin) => admin.listKeyspaces(), at);
      expect(keyspaces.map(({ name }) => name)).toEqual([KEYSPACE]);
      expect(await cluster.ask((admin) => admin.setKeep(KEYSPACE, 3 + at), at)).toMatchObject({
        keep: 3 + at,
      });
      const { masters } = await cluster.ask((admin) => admin.listMasters(), at);
      expect(masters.map(({ leads }) => leads)).toEqual([true, false, false]);
      expect(masters.map(({ trouble, viewLag }) => [trouble, viewLag])).toEqual([
        ['', 0],
        ['', 0],
        ['', 0],
      ]);
      const { grpc, host } = cluster.masters[leader]!;
      expect(masters[0]?.address).toBe(`${host}:${grpc}`);
    }
    const listed = await stele(['masters', '--master', cluster.masterList]);
    expect(listed.stdout.match(/ (?:leads|follows) /g)).toEqual([
      ' leads ',
      ' follows ',
      ' follows ',
    ]);
  });

  test('a change passed on by a follower is recorded as of who asked for it', async () => {
    const leader = await cluster.leader();
    const follower = (leader + 1) % 3;
    await cluster.ask((admin) => admin.setKeep(KEYSPACE, 7), follower);
    const { events } = await cluster.ask((admin) =>
      admin.listEvents({ keyspace: KEYSPACE, limit: 1 }),
    );
    expect(events[0]).toMatchObject({ what: 'keep', to: '7', door: 'grpc' });
    expect(events[0]?.who).toMatch(/@/);
  });

  test('kill -9 of the leader: no read fails, and the next leader takes loads', async () => {
    const first = await cluster.leader();
    const others = [0, 1, 2].filter((at) => at !== first);
    const sources = [
      respSource('datanodes', connectCluster(cluster.nodes, KEYSPACE, 500)),
      ...others.map((at) =>
        respSource(`RESP of master ${at}`, connectRedis(cluster.masters[at]!, KEYSPACE)),
      ),
      ...others.map((at) => httpSource(originOf(at), KEYSPACE, `HTTP of master ${at}`)),
    ];
    const reader = new Reader(sources, { rows, version: 1, seed: 1 });
    await reader.progress(200);
    await cluster.kill(`master-${first}`);
    const next = await cluster.leader([first]);
    expect(others).toContain(next);
    const loaded = await cluster.load('after', rows, 1);
    expect(loaded).toMatchObject({ code: 0 });
    await reader.progress(200);
    await reader.stop();
    expect(reader.failures).toEqual([]);
    await cluster.startMaster(first);
    await until('it to follow', async () => {
      const { masters } = await cluster.ask((admin) => admin.listMasters());
      return (
        masters.length === 3 &&
        masters.every(({ trouble, viewLag }) => trouble === '' && viewLag === 0)
      );
    });
    await expectAllRows(originOf(first), 'after', rows, 1);
  });

  test('a leader that is stopped and goes on follows its successor', async () => {
    const first = await cluster.leader();
    const { pid } = cluster.process(`master-${first}`);
    process.kill(pid, 'SIGSTOP');
    const next = await cluster.leader([first]);
    await until('the next one to lead', () =>
      cluster
        .ask((admin) => admin.setKeep(KEYSPACE, 5), next)
        .then(
          ({ keep }) => keep === 5,
          () => false,
        ),
    );
    process.kill(pid, 'SIGCONT');
    await until('it to follow', async () => {
      const { masters } = await cluster
        .ask((admin) => admin.listMasters(), first)
        .catch(() => ({ masters: [] }));
      return (
        masters.length === 3 &&
        masters.every(({ trouble, viewLag }) => trouble === '' && viewLag === 0)
      );
    });
    expect(await cluster.ask((admin) => admin.setKeep(KEYSPACE, 6), first)).toMatchObject({
      keep: 6,
    });
    expect(await cluster.leader()).toBe(next);
  });

  test('a master that hangs is listed as not answering', async () => {
    const first = await cluster.leader();
    const hung = (first + 1) % 3;
    const { pid } = cluster.process(`master-${hung}`);
    process.kill(pid, 'SIGSTOP');
    const { grpc, host } = cluster.masters[hung]!;
    const { masters } = await cluster.ask((admin) => admin.listMasters(), first);
    process.kill(pid, 'SIGCONT');
    const found = masters.find(({ address }) => address === `${host}:${grpc}`);
    expect(found).toMatchObject({
      leads: false,
      trouble: expect.stringMatching(/answer/) as string,
    });
    await until('it to answer', async () => {
      const again = await cluster.ask((admin) => admin.listMasters(), first);
      return again.masters.every(({ trouble }) => trouble === '');
    });
  });

  test('step-down and SIGTERM hand the lead over', async () => {
    const first = await cluster.leader();
    const stepped = await stele(['masters', 'step-down', '--master', cluster.masterList]);
    expect(stepped).toMatchObject({ code: 0 });
    const second = await cluster.leader([first]);
    const { code } = await cluster.kill(`master-${second}`, 'SIGTERM');
    expect(code).toBe(0);
    await cluster.leader([second]);
    await cluster.serving(3);
    await cluster.startMaster(second);
  });

  test('query nodes answer what masters answer, and follow the masters there are', async () => {
    const query = await cluster.startQuery(0);
    const origin = `http://${query.host}:${query.http}`;
    await until('the view', async () => (await fetch(`${origin}/readyz`)).status === 200);
    await expectAllRows(origin, KEYSPACE, rows, 1);
    const metrics = await (await fetch(`${origin}/metrics`)).text();
    expect(metrics).toMatch(/stele_build_info{[^}]*role="query"/);
    const client = connectRedis(query, KEYSPACE);
    expect(await client.info()).toMatch(/^stele_role:query/m);
    // Clients take a server for a replica otherwise, or refuse it.
    expect(await client.info('replication')).toMatch(/^role:master/m);
    client.disconnect();
    const reader = new Reader(
      [respSource('RESP', connectRedis(query, KEYSPACE)), httpSource(origin, KEYSPACE)],
      { rows, version: 1, seed: 2 },
    );
    await reader.progress(100);
    await cluster.kill(`master-${await cluster.leader()}`);
    await cluster.serving(3);
    const changed = await fetch(`${origin}/v1/keyspaces`);
    expect(await changed.json()).toMatchObject({
      keyspaces: [{ name: KEYSPACE }, { name: 'after' }],
    });
    await reader.progress(100);
    await reader.stop();
    expect(reader.failures).toEqual([]);
  });

  test('without etcd, masters and query nodes answer from the last view, and say so', async () => {
    const query = cluster.addresses('query-0');
    await Promise.all(cluster.etcd.members.map((member) => member.kill()));
    const running = [0, 1, 2].filter((at) => cluster.isRunning(`master-${at}`));
    const origins = [...running.map(originOf), `http://${query.host}:${query.http}`];
    for (const origin of origins) {
      await until(`no leader at ${origin}`, async () => {
        const health = await fetch(`${origin}/v1/cluster/health`);
        return 'no_leader' in ((await health.json()) as object);
      });
      const answer = await fetch(`${origin}/v1/keyspaces`);
      expect(await answer.json()).toMatchObject({
        keyspaces: [{ name: KEYSPACE, digest: null }, { name: 'after' }],
        no_leader: { reason: expect.stringContaining('this is the last view') as string },
      });
      const refused = await fetch(`${origin}/v1/events`);
      expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
    }
    const listed = await stele(['nodes', '--master', cluster.masterList]);
    expect(listed).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('last view') as string,
    });
    await cluster.etcd.mend();
    await cluster.serving(3);
  });
});
