// Every route of a master's HTTP port x every caller.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROUTE_ACCESS } from '../../master/front/http/route-access.ts';
import { LOAD } from '../support/peers/load-sample.ts';
import { FakeCluster } from '../support/peers/fake-cluster.ts';
import { HttpFixture } from '../master/front/http-fixture.ts';
import { CALLERS, accessOfRoles, authorizationOf, refusalOf } from './roles.ts';
import type { Asked, Caller } from './roles.ts';

/** `*`: about no keyspace alone; `load`: about that of the load in the path. */
const EXPECTED: Readonly<Record<string, readonly [asked: Asked, about?: '*' | 'load']>> = {
  'GET /': ['open'],
  'GET /console/:file': ['open'],
  'GET /livez': ['open'],
  'GET /readyz': ['open'],
  'GET /metrics': ['operate', '*'],
  'GET /docs': ['user'],
  'GET /docs/*': ['user'],
  'GET /get': ['read'],
  'GET /v1/keyspaces/:keyspace/keys/:key': ['read'],
  'POST /v1/keyspaces/:keyspace/lookup': ['read'],
  'GET /v1/session': ['user'],
  'GET /v1/stats': ['user'],
  'GET /v1/keyspaces': ['user'],
  'GET /v1/keyspaces/:keyspace': ['read'],
  'GET /v1/keyspaces/:keyspace/versions': ['read'],
  'GET /v1/keyspaces/:keyspace/diff': ['read'],
  'GET /v1/keyspaces/:keyspace/hot-keys': ['read'],
  'GET /v1/keyspaces/:keyspace/cost': ['read'],
  'POST /v1/keyspaces/:keyspace/rollback': ['load'],
  'POST /v1/keyspaces/:keyspace/promote': ['load'],
  'DELETE /v1/keyspaces/:keyspace/versions/:version': ['operate'],
  'PUT /v1/keyspaces/:keyspace': ['load'],
  // With `cache`; see below for the others.
  'PATCH /v1/keyspaces/:keyspace': ['operate'],
  'DELETE /v1/keyspaces/:keyspace': ['operate'],
  'POST /v1/keyspaces/:keyspace/suspend': ['operate'],
  'POST /v1/keyspaces/:keyspace/resume': ['operate'],
  'GET /v1/loads': ['user'],
  'GET /v1/loads/:id': ['read', 'load'],
  'POST /v1/loads/:id/cancel': ['load', 'load'],
  'GET /v1/events': ['operate', '*'],
  'GET /v1/counters': ['user'],
  'GET /v1/audit': ['admin', '*'],
  'GET /v1/cluster/health': ['user'],
  'GET /v1/masters': ['user'],
  'GET /v1/shards': ['user'],
  'GET /v1/explain/:keyspace/:key': ['read'],
  'GET /v1/explain/:keyspace': ['read'],
  'GET /v1/nodes': ['user'],
  'POST /v1/nodes/:id/drain': ['operate', '*'],
  'POST /v1/nodes/:id/resume': ['operate', '*'],
  'DELETE /v1/nodes/:id': ['operate', '*'],
};

const STATUS = { UNAUTHENTICATED: 401, PERMISSION_DENIED: 403 } as const;

let fixture: HttpFixture;
const cluster = new FakeCluster();

beforeAll(async () => {
  const access = await accessOfRoles();
  fixture = await HttpFixture.start(cluster, undefined, access);
});

afterAll(() => fixture.stop());

async function send(
  route: string,
  keyspace: string,
  authorization: string | undefined,
  body?: object,
) {
  const [method = 'GET', path = ''] = route.split(' ');
  const url = path
    .replace(':keyspace', keyspace)
    .replace(':key', 'some-key')
    .replace(':version', '1')
    .replace(':id', path.includes('loads') ? LOAD.loadId : 'node-0')
    .replace('*', 'json');
  const query = path === '/get' ? `?keyspace=${keyspace}&key=some-key` : '';
  const headers = authorization === undefined ? {} : { authorization };
  const payload = path.endsWith('/lookup')
    ? { keys: ['a'] }
    : method === 'PATCH'
      ? (body ?? { cache: true })
      : undefined;
  return fixture.app.inject({
    method: method as 'GET',
    url: `${url}${query}`,
    headers,
    ...(payload === undefined ? {} : { payload }),
  });
}

it('knows every route', () => {
  expect(Object.keys(ROUTE_ACCESS).sort()).toEqual(Object.keys(EXPECTED).sort());
});

describe.each(['geo', 'prices'])('requests about keyspace %s', (keyspace) => {
  it.each(CALLERS)('by %s reach what they are allowed to, and nothing else', async (caller) => {
    // Those of loads are about the keyspace of the load in the fake cluster.
    const { keyspace: loaded } = LOAD;
    const wrong: string[] = [];
    await Promise.all(
      Object.entries(EXPECTED).map(async ([route, [asked, about]]) => {
        const of = about === 'load' ? loaded : keyspace;
        const refusal = refusalOf(caller, asked, about === '*' ? undefined : of);
        const before = cluster.calls.length;
        const answer = await send(route, keyspace, authorizationOf(caller));
        const isRefused = answer.statusCode === 401 || answer.statusCode === 403;
        const isRight = refusal === undefined ? !isRefused : answer.statusCode === STATUS[refusal];
        if (!isRight) wrong.push(`${route}: ${answer.statusCode}`);
        if (refusal === 'UNAUTHENTICATED') {
          expect(answer.headers['www-authenticate']).toMatch(/^Basic /);
          expect(answer.json()).toMatchObject({ code: 'UNAUTHENTICATED' });
          expect(cluster.calls.length).toBe(before);
        }
      }),
    );
    expect(wrong).toEqual([]);
  });
});

it('asks for the right of each setting of a keyspace, before any is changed', async () => {
  const patch = async (caller: Caller, body: object): Promise<number> => {
    const route = 'PATCH /v1/keyspaces/:keyspace';
    return (await send(route, 'geo', authorizationOf(caller), body)).statusCode;
  };
  const before = cluster.calls.length;
  expect(await patch('reader', { keep: 2 })).toBe(403);
  expect(await patch('geo', { keep: 2, cache: true })).toBe(403);
  expect(await patch('geo', { replication: 2 })).toBe(403);
  expect(await patch('geo', { tier: 'disk' })).toBe(403);
  expect(await patch('operator', { keep: 2 })).toBe(403);
  expect(await patch('geo', { unknown: 2 })).toBe(400);
  expect(cluster.calls.length).toBe(before);
  expect(await patch('geo', { keep: 2 })).not.toBe(403);
  expect(await patch('operator', { cache: true, replication: 2, tier: 'disk' })).toBe(200);
  expect(await patch('admin', { keep: 2, cache: true })).not.toBe(403);
});

it('names no keyspace to those who may not read it', async () => {
  const authorization = authorizationOf('geo');
  for (const route of ['GET /v1/keyspaces', 'GET /v1/loads']) {
    const answer = await send(route, 'geo', authorization);
    expect(answer.body).toMatch(/^[{]/);
    expect(answer.statusCode, answer.body).toBe(200);
    expect(answer.body).not.toContain('default');
  }
  const verbose = await fixture.app.inject({ url: '/readyz?verbose' });
  expect(verbose.statusCode).toBe(401);
});
