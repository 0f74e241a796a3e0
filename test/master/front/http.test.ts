import { once } from 'node:events';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../base/log.ts';
import { createHttpApp } from '../../../master/front/http/app.ts';
import { LookupCore } from '../../../master/front/lookup-core.ts';
import { FrontMetrics } from '../../../master/front/metrics.ts';
import { HealthStatus } from '../../../proto/gen/stele/v1/view.ts';
import { FakeCluster, UID } from './fake-cluster.ts';

let cluster: FakeCluster;
let core: LookupCore;
let app: FastifyInstance;
let closing = false;

async function start(): Promise<void> {
  core = new LookupCore({
    views: cluster,
    links: cluster.links,
    cacheMaxBytes: 1024 * 1024,
    deadlineMs: 200,
  });
  app = await createHttpApp({
    core,
    operations: cluster,
    metrics: new FrontMetrics(core, () => ({ http: 1, resp: 2 })),
    log: silentLogger,
    maxConnections: 100,
    closing: () => closing,
  });
}

beforeEach(async () => {
  closing = false;
  cluster = new FakeCluster();
  cluster.put('k', 'value');
  await start();
});

afterEach(async () => {
  await app.close();
  core.close();
});

const get = (url: string, headers: Record<string, string> = {}) =>
  app.inject({ method: 'GET', url, headers });

/** As `get`, but over a real connection. */
async function fetched(url: string) {
  if (!app.server.listening) await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  const reply = await fetch(`http://127.0.0.1:${port}${url}`);
  const body = await reply.text();
  const headers = Object.fromEntries(reply.headers);
  return { statusCode: reply.status, headers, body, json: () => JSON.parse(body) };
}

/** Checks that a reply is a problem of RFC 9457 with this code. */
function expectProblem(
  reply: { statusCode: number; headers: Record<string, unknown>; body: string },
  status: number,
  code: string,
): void {
  expect(reply.statusCode).toBe(status);
  expect(reply.headers['content-type']).toBe('application/problem+json');
  const problem = JSON.parse(reply.body) as Record<string, unknown>;
  expect(problem).toMatchObject({ status, code, type: `urn:stele:error:${code}` });
  expect(problem['title']).toMatch(/^[A-Z]/);
  expect(problem['detail']).toMatch(/\w/);
  expect(problem['requestId']).toMatch(/\w/);
}

/** A request over a real socket, byte for byte; the whole answer until the server closes. */
async function exchange(request: string | Buffer): Promise<string> {
  if (!app.server.listening) await app.listen({ host: '127.0.0.1', port: 0 });
  const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1');
  let answer = '';
  socket.setEncoding('latin1').on('data', (part: string) => (answer += part));
  socket.write(request);
  await once(socket, 'close');
  return answer;
}

describe('GET of a value', () => {
  it('gives its bytes with etag, version and node', async () => {
    const reply = await get('/v1/keyspaces/default/keys/k');
    expect(reply.statusCode).toBe(200);
    expect(reply.body).toBe('value');
    expect(reply.headers).toMatchObject({
      'content-type': 'application/octet-stream',
      'content-length': '5',
      'x-stele-version': '1',
    });
    expect(reply.headers['etag']).toMatch(new RegExp(`^"${UID}-1-[0-9a-f]+"$`));
    expect(cluster.nodes.has(String(reply.headers['x-stele-node']))).toBe(true);
  });

  it('names the node for a cached value too', async () => {
    const first = await get('/v1/keyspaces/default/keys/k');
    const second = await get('/v1/keyspaces/default/keys/k');
    expect(core.cache.hits).toBe(1);
    expect(second.headers['x-stele-node']).toBe(first.headers['x-stele-node']);
    expect(second.body).toBe('value');
  });

  it('is 304 for the etag it gave, alone or in a list, and for no other', async () => {
    const { headers } = await get('/v1/keyspaces/default/keys/k');
    const etag = String(headers['etag']);
    for (const wanted of [etag, `"other", W/${etag}`, '*']) {
      const reply = await get('/v1/keyspaces/default/keys/k', { 'if-none-match': wanted });
      expect(reply.statusCode).toBe(304);
      expect(reply.body).toBe('');
      expect(reply.headers['etag']).toBe(etag);
    }
    const changed = await get('/v1/keyspaces/default/keys/k', { 'if-none-match': '"other"' });
    expect(changed.statusCode).toBe(200);
  });

  it('gives another etag for another version', async () => {
    const before = await get('/v1/keyspaces/default/keys/k');
    cluster.put('k', 'newer', 2);
    cluster.change((view) => {
      view.keyspaces[0]!.versions = [1, 2];
      view.keyspaces[0]!.currentVersion = 2;
    });
    const after = await get('/v1/keyspaces/default/keys/k');
    expect(after.body).toBe('newer');
    expect(after.headers['etag']).not.toBe(before.headers['etag']);
    const old = await get('/v1/keyspaces/default/keys/k?version=1');
    expect(old.body).toBe('value');
    expect(old.headers['etag']).toBe(before.headers['etag']);
  });

  it('HEAD gives the headers without the bytes', async () => {
    const answer = await exchange(
      'HEAD /v1/keyspaces/default/keys/k HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n',
    );
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(answer).toMatch(/content-length: 5\r\n/);
    expect(answer.endsWith('\r\n\r\n')).toBe(true);
  });

  it('finds a key of any bytes, percent-encoded', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 40 }), fc.boolean(), async (bytes, lower) => {
        const key = Buffer.from(bytes);
        const value = Buffer.from(key).reverse();
        cluster.put(key, value);
        const hex = key.toString('hex').replace(/../g, '%$&');
        const url = `/v1/keyspaces/default/keys/${lower ? hex : hex.toUpperCase()}`;
        const reply = await get(`${url}?x=/keys/y?z`);
        expect(reply.statusCode).toBe(200);
        expect(reply.rawPayload.equals(value)).toBe(true);
      }),
      { seed: 20_261, numRuns: 200 },
    );
  });

  it('takes slashes, spaces and UTF-8 as they come, escaped or not', async () => {
    for (const [key, url] of [
      ['a/b', 'a/b'],
      ['a/b', 'a%2Fb'],
      ['a b', 'a%20b'],
      ['a+b', 'a+b'],
      ['é', '%C3%A9'],
      ['', ''],
      ['-', '-'],
      ['?', '%3f'],
      ['..', '..'],
    ] as const) {
      cluster.put(key, `<${key}>`);
      const answer = await exchange(
        `GET /v1/keyspaces/default/keys/${url} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`,
      );
      expect(Buffer.from(answer.split('\r\n\r\n')[1]!, 'latin1').toString()).toBe(`<${key}>`);
    }
  });

  it('finds a key of 64 KiB in which every byte is escaped', async () => {
    const key = Buffer.alloc(65_536, 0xff);
    cluster.put(key, 'long');
    const answer = await exchange(
      `GET /v1/keyspaces/default/keys/${'%FF'.repeat(65_536)} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    expect(answer.endsWith('\r\n\r\nlong')).toBe(true);
    const longer = await exchange(
      `GET /v1/keyspaces/default/keys/${'k'.repeat(65_537)} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`,
    );
    expect(longer).toMatch(/"code":"KEY_TOO_LONG"/);
  });

  it('gives large and binary values whole', async () => {
    const value = Buffer.from(Array.from({ length: 100_000 }, (_, at) => at & 255));
    cluster.put('large', value);
    cluster.put('small', value.subarray(0, 256));
    expect((await get('/v1/keyspaces/default/keys/large')).rawPayload.equals(value)).toBe(true);
    const small = await get('/v1/keyspaces/default/keys/small');
    expect(small.rawPayload.equals(value.subarray(0, 256))).toBe(true);
  });

  it('serves pipelined requests in order', async () => {
    for (let number = 0; number < 20; number++) cluster.put(`p${number}`, `<${number}>`);
    const requests = Array.from(
      { length: 20 },
      (_, number) =>
        `GET /v1/keyspaces/default/keys/p${number} HTTP/1.1\r\nhost: x\r\n${number === 19 ? 'connection: close\r\n' : ''}\r\n`,
    );
    const answer = await exchange(requests.join(''));
    expect(answer.match(/<\d+>/g)).toEqual(Array.from({ length: 20 }, (_, n) => `<${n}>`));
  });
});

describe('errors are problems', () => {
  it('for a missing key, a missing keyspace and an unknown version', async () => {
    expectProblem(await get('/v1/keyspaces/default/keys/none'), 404, 'NOT_FOUND');
    expectProblem(await get('/v1/keyspaces/none/keys/k'), 404, 'KEYSPACE_NOT_FOUND');
    expectProblem(await get('/v1/keyspaces/default/keys/k?version=9'), 404, 'VERSION_NOT_FOUND');
    expectProblem(await get('/v1/keyspaces/default/keys/k?version=x'), 400, 'INVALID_ARGUMENT');
  });

  it('for a bad escape, an unknown route and a wrong method', async () => {
    expectProblem(await get('/v1/keyspaces/default/keys/%zz'), 400, 'INVALID_ARGUMENT');
    expectProblem(await get('/v1/keyspaces/default/keys/a%2'), 400, 'INVALID_ARGUMENT');
    expectProblem(await get('/nothing/here'), 404, 'NOT_FOUND');
    expectProblem(await get('/%ff'), 400, 'INVALID_ARGUMENT');
    const put = await app.inject({ method: 'PUT', url: '/v1/keyspaces/default/keys/k' });
    expectProblem(put, 404, 'NOT_FOUND');
  });

  it('for a shard that nobody can answer for: 503, never 404', async () => {
    cluster.change((view) => {
      view.routes[cluster.shardOf('k')]!.nodes = [];
    });
    const reply = await get('/v1/keyspaces/default/keys/k');
    expectProblem(reply, 503, 'UNAVAILABLE');
    expect(reply.headers['retry-after']).toBe('1');
  });

  it('before readiness: 503 UNINITIALIZED for every read', async () => {
    await app.close();
    core.close();
    cluster.change((view) => (view.ready = false));
    await start();
    expectProblem(await get('/v1/keyspaces/default/keys/k'), 503, 'UNINITIALIZED');
    expectProblem(await get('/v1/keyspaces/none/keys/k'), 503, 'UNINITIALIZED');
    expectProblem(await get('/get?key=k'), 503, 'UNINITIALIZED');
    expect((await get('/livez')).statusCode).toBe(200);
    expect((await get('/readyz')).statusCode).toBe(503);
    cluster.change((view) => (view.ready = true));
    expect((await get('/v1/keyspaces/default/keys/k')).statusCode).toBe(200);
    expect((await get('/readyz')).statusCode).toBe(200);
  });

  it('for what is no HTTP at all', async () => {
    const answer = await exchange('*1\r\n$4\r\nPING\r\n');
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toMatch(/"code":"INVALID_ARGUMENT"/);
    const huge = await exchange(`GET /${'x'.repeat(400_000)} HTTP/1.1\r\n\r\n`);
    expect(huge).toMatch(/^HTTP\/1\.1 431 /);
  });
});

describe('POST lookup', () => {
  const post = (payload: unknown, headers: Record<string, string> = {}) =>
    app.inject({
      method: 'POST',
      url: '/v1/keyspaces/default/lookup',
      payload: payload as object,
      headers,
    });

  it('gives a result per key in the order asked, of one version', async () => {
    const reply = await post({ keys: ['none', 'k', 'k'] });
    expect(reply.json()).toEqual({
      version: 1,
      results: [
        { key: 'none', status: 'NOT_FOUND', value: null },
        { key: 'k', status: 'OK', value: 'value' },
        { key: 'k', status: 'OK', value: 'value' },
      ],
    });
  });

  it('gives values, misses and unavailable keys side by side', async () => {
    cluster.put('dead', 'v');
    cluster.change((view) => {
      view.routes[cluster.shardOf('dead')]!.nodes = [];
    });
    expect(cluster.shardOf('dead')).not.toBe(cluster.shardOf('k'));
    const reply = await post({ keys: ['dead', 'k'] });
    expect(reply.statusCode).toBe(200);
    expect(reply.json().results).toEqual([
      { key: 'dead', status: 'UNAVAILABLE', value: null },
      { key: 'k', status: 'OK', value: 'value' },
    ]);
  });

  it('takes and gives bytes as base64', async () => {
    cluster.put(Buffer.from([0xff, 0x00]), Buffer.from([0xfe, 0x0a]));
    const reply = await post({ keys: ['/wA='], encoding: 'base64' });
    expect(reply.json().results).toEqual([{ key: '/wA=', status: 'OK', value: '/go=' }]);
    expectProblem(await post({ keys: ['&&&'], encoding: 'base64' }), 400, 'INVALID_ARGUMENT');
  });

  it('says so where a value is no UTF-8', async () => {
    cluster.put('binary', Buffer.from([0xfe]));
    const reply = await post({ keys: ['binary'] });
    expect(reply.json().results).toEqual([
      { key: 'binary', status: 'OK', value: '/g==', encoding: 'base64' },
    ]);
  });

  it('refuses bodies of another shape', async () => {
    for (const payload of [
      {},
      { keys: 'k' },
      { keys: [1] },
      { keys: ['k'], encoding: 'x' },
      { keys: ['k'], more: 1 },
    ]) {
      expectProblem(await post(payload), 400, 'INVALID_ARGUMENT');
    }
    expectProblem(
      await post('{"keys":', { 'content-type': 'application/json' }),
      400,
      'INVALID_ARGUMENT',
    );
    expectProblem(
      await post('keys=k', { 'content-type': 'application/x-www-form-urlencoded' }),
      400,
      'INVALID_ARGUMENT',
    );
    const many = Array.from({ length: 10_001 }, () => 'k');
    expectProblem(await post({ keys: many }), 413, 'BATCH_TOO_LARGE');
    expectProblem(await post({ keys: ['x'.repeat(17_000_000)] }), 413, 'BATCH_TOO_LARGE');
  });
});

describe('GET /get', () => {
  it('answers as it always did', async () => {
    cluster.put(Buffer.from([0xff, 0x20]), 'binary key');
    const found = await get('/get?keyspace=default&key=k');
    expect(found.json()).toEqual({ status: 'SUCCESS', value: 'value' });
    expect((await get('/get?key=k')).json()).toEqual({ status: 'SUCCESS', value: 'value' });
    expect((await get('/get?key=%FF+')).json().value).toBe('binary key');
    const missing = await get('/get?keyspace=default&key=none');
    expect(missing.statusCode).toBe(404);
    expect(missing.json()).toEqual({ status: 'NOT_FOUND', value: null });
    expectProblem(await get('/get?keyspace=default'), 400, 'INVALID_ARGUMENT');
    expectProblem(await get('/get?keyspace=none&key=k'), 404, 'KEYSPACE_NOT_FOUND');
  });
});

describe('operations', () => {
  it('lists datasets and versions with digests in hex', async () => {
    expect((await get('/v1/keyspaces')).json().keyspaces).toEqual([
      expect.objectContaining({ name: 'default', current_version: 1, digest: '00ff' }),
    ]);
    expect((await get('/v1/keyspaces/default')).json()).toMatchObject({ uid: UID, records: 0 });
    expect((await get('/v1/keyspaces/default/versions')).json()).toMatchObject({
      keyspace: 'default',
      versions: [{ version: 1, current: true, digest: 'abcd', committed_at: expect.any(String) }],
    });
    expectProblem(await get('/v1/keyspaces/none'), 404, 'KEYSPACE_NOT_FOUND');
    expectProblem(await get('/v1/keyspaces/none/versions'), 404, 'KEYSPACE_NOT_FOUND');
    expectProblem(await get('/v1/keyspaces/-bad'), 400, 'INVALID_ARGUMENT');
  });

  it('rolls back with and without a version, and drops', async () => {
    const url = '/v1/keyspaces/default/rollback';
    const to = await app.inject({ method: 'POST', url, payload: { to: 1 } });
    expect(to.json()).toEqual({ keyspace: 'default', version: 1, from: 2 });
    const bare = await app.inject({ method: 'POST', url });
    expect(bare.statusCode).toBe(200);
    expectProblem(
      await app.inject({ method: 'POST', url, payload: { to: 'one' } }),
      400,
      'INVALID_ARGUMENT',
    );
    const dropped = await app.inject({ method: 'DELETE', url: '/v1/keyspaces/default' });
    expect(dropped.statusCode).toBe(200);
    expect(cluster.calls).toEqual(['rollback default 1', 'rollback default 0', 'drop default']);
  });

  it('tells health in snake_case, with what is uncovered', async () => {
    expect((await fetched('/v1/cluster/health')).json()).toMatchObject({
      status: 'green',
      ready: true,
      replication: { target: 2, effective: 2 },
      shards: { total: 16, active: 16, under_replicated: 0, uncovered: [] },
      epoch: 1,
    });
    cluster.healthStatus = HealthStatus.RED;
    const red = (await fetched('/v1/cluster/health')).json();
    expect(red.status).toBe('red');
    expect(red.shards.uncovered).toEqual([
      { shard: 3, slots: [3072, 4095], keyspaces: ['default'] },
    ]);
    expect(red.nodes[0]).toMatchObject({ id: 'datanode-0', state: 'SERVING' });
  });

  it('waits for health, and says 408 when the wait runs out', async () => {
    const reached = await fetched('/v1/cluster/health?wait_for_status=green&timeout=2s');
    expect(reached.json().status).toBe('green');
    expect(cluster.calls).toContain('health 1 2000');
    cluster.healthStatus = HealthStatus.YELLOW;
    const late = await fetched('/v1/cluster/health?wait_for_status=green&timeout=10ms');
    expectProblem(late, 408, 'DEADLINE_EXCEEDED');
    expect(late.json().health.status).toBe('yellow');
    expectProblem(
      await fetched('/v1/cluster/health?wait_for_status=blue'),
      400,
      'INVALID_ARGUMENT',
    );
    expectProblem(
      await fetched('/v1/cluster/health?wait_for_status=green&timeout=soon'),
      400,
      'INVALID_ARGUMENT',
    );
  });

  it('lists nodes and shards and explains a key of any bytes', async () => {
    expect((await get('/v1/nodes')).json().nodes[1]).toMatchObject({
      id: 'datanode-1',
      state: 'SERVING',
      address: { host: '127.0.0.1', resp_port: 7402 },
      segment_bytes: 1000,
    });
    expect((await get('/v1/shards')).json().shards[0]).toEqual({
      shard: 0,
      slots: [0, 1023],
      owners: ['datanode-0', 'datanode-1'],
      holders: ['datanode-0'],
      status: 'yellow',
    });
    expect((await get('/v1/explain/default/%FF%2F')).json()).toMatchObject({
      shard: cluster.shardOf(Buffer.from([0xff, 0x2f])),
      served_by: 'datanode-0',
      replicas: [{ node: 'datanode-0', owner: true, holds: true, state: 'SERVING' }],
    });
  });

  it('drains, resumes and removes nodes', async () => {
    await app.inject({ method: 'POST', url: '/v1/nodes/datanode-1/drain' });
    await app.inject({ method: 'POST', url: '/v1/nodes/datanode-1/resume' });
    await app.inject({ method: 'DELETE', url: '/v1/nodes/datanode-1' });
    expect(cluster.calls).toEqual(['drain datanode-1', 'resume datanode-1', 'remove datanode-1']);
    const unknown = await app.inject({ method: 'POST', url: '/v1/nodes/nobody/drain' });
    expectProblem(unknown, 404, 'NODE_NOT_FOUND');
  });
});

describe('the process', () => {
  it('tells readiness with its reasons, and loses it on closing', async () => {
    expect((await get('/readyz')).statusCode).toBe(200);
    closing = true;
    const reply = await get('/readyz?verbose');
    expect(reply.statusCode).toBe(503);
    expect(reply.body).toContain('[-] not shutting down');
    expect(reply.body).toContain('[+] datanodes serving: 3 of 3');
  });

  it('counts reads, cache, retries and latency for Prometheus', async () => {
    await get('/v1/keyspaces/default/keys/k');
    await get('/v1/keyspaces/default/keys/k');
    await get('/v1/keyspaces/default/keys/none');
    const reply = await get('/metrics');
    expect(reply.headers['content-type']).toMatch(/^text\/plain/);
    for (const line of [
      'stele_reads_total{protocol="http",result="found"} 2',
      'stele_reads_total{protocol="http",result="not_found"} 1',
      'stele_cache_hits_total 1',
      'stele_cache_misses_total 2',
      'stele_lookup_retries_total 0',
      'stele_node_in_flight_keys{node="datanode-0"} 0',
      'stele_health_status 1',
      'stele_connections{protocol="resp"} 2',
      'stele_read_seconds_count{protocol="http"} 3',
      'stele_read_seconds_bucket{protocol="http",le="+Inf"} 3',
    ]) {
      expect(reply.body.split('\n')).toContain(line);
    }
    expect(reply.body).toContain('nodejs_eventloop_lag_seconds');
  });

  it('describes itself at /docs/json and shows it at /docs', async () => {
    const paths = Object.keys((await get('/docs/json')).json().paths as object);
    for (const path of [
      '/v1/keyspaces/{keyspace}/keys/{key}',
      '/v1/keyspaces/{keyspace}/lookup',
      '/v1/cluster/health',
      '/v1/nodes/{id}/drain',
      '/metrics',
    ]) {
      expect(paths).toContain(path);
    }
    expect((await get('/docs')).statusCode).toBeLessThan(400);
  });
});
