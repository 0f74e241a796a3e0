// What a caller learns of itself, and of this process; and answers that pages poll.

import { connect } from 'node:net';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { HttpTraffic } from '../../../../base/process/http-traffic.ts';
import { accessOfRoles, authorizationOf } from '../../../access/roles.ts';
import type { Caller } from '../../../access/roles.ts';
import { until } from '../../../support/process/stele-process.ts';
import { FakeCluster } from '../../../support/peers/fake-cluster.ts';
import { HttpFixture } from '../http-fixture.ts';

let http: HttpFixture;

afterEach(() => http.stop());

it('gives everybody all rights where nobody is asked who it is', async () => {
  http = await HttpFixture.start();
  const all = ['read', 'load', 'operate', 'admin'];
  expect((await http.get('/v1/session')).json()).toEqual({
    auth: false,
    user: null,
    rights: all,
    keyspaces: [{ name: 'default', rights: all }],
  });
});

it('gives users their rights, and the keyspaces that they may read', async () => {
  const cluster = new FakeCluster();
  cluster.change(({ keyspaces }) => {
    const [first] = keyspaces;
    if (first !== undefined) keyspaces.push({ ...first, uid: '00000000000000bb', name: 'geo' });
  });
  http = await HttpFixture.start(cluster, undefined, await accessOfRoles());
  const session = async (caller: Caller): Promise<unknown> => {
    const authorization = authorizationOf(caller);
    const headers = authorization === undefined ? {} : { authorization };
    return (await http.get('/v1/session', headers)).json();
  };
  expect(await session('geo')).toEqual({
    auth: true,
    user: 'geo',
    rights: [],
    keyspaces: [{ name: 'geo', rights: ['read', 'load'] }],
  });
  expect(await session('operator')).toMatchObject({
    rights: ['read', 'operate'],
    keyspaces: [{ name: 'default' }, { name: 'geo' }],
  });
  expect(await session('cluster')).toMatchObject({ auth: true, user: null });
  expect(await session('nobody')).toMatchObject({ code: 'UNAUTHENTICATED' });
});

it('asks the console in a way that does not make the browser ask, too', async () => {
  http = await HttpFixture.start(undefined, undefined, await accessOfRoles());
  const console = await http.get('/v1/session', { 'x-requested-with': 'stele-console' });
  expect([console.statusCode, console.headers['www-authenticate']]).toEqual([
    401,
    'Console realm="stele"',
  ]);
  expect((await http.get('/v1/session')).headers['www-authenticate']).toMatch(/^Basic /);
});

it('counts reads, as the counters do', async () => {
  http = await HttpFixture.start();
  http.cluster.put('a', '1');
  await http.fetched('/v1/keyspaces/default/keys/a');
  await http.fetched('/v1/keyspaces/default/keys/none');
  const { nodes, reads } = (await http.get('/v1/stats')).json<{
    reads: { found: number; not_found: number; failed: number; latency: number[] };
    nodes: { id: string }[];
  }>();
  expect(reads).toMatchObject({ found: 1, not_found: 1, failed: 0 });
  expect(reads.latency.reduce((sum, each) => sum + each, 0)).toBe(2);
  const { own } = (await http.get('/v1/counters')).json<{ own: object }>();
  expect(own).toMatchObject(reads);
  expect(nodes.map(({ id }) => id)).toEqual(['datanode-0', 'datanode-1', 'datanode-2']);
});

it('does not send a listing again that has not changed', async () => {
  http = await HttpFixture.start();
  for (const url of ['/v1/shards', '/v1/keyspaces']) {
    const first = await http.get(url);
    const etag = String(first.headers.etag);
    expect(first.headers['cache-control']).toBe('private, no-cache');
    const second = await http.get(url, { 'if-none-match': `"other", ${etag}` });
    expect([url, second.statusCode, second.body]).toEqual([url, 304, '']);
  }
  const etag = String((await http.get('/v1/keyspaces')).headers.etag);
  http.cluster.change(({ keyspaces }) => keyspaces.forEach((each) => (each.records = 17)));
  expect((await http.get('/v1/keyspaces', { 'if-none-match': etag })).statusCode).toBe(200);
});

it('counts the bytes of connections that are open and of those that were', async () => {
  http = await HttpFixture.start();
  const server = createServer((_, response) => response.end('an answer'));
  const traffic = new HttpTraffic(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const request = 'GET / HTTP/1.1\r\nhost: here\r\n\r\n';
  let answered = 0;
  socket.on('data', (piece: Buffer) => (answered += piece.length));
  socket.write(request);
  await once(socket, 'data');
  expect(traffic.now).toEqual({ connections: 1, bytesIn: request.length, bytesOut: answered });
  socket.end();
  server.close();
  await until('the connection to end', () => traffic.now.connections === 0);
  expect(traffic.now).toEqual({ connections: 0, bytesIn: request.length, bytesOut: answered });
});
