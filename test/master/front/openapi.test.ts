// Every route is asked so that it gives each kind of answer that it has, and each answer is held
// against what the served OpenAPI document says of that route, status and content type.

import Fastify from 'fastify';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { HealthStatus } from '../../../proto/gen/stele/v1/view.ts';
import { FakeCluster } from '../../support/peers/fake-cluster.ts';
import { HttpFixture } from './http-fixture.ts';
import { LOAD } from '../../support/peers/load-sample.ts';

interface Answer {
  readonly description: string;
  readonly content?: Readonly<Record<string, { readonly schema: object }>>;
}
interface Operation {
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly responses: Readonly<Record<string, Answer>>;
}
interface Document {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}
interface Asked {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly payload?: object;
  readonly before?: () => void;
}

const KEYS = '/v1/keyspaces/{keyspace}/keys/{key}';
let cluster: FakeCluster;
let http: HttpFixture;

beforeEach(async () => {
  cluster = new FakeCluster();
  cluster.put('k', 'value');
  cluster.put(Buffer.from([0xff]), Buffer.from([0xfe]));
  http = await HttpFixture.start(cluster);
});

afterEach(() => http.stop());

const lose = (): void =>
  cluster.change((view) => view.routes.forEach((route) => (route.nodes = [])));
const leaderless = (): void => cluster.loseLeader();
const fall = (): void => cluster.restart();
const noted = (): void =>
  http.audit.note({ door: 'http', what: 'GET /x', from: '::1', who: 'alice', result: 'OK' });
const ok: Asked = { status: 200 };
const json = { accept: 'application/json' };

/** `METHOD template` -> what is asked of it: a URL, and the status that it must have. */
const QUESTIONS: Readonly<Record<string, Readonly<Record<string, Asked>>>> = {
  [`get ${KEYS}`]: {
    '/v1/keyspaces/default/keys/k': ok,
    '/v1/keyspaces/default/keys/%FF': { status: 200, headers: json },
    '/v1/keyspaces/default/keys/k?version=1': { status: 200, headers: json },
    '/v1/keyspaces/default/keys/k?': { status: 304, headers: { 'if-none-match': '*' } },
    '/v1/keyspaces/default/keys/none': { status: 404 },
    '/v1/keyspaces/none/keys/k': { status: 404 },
    '/v1/keyspaces/default/keys/%zz': { status: 400 },
    '/v1/keyspaces/default/keys/k?version=9': { status: 404 },
    '/v1/keyspaces/default/keys/other': { status: 503, before: lose },
  },
  'post /v1/keyspaces/{keyspace}/lookup': {
    '/v1/keyspaces/default/lookup': { status: 200, payload: { keys: ['k', 'none'] } },
    '/v1/keyspaces/default/lookup?1': {
      status: 200,
      payload: { keys: ['/w==', 'aw=='], encoding: 'base64', version: 1 },
    },
    '/v1/keyspaces/none/lookup': { status: 404, payload: { keys: ['k'] } },
    '/v1/keyspaces/default/lookup?2': { status: 400, payload: { keys: 'k' } },
    '/v1/keyspaces/default/lookup?3': {
      status: 413,
      payload: { keys: Array.from({ length: 10_001 }, () => 'k') },
    },
    '/v1/keyspaces/default/lookup?4': { status: 200, payload: { keys: ['k'] }, before: lose },
  },
  'get /get': {
    '/get?key=k': ok,
    '/get?key=none': { status: 404 },
    '/get?key=k&keyspace=none': { status: 404 },
    '/get': { status: 400 },
    '/get?key=other': { status: 503, before: lose },
  },
  'get /v1/session': { '/v1/session': ok },
  'get /v1/stats': { '/v1/stats': ok },
  'get /v1/keyspaces': {
    '/v1/keyspaces': ok,
    '/v1/keyspaces?2': { status: 304, headers: { 'if-none-match': '*' } },
    '/v1/keyspaces?1': { status: 200, before: leaderless },
  },
  'get /v1/keyspaces/{keyspace}': {
    '/v1/keyspaces/default': ok,
    '/v1/keyspaces/none': { status: 404 },
    '/v1/keyspaces/-bad': { status: 400 },
    '/v1/keyspaces/default?1': { status: 200, before: leaderless },
    '/v1/keyspaces/none?1': { status: 503, before: leaderless },
  },
  'put /v1/keyspaces/{keyspace}': {
    '/v1/keyspaces/new': ok,
    '/v1/keyspaces/-bad': { status: 400 },
  },
  'patch /v1/keyspaces/{keyspace}': {
    '/v1/keyspaces/default': { status: 200, payload: { keep: 3 } },
    '/v1/keyspaces/default?1': { status: 200, payload: { keep: 3, cache: true } },
    '/v1/keyspaces/default?2': { status: 400, payload: {} },
  },
  'delete /v1/keyspaces/{keyspace}': {
    '/v1/keyspaces/default': ok,
    '/v1/keyspaces/-bad': { status: 400 },
  },
  'get /v1/keyspaces/{keyspace}/versions': {
    '/v1/keyspaces/default/versions': ok,
    '/v1/keyspaces/none/versions': { status: 404 },
  },
  'delete /v1/keyspaces/{keyspace}/versions/{version}': {
    '/v1/keyspaces/default/versions/3': ok,
    '/v1/keyspaces/default/versions/x': { status: 400 },
  },
  'post /v1/keyspaces/{keyspace}/rollback': {
    '/v1/keyspaces/default/rollback': ok,
    '/v1/keyspaces/default/rollback?1': { status: 200, payload: { to: 1 } },
    '/v1/keyspaces/default/rollback?2': { status: 400, payload: { to: 'one' } },
  },
  'post /v1/keyspaces/{keyspace}/promote': {
    '/v1/keyspaces/default/promote': { status: 200, payload: { to: 3 } },
    '/v1/keyspaces/default/promote?1': { status: 400 },
  },
  'get /v1/keyspaces/{keyspace}/diff': {
    '/v1/keyspaces/default/diff?from=1': ok,
    '/v1/keyspaces/default/diff?from=1&to=2&samples=3&encoding=base64': ok,
    '/v1/keyspaces/default/diff': { status: 400 },
  },
  'get /v1/keyspaces/{keyspace}/cost': {
    '/v1/keyspaces/default/cost': ok,
  },
  'get /v1/keyspaces/{keyspace}/hot-keys': {
    '/v1/keyspaces/default/hot-keys': ok,
    '/v1/keyspaces/default/hot-keys?limit=5': ok,
    '/v1/keyspaces/default/hot-keys?limit=x': { status: 400 },
  },
  'post /v1/keyspaces/{keyspace}/suspend': { '/v1/keyspaces/default/suspend': ok },
  'post /v1/keyspaces/{keyspace}/resume': {
    '/v1/keyspaces/default/resume': ok,
    '/v1/keyspaces/a%20b/resume': { status: 400 },
  },
  'get /v1/events': {
    '/v1/events': ok,
    '/v1/events?keyspace=default&limit=5': ok,
    '/v1/events?limit=0': { status: 400 },
  },
  'get /v1/loads': { '/v1/loads': ok, '/v1/loads?keyspace=default': ok },
  'get /v1/loads/{id}': {
    [`/v1/loads/${LOAD.loadId}`]: ok,
    '/v1/loads/0000000000000000': { status: 404 },
  },
  'post /v1/loads/{id}/cancel': {
    [`/v1/loads/${LOAD.loadId}/cancel`]: { status: 200, payload: { reason: 'wrong' } },
    [`/v1/loads/${LOAD.loadId}/cancel?1`]: { status: 400, payload: { why: 'wrong' } },
  },
  'get /v1/cluster/health': {
    '/v1/cluster/health': ok,
    '/v1/cluster/health?1': {
      status: 200,
      before: () => (cluster.healthStatus = HealthStatus.RED),
    },
    '/v1/cluster/health?2': { status: 200, before: leaderless },
    '/v1/cluster/health?wait_for_status=green&timeout=10ms': { status: 408 },
    '/v1/cluster/health?wait_for_status=blue': { status: 400 },
  },
  'get /v1/counters': { '/v1/counters': ok },
  'get /v1/masters': { '/v1/masters': ok },
  'get /v1/shards': {
    '/v1/shards': ok,
    '/v1/shards?2': { status: 304, headers: { 'if-none-match': '*' } },
    '/v1/shards?1': { status: 200, before: leaderless },
  },
  'get /v1/explain/{keyspace}/{key}': {
    '/v1/explain/default/k': ok,
    '/v1/explain/-bad/k': { status: 400 },
  },
  'get /v1/explain/{keyspace}': {
    '/v1/explain/default?shard=3': ok,
    '/v1/explain/default?shard=x': { status: 400 },
    '/v1/explain/default': { status: 400 },
  },
  'get /v1/nodes': { '/v1/nodes': ok, '/v1/nodes?1': { status: 200, before: leaderless } },
  'post /v1/nodes/{id}/drain': {
    '/v1/nodes/datanode-1/drain': ok,
    '/v1/nodes/nobody/drain': { status: 404 },
  },
  'post /v1/nodes/{id}/resume': { '/v1/nodes/datanode-1/resume': ok },
  'delete /v1/nodes/{id}': {
    '/v1/nodes/datanode-1': ok,
    '/v1/nodes/datanode-1?force=perhaps': { status: 400 },
  },
  'get /livez': { '/livez': ok },
  'get /readyz': { '/readyz?verbose': ok, '/readyz': { status: 503, before: fall } },
  'get /metrics': { '/metrics': ok },
  'get /v1/audit': {
    '/v1/audit': { status: 200, before: noted },
    '/v1/audit?user=alice&keyspace=default&limit=5': { status: 200, before: noted },
    '/v1/audit?limit=0': { status: 400 },
  },
};

async function documentOf(): Promise<Document> {
  return (await http.get('/docs/json')).json<Document>();
}

/**
 * What is wrong with a value by a schema, by the validator that fastify has; null where nothing is.
 */
async function schemaChecker(): Promise<(schema: object, value: unknown) => unknown> {
  const strict = { removeAdditional: false, coerceTypes: false } as const;
  const app = Fastify({ ajv: { customOptions: strict } });
  const checks: ((schema: object, value: unknown) => unknown)[] = [];
  app.get('/', async (request) => {
    checks.push((schema, value) => {
      const validate = request.compileValidationSchema(schema);
      return validate(value) ? null : validate.errors;
    });
  });
  await app.inject('/');
  const [check] = checks;
  if (check === undefined) throw new Error('fastify gave no validator');
  return check;
}

it('every route of the document is asked, and no other', async () => {
  const { openapi, paths } = await documentOf();
  expect(openapi).toBe('3.1.0');
  const documented = Object.entries(paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method} ${path}`),
  );
  expect(documented.sort()).toEqual(Object.keys(QUESTIONS).sort());
});

it('the document names the parameters of every path', async () => {
  for (const [path, operations] of Object.entries((await documentOf()).paths)) {
    const named = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '');
    for (const { parameters = [] } of Object.values(operations)) {
      const inPath = parameters.filter((each) => each.in === 'path').map(({ name }) => name);
      expect(inPath.sort()).toEqual(named.sort());
    }
  }
});

it.each(Object.keys(QUESTIONS))('%s answers as the document says', async (route) => {
  const [method = '', path = ''] = route.split(' ');
  const operation = (await documentOf()).paths[path]?.[method];
  const check = await schemaChecker();
  const seen = new Set<string>();
  for (const [url, { before, headers = {}, payload, status }] of Object.entries(
    QUESTIONS[route] ?? {},
  )) {
    before?.();
    const reply = await fetch(`http://127.0.0.1:${await http.port()}${url}`, {
      method: method.toUpperCase(),
      headers: { ...headers, ...(payload && { 'content-type': 'application/json' }) },
      ...(payload && { body: JSON.stringify(payload) }),
    });
    const body = Buffer.from(await reply.arrayBuffer());
    expect({ url, status: reply.status }).toEqual({ url, status });
    const { responses = {} } = operation ?? {};
    const answer = responses[status] ?? responses[`${String(status)[0]}XX`];
    expect(answer, `${url} ${status} is documented`).toBeDefined();
    seen.add(responses[status] === undefined ? `${String(status)[0]}XX` : String(status));
    const type = reply.headers.get('content-type')?.split(';')[0];
    if (type === undefined) {
      expect(body).toHaveLength(0);
      continue;
    }
    const schema = answer?.content?.[type]?.schema;
    expect(schema, `${url} ${status} ${type} is documented`).toBeDefined();
    const isJson = type.endsWith('json');
    const value: unknown = isJson ? JSON.parse(body.toString()) : body.toString('latin1');
    expect({ url, wrong: check(schema ?? {}, value) }).toEqual({ url, wrong: null });
  }
  expect(seen).toContain('200');
});
