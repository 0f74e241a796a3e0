import { expect, it, onTestFinished } from 'vitest';
import { FakeCluster } from '../../../support/peers/fake-cluster.ts';
import { SAMPLED, SPAN_ID, TRACE_ID, UNSAMPLED, paths, traced } from '../../../support/spans.ts';
import { HttpFixture } from '../http-fixture.ts';

const VALUE = 'GET /v1/keyspaces/:keyspace/keys/:key';
const MANY = 'POST /v1/keyspaces/:keyspace/lookup';

async function started(): Promise<HttpFixture> {
  const cluster = new FakeCluster();
  cluster.put('k', 'value');
  const http = await HttpFixture.start(cluster);
  onTestFinished(() => http.stop());
  return http;
}

it('has no hooks and wraps no receiver without an SDK', async () => {
  const http = await started();
  const receivers: unknown[] = [];
  const get = http.core.get.bind(http.core);
  http.core.get = (...all) => {
    receivers.push(all[2]?.constructor.name);
    get(...all);
  };
  expect((await http.get('/v1/keyspaces/default/keys/k')).body).toBe('value');
  expect(receivers).toEqual(['HttpValueReply']);
});

it('is a tree of the request and its lookup, in the trace of the caller', async () => {
  const spans = await traced();
  const http = await started();
  const headers = { traceparent: SAMPLED };
  expect((await http.get('/v1/keyspaces/default/keys/k', headers)).body).toBe('value');
  expect(paths(spans())).toEqual([`(${SPAN_ID}) > ${VALUE} > lookup`, `(${SPAN_ID}) > ${VALUE}`]);
  const [lookup, request] = spans();
  expect(lookup?.spanContext().traceId).toBe(TRACE_ID);
  expect(lookup?.kind).toBe(2);
  expect(lookup?.attributes).toEqual({
    'stele.keyspace': 'default',
    'stele.version': 1,
    'stele.keys': 1,
    'stele.found': 1,
    'stele.cached': false,
    'stele.nodes': [expect.stringMatching(/^datanode-/)],
  });
  expect(request?.kind).toBe(1);
  expect(request?.attributes).toEqual({
    'http.request.method': 'GET',
    'http.route': '/v1/keyspaces/:keyspace/keys/:key',
    'http.response.status_code': 200,
    'url.scheme': 'http',
  });
  await http.get('/v1/keyspaces/default/keys/k', headers);
  expect(spans()[2]?.attributes).toMatchObject({ 'stele.cached': true });
});

it('begins a trace with every read, also of many keys', async () => {
  const spans = await traced();
  const http = await started();
  const url = '/v1/keyspaces/default/lookup';
  await http.app.inject({ method: 'POST', url, payload: { keys: ['k', 'none'] } });
  await http.get('/get?key=k');
  expect(paths(spans())).toEqual([`${MANY} > lookup`, MANY, 'GET /get > lookup', 'GET /get']);
  expect(spans()[0]?.attributes).toMatchObject({ 'stele.keys': 2, 'stele.found': 1 });
});

it('goes on with the trace of any other request, and begins none', async () => {
  const spans = await traced();
  const http = await started();
  for (const url of ['/livez', '/v1/keyspaces', '/nowhere']) await http.get(url);
  expect(spans()).toEqual([]);
  await http.get('/v1/keyspaces', { traceparent: SAMPLED });
  expect(paths(spans())).toEqual([`(${SPAN_ID}) > GET /v1/keyspaces`]);
});

it('records nothing of a caller that records nothing', async () => {
  const spans = await traced();
  const http = await started();
  await http.get('/v1/keyspaces/default/keys/k', { traceparent: UNSAMPLED });
  expect(spans()).toEqual([]);
});

it('tells failures from answers', async () => {
  const spans = await traced();
  const http = await started();
  await http.get('/v1/keyspaces/default/keys/none');
  await http.get('/v1/keyspaces/none/keys/k');
  expect(spans().map(({ name, status }) => `${name} ${status.code}`)).toEqual([
    'lookup 0',
    `${VALUE} 0`,
    `${VALUE} 0`,
  ]);
});
