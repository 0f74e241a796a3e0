// Every door with TLS x certificates of users, of nobody, and of nodes.

import type { ServiceDefinition } from '@grpc/grpc-js';
import { once } from 'node:events';
import { request } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Access } from '../../access/access.ts';
import { basicAuthorization } from '../../access/basic.ts';
import { SteleError } from '../../base/errors.ts';
import { NO_TRAFFIC } from '../../base/process/http-traffic.ts';
import { issue } from '../../cli/certs/issue.ts';
import type { Issued } from '../../cli/certs/issue.ts';
import { startDatanodeHttp } from '../../datanode/endpoints/http.ts';
import { AccessServiceClient, AccessServiceService } from '../../proto/gen/stele/v1/access.ts';
import type { DialIdentity } from '../../transport/dial-identity.ts';
import { callUnary, openClient } from '../../transport/grpc-channel.ts';
import { unaryHandler } from '../../transport/grpc-errors.ts';
import { GrpcServer } from '../../transport/grpc-server.ts';
import { listenHttp } from '../../transport/listen.ts';
import { ConnectedLookups } from '../../transport/lookup-channel.ts';
import { TlsIdentity } from '../../transport/tls/tls-identity.ts';
import { RespNode } from '../datanode/resp-node.ts';
import { HttpFixture } from '../master/front/http-fixture.ts';
import { MapBackend } from '../resp/map-backend.ts';
import { RawClient, listenFor } from '../resp/raw-client.ts';
import { FakeCluster } from '../support/peers/fake-cluster.ts';
import { newSource, newTestAuthority } from '../support/peers/identities.ts';
import { askFor } from '../support/peers/lookups.ts';
import { until } from '../support/process/stele-process.ts';
import { TEST_UID } from '../support/segments/segments.ts';
import { accessOfRoles, authorizationOf, passwordOf } from './roles.ts';

const HOST = '127.0.0.1';
/** Common names of clients; `node` is a client that calls itself one. */
const CLIENTS = ['geo', 'admin', 'disabled', 'carol', 'node'] as const;
type Holder = (typeof CLIENTS)[number] | 'a node' | 'no certificate';
const LET_IN: ReadonlySet<Holder> = new Set<Holder>(['geo', 'admin', 'a node']);

let authority: Issued;
let own: TlsIdentity;
let access: Access;
const identities = new Map<Holder, TlsIdentity>();

beforeAll(async () => {
  authority = await newTestAuthority();
  const source = await newSource(authority, [HOST]);
  own = new TlsIdentity(source);
  access = await accessOfRoles(true);
  identities.set('a node', own);
  identities.set('no certificate', new TlsIdentity({ ca: authority.cert }));
  for (const commonName of CLIENTS) {
    const issued = await issue(authority, { commonName, hosts: [], days: 1 });
    identities.set(commonName, new TlsIdentity({ ca: authority.cert, ...issued }));
  }
});

function tlsOf(holder: Holder): TlsIdentity {
  const identity = identities.get(holder);
  if (identity === undefined) throw new Error(`no identity of ${holder}`);
  return identity;
}

const HOLDERS: readonly Holder[] = [...CLIENTS, 'a node', 'no certificate'];

/** The status of the answer. */
async function get(port: number, path: string, holder: Holder, authorization?: string) {
  const sent = request({
    ...tlsOf(holder).dialOptions(HOST),
    host: HOST,
    port,
    path,
    agent: false,
    headers: authorization === undefined ? {} : { authorization },
  });
  sent.end();
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  answer.resume();
  return answer.statusCode;
}

describe('the HTTP port', () => {
  async function port(by = access): Promise<number> {
    const hosts = { host: HOST, allowedHosts: [] };
    const fixture = await HttpFixture.start(new FakeCluster(), hosts, by, own);
    onTestFinished(() => fixture.stop());
    return listenHttp(fixture.app, { host: HOST, port: 0, flag: '--http-port', tls: own });
  }

  it.each(HOLDERS)('knows the holder of the certificate of %s', async (holder) => {
    const at = await port();
    const status = await get(at, '/v1/keyspaces', holder);
    expect(status).toBe(LET_IN.has(holder) ? 200 : 401);
    const prices = await get(at, '/v1/keyspaces/prices', holder);
    if (holder === 'geo') expect(prices).toBe(403);
    else if (LET_IN.has(holder)) expect(prices).toBe(404);
    else expect(prices).toBe(401);
  });

  it('goes by the header authorization, if there is one', async () => {
    const at = await port();
    const asAdmin = authorizationOf('admin');
    expect(await get(at, '/v1/nodes', 'geo', 'Bearer nonsense')).toBe(401);
    expect(await get(at, '/v1/events', 'geo')).toBe(403);
    expect(await get(at, '/v1/events', 'geo', asAdmin)).toBe(200);
    expect(await get(at, '/v1/events', 'admin', authorizationOf('token'))).toBe(403);
    const wrong = basicAuthorization({ user: 'admin', password: 'wrong password' });
    expect(await get(at, '/v1/events', 'admin', wrong)).toBe(401);
  });

  it('believes no certificate if any authority is trusted (without --tls-ca)', async () => {
    const at = await port(await accessOfRoles(false));
    for (const holder of HOLDERS) expect(await get(at, '/v1/keyspaces', holder)).toBe(401);
  });
});

it('the gRPC port knows users by their certificates, and takes no client for a node', async () => {
  const server = new GrpcServer(undefined, undefined, { access, keyspaceOf: (_, value) => value });
  const reached = unaryHandler(() =>
    Promise.reject(new SteleError('CONFLICT', 'The handler was reached.')),
  );
  const definition: ServiceDefinition = AccessServiceService;
  const names = Object.keys(definition);
  server.addService(definition, Object.fromEntries(names.map((name) => [name, reached])));
  const port = await server.listen(HOST, 0, '--grpc-port', own);
  onTestFinished(() => server.close(0));
  const codeOf = async (
    name: 'listTokens' | 'listUsers' | 'getAccessList',
    holder: Holder,
  ): Promise<string> => {
    const identity: DialIdentity = { tls: tlsOf(holder) };
    const client = openClient(AccessServiceClient, `${HOST}:${port}`, identity);
    const method = client[name].bind(client) as never;
    try {
      await callUnary(method, { user: '' }, 'the server', { deadlineMs: 20_000 });
      return 'no answer was expected';
    } catch (thrown) {
      return (thrown as { code: string }).code;
    } finally {
      client.close();
    }
  };
  for (const holder of HOLDERS) {
    const isIn = LET_IN.has(holder);
    const denied = isIn ? 'PERMISSION_DENIED' : 'UNAUTHENTICATED';
    expect(await codeOf('listTokens', holder)).toBe(isIn ? 'CONFLICT' : denied);
    const mayList = holder === 'admin' || holder === 'a node';
    expect(await codeOf('listUsers', holder)).toBe(mayList ? 'CONFLICT' : denied);
    expect(await codeOf('getAccessList', holder)).toBe(holder === 'a node' ? 'CONFLICT' : denied);
  }
});

describe('the RESP port', () => {
  async function port(): Promise<number> {
    return (await listenFor(new MapBackend([['k', 'v']]), { access, tls: own })).port;
  }

  it.each(HOLDERS)('knows the holder of the certificate of %s', async (holder) => {
    const client = new RawClient(await port(), tlsOf(holder));
    client.send('ACL WHOAMI\r\nHELLO 2\r\n');
    await client.wait(2);
    // Processes of the cluster do not use this port.
    if (holder === 'geo' || holder === 'admin') expect(client.text).toContain(`\r\n${holder}\r\n`);
    else expect(client.text).toMatch(/^-NOAUTH .*\r\n-NOAUTH /);
  });

  it('makes a connection that of another user by AUTH, and that of its own by RESET', async () => {
    const client = new RawClient(await port(), tlsOf('geo'));
    const { password } = passwordOf('admin');
    const words = ['AUTH', 'admin', password];
    const auth = `*3\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`;
    client.send(`GET k\r\nSELECT geo\r\nGET k\r\n${auth}ACL WHOAMI\r\nRESET\r\nACL WHOAMI\r\n`);
    await client.wait(7);
    expect(client.text).toBe(
      '-NOPERM No permissions to access a key\r\n+OK\r\n$1\r\nv\r\n+OK\r\n$5\r\nadmin\r\n+RESET\r\n$3\r\ngeo\r\n',
    );
  });

  it('refuses a user who is disabled while its connection is open, until it is enabled', async () => {
    const client = new RawClient(await port(), tlsOf('geo'));
    client.send('SELECT geo\r\nGET k\r\n');
    await client.wait(2);
    const { list } = access;
    const users = list.users.map((user) => ({ ...user, disabled: true }));
    access.update({ ...list, users });
    client.send('GET k\r\nRESET\r\nPING\r\n');
    await client.wait(5);
    access.update(list);
    client.send('PING\r\n');
    await client.wait(6);
    expect(client.text).toMatch(/v\r\n-NOAUTH .*\r\n[+]RESET\r\n-NOAUTH .*\r\n[+]PONG\r\n$/);
  });
});

it('a datanode knows users by their certificates at its HTTP port and for lookups', async () => {
  const node = await RespNode.open(1);
  node.load([['k', 'v']]);
  node.change((view) => {
    const [first] = view.keyspaces;
    if (first !== undefined) view.keyspaces = [{ ...first, name: 'geo' }];
  });
  const http = await startDatanodeHttp({
    node: node.node,
    host: HOST,
    port: 0,
    tls: own,
    access,
    connectionsMax: 100,
    respTraffic: () => NO_TRAFFIC,
    notes: () => [],
  });
  onTestFinished(() => http.close());
  const { port } = http;
  const address = { host: HOST, httpPort: port, respPort: 0, grpcPort: 0 };
  for (const holder of HOLDERS) {
    const metrics = await get(port, '/metrics', holder);
    const mayOperate = holder === 'admin' || holder === 'a node';
    expect(metrics).toBe(mayOperate ? 200 : LET_IN.has(holder) ? 403 : 401);
    const channel = new ConnectedLookups({ nodeId: 'n1', address }, { tls: tlsOf(holder) });
    await until('the outcome', () => channel.isConnected() || channel.failure !== undefined);
    expect(channel.failure?.code).toBe(LET_IN.has(holder) ? undefined : 'UNAUTHENTICATED');
    if (LET_IN.has(holder)) {
      expect(await askFor(channel, ['k'], { keyspaceUid: TEST_UID, version: 1 })).toEqual(['v']);
    }
    channel.close();
  }
});
