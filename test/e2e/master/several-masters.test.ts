// Several masters on a real etcd: all of them answer, one leads, and another one does when it is gone.

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
});
