import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HealthStatus } from '../../../proto/gen/stele/v1/view.ts';
import { FakeCluster, UID } from '../../support/peers/fake-cluster.ts';
import { HttpFixture, expectProblem } from './http-fixture.ts';
import { LOAD } from '../../support/peers/load-sample.ts';

let cluster: FakeCluster;
let http: HttpFixture;

beforeEach(async () => {
  cluster = new FakeCluster();
  cluster.put('k', 'value');
  http = await HttpFixture.start(cluster);
});

afterEach(() => http.stop());

const get = (url: string, headers: Record<string, string> = {}) => http.get(url, headers);

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
    const to = await http.app.inject({ method: 'POST', url, payload: { to: 1 } });
    expect(to.json()).toEqual({ keyspace: 'default', version: 1, from: 2 });
    const bare = await http.app.inject({ method: 'POST', url });
    expect(bare.statusCode).toBe(200);
    expectProblem(
      await http.app.inject({ method: 'POST', url, payload: { to: 'one' } }),
      400,
      'INVALID_ARGUMENT',
    );
    const dropped = await http.app.inject({ method: 'DELETE', url: '/v1/keyspaces/default' });
    expect(dropped.statusCode).toBe(200);
    expect(cluster.calls).toEqual(['rollback default 1', 'rollback default 0', 'drop default']);
  });

  it('promotes, drops a version, and sets how many are kept', async () => {
    const url = '/v1/keyspaces/default';
    const promote = (payload: object) =>
      http.app.inject({ method: 'POST', url: `${url}/promote`, payload });
    expect((await promote({ to: 3 })).json()).toEqual({ keyspace: 'default', version: 3, from: 2 });
    for (const wrong of [{}, { to: 0 }, { to: '3' }, { to: 1, more: 1 }]) {
      expectProblem(await promote(wrong), 400, 'INVALID_ARGUMENT');
    }
    const dropped = await http.app.inject({ method: 'DELETE', url: `${url}/versions/3` });
    expect(dropped.json()).toEqual({ keyspace: 'default', version: 3, dropped: true });
    expectProblem(
      await http.app.inject({ method: 'DELETE', url: `${url}/versions/x` }),
      400,
      'INVALID_ARGUMENT',
    );
    const keep = (payload: object) => http.app.inject({ method: 'PATCH', url, payload });
    expect((await keep({ keep: 5 })).json()).toEqual({
      keyspace: 'default',
      keep: 5,
      retired: [1],
    });
    expect((await keep({ cache: false })).json()).toEqual({ keyspace: 'default', cache: false });
    for (const wrong of [{ keep: 1 }, {}, { cache: 1 }, { keep: 3, more: 1 }]) {
      expectProblem(await keep(wrong), 400, 'INVALID_ARGUMENT');
    }
    expect(cluster.calls).toEqual([
      'promote default 3',
      'drop default 3',
      'keep default 5',
      'cache default false',
    ]);
    expect((await get(`${url}/versions`)).json().versions[0]).toMatchObject({
      load_id: LOAD.loadId,
      reason: null,
      gate: { expect_rows: 4, max_shrink: 0.2, require_keys: [{ key: 'k', value: null }] },
    });
  });

  it('lists loads, tells of one, and cancels it', async () => {
    expect((await get('/v1/loads')).json().loads).toEqual([
      expect.objectContaining({ id: LOAD.loadId, state: 'RUNNING', stage: 'parse', version: null }),
    ]);
    await get('/v1/loads?keyspace=default');
    const url = `/v1/loads/${LOAD.loadId}`;
    expect((await get(url)).json()).toMatchObject({
      owner: { host: 'here', pid: 7, user: 'me' },
      bytes_done: 100,
      ended_at: null,
    });
    expectProblem(await get('/v1/loads/0000000000000000'), 404, 'LOAD_NOT_FOUND');
    expectProblem(await get('/v1/loads/nope'), 404, 'LOAD_NOT_FOUND');
    const post = (payload?: object) =>
      http.app.inject({ method: 'POST', url: `${url}/cancel`, ...(payload && { payload }) });
    expect((await post()).json()).toMatchObject({ state: 'CANCELLED' });
    expect((await post({ reason: 'wrong file' })).json()).toMatchObject({ reason: 'wrong file' });
    expectProblem(await post({ why: 1 }), 400, 'INVALID_ARGUMENT');
    const asked = `cancel ${LOAD.loadId}`;
    expect(cluster.calls).toEqual(['loads ', 'loads default', `${asked} `, `${asked} wrong file`]);
  });

  it('tells what differs between two versions, with samples as text or base64', async () => {
    const url = '/v1/keyspaces/default/diff';
    const plain = await http.fetched(`${url}?from=1`);
    expect(plain.json()).toEqual({
      keyspace: 'default',
      from: 1,
      to: 2,
      added: 1,
      removed: 2,
      changed: 3,
      shards: { compared: 4, total: 16 },
      samples: [{ kind: 'added', key: 'k', from: null, to: { value: '\uFFFDa', bytes: 999 } }],
    });
    const encoded = await http.fetched(`${url}?from=1&to=3&samples=5&encoding=base64`);
    expect(encoded.json()).toMatchObject({
      to: 3,
      samples: [{ key: 'aw==', to: { value: '/2E=' } }],
    });
    expect(cluster.calls).toEqual(['diff default 1 0 10', 'diff default 1 3 5']);
    for (const query of ['', '?from=x', '?from=1&samples=1001', '?from=1&encoding=latin1']) {
      expectProblem(await http.fetched(url + query), 400, 'INVALID_ARGUMENT');
    }
  });

  it('has the cost of a keyspace', async () => {
    expect((await http.fetched('/v1/keyspaces/default/cost')).json()).toMatchObject({
      keyspace: 'default',
      tier: 'memory',
      copies: 2,
      versions: 2,
      tiers: [{ tier: 'memory' }, { tier: 'disk', memory_bytes_per_record: 5.51 }],
      changes: [{ change: 'tier disk', memory_bytes: 499_712, disk_bytes: 0 }, {}],
      value_sizes: { p50: 90, p99: 190 },
      hit_ratio: 0.875,
    });
    expect(cluster.calls).toEqual(['cost default']);
  });

  it('lists hot keys, as text or base64 each', async () => {
    const url = '/v1/keyspaces/default/hot-keys';
    const hot = { key: 'a', encoding: 'utf8', reads_per_second: 2, value_bytes: 3 };
    const missing = { key: '/w==', encoding: 'base64', reads_per_second: 1, value_bytes: null };
    expect((await http.fetched(url)).json()).toEqual({
      keyspace: 'default',
      reads_per_second: 5.25,
      hottest: [hot, missing],
      largest: [hot],
      unanswered: ['node-9'],
    });
    await http.fetched(`${url}?limit=7`);
    expect(cluster.calls).toEqual(['hot keys default 0', 'hot keys default 7']);
    for (const wrong of ['0', 'x', '1000']) {
      expectProblem(await http.fetched(`${url}?limit=${wrong}`), 400, 'INVALID_ARGUMENT');
    }
  });

  it('tells health in snake_case, with what is uncovered', async () => {
    expect((await http.fetched('/v1/cluster/health')).json()).toMatchObject({
      status: 'green',
      ready: true,
      reasons: [],
      replication: { target: 2, effective: 2, least: 2 },
      shards: { total: 16, active: 16, under_replicated: 0, uncovered: [] },
      epoch: 1,
    });
    cluster.healthStatus = HealthStatus.RED;
    const red = (await http.fetched('/v1/cluster/health')).json();
    expect(red.status).toBe('red');
    expect(red.shards.uncovered).toEqual([
      { shard: 3, slots: [3072, 4095], keyspaces: ['default'] },
    ]);
    expect(red.nodes[0]).toMatchObject({ id: 'datanode-0', state: 'SERVING' });
  });

  it('waits for health, and says 408 when the wait runs out', async () => {
    const reached = await http.fetched('/v1/cluster/health?wait_for_status=green&timeout=2s');
    expect(reached.json().status).toBe('green');
    expect(cluster.calls).toContain('health 1 2000');
    cluster.healthStatus = HealthStatus.YELLOW;
    const late = await http.fetched('/v1/cluster/health?wait_for_status=green&timeout=10ms');
    expectProblem(late, 408, 'DEADLINE_EXCEEDED');
    expect(late.json().health.status).toBe('yellow');
    expectProblem(
      await http.fetched('/v1/cluster/health?wait_for_status=blue'),
      400,
      'INVALID_ARGUMENT',
    );
    expectProblem(
      await http.fetched('/v1/cluster/health?wait_for_status=green&timeout=soon'),
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
      records: 3,
      bytes: 1000,
    });
    expect((await get('/v1/explain/default/%FF%2F')).json()).toMatchObject({
      shard: cluster.shardOf(Buffer.from([0xff, 0x2f])),
      served_by: 'datanode-0',
      replicas: [{ node: 'datanode-0', owner: true, holds: true, state: 'SERVING' }],
    });
  });

  it('drains, resumes and removes nodes', async () => {
    await http.app.inject({ method: 'POST', url: '/v1/nodes/datanode-1/drain' });
    await http.app.inject({ method: 'POST', url: '/v1/nodes/datanode-1/resume' });
    await http.app.inject({ method: 'DELETE', url: '/v1/nodes/datanode-1' });
    await http.app.inject({ method: 'DELETE', url: '/v1/nodes/datanode-1?force=true' });
    expect(cluster.calls).toEqual([
      'drain datanode-1',
      'resume datanode-1',
      'remove datanode-1',
      'remove by force datanode-1',
    ]);
    const odd = await http.app.inject({ method: 'DELETE', url: '/v1/nodes/x?force=perhaps' });
    expectProblem(odd, 400, 'INVALID_ARGUMENT');
    const unknown = await http.app.inject({ method: 'POST', url: '/v1/nodes/nobody/drain' });
    expectProblem(unknown, 404, 'NODE_NOT_FOUND');
  });

  it('changes the tier of a keyspace, and says what is moved', async () => {
    const patch = (body: object) =>
      http.app.inject({ method: 'PATCH', url: '/v1/keyspaces/ks', payload: body });
    const done = await patch({ tier: 'disk', cache: true });
    expect(done.json()).toEqual({
      ...{ keyspace: 'ks', cache: true, tier: 'disk' },
      to_move: { segments: 4, bytes: 4096 },
    });
    expect(cluster.calls).toEqual(['cache ks true', 'tier ks disk']);
    expectProblem(await patch({ tier: 'ssd' }), 400, 'INVALID_ARGUMENT');
  });

  it('suspends and resumes keyspaces', async () => {
    const suspended = await http.app.inject({ method: 'POST', url: '/v1/keyspaces/ks/suspend' });
    expect(suspended.json()).toEqual({ keyspace: 'ks', suspended: true });
    await http.app.inject({ method: 'POST', url: '/v1/keyspaces/ks/resume' });
    expect(cluster.calls).toEqual(['suspend ks', 'resume ks']);
    const odd = await http.app.inject({ method: 'POST', url: '/v1/keyspaces/a%20b/resume' });
    expectProblem(odd, 400, 'INVALID_ARGUMENT');
  });
});

describe('the process', () => {
  it('tells readiness with its reasons, and loses it on closing', async () => {
    expect((await get('/readyz')).statusCode).toBe(200);
    http.closing = true;
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
      'stele_keyspace_cache_hits_total{keyspace="default"} 1',
      'stele_keyspace_cache_misses_total{keyspace="default"} 2',
      `stele_keyspace_cache_hit_ratio{keyspace="default"} ${1 / 3}`,
      'stele_lookup_retries_total 0',
      'stele_loads_total{result="failed"} 3',
      'stele_node_in_flight_keys{node="datanode-0"} 0',
      'stele_health_status 1',
      'stele_connections{protocol="resp"} 1',
      'stele_received_bytes_total{protocol="resp"} 2',
      'stele_sent_bytes_total{protocol="http"} 3',
      'stele_view_age_seconds 0',
      'stele_read_seconds_count{protocol="http"} 3',
      'stele_read_seconds_bucket{protocol="http",le="+Inf"} 3',
    ]) {
      expect(reply.body.split('\n')).toContain(line);
    }
    for (const name of ['nodejs_eventloop_delay_seconds_count', 'process_resident_memory_bytes']) {
      expect(reply.body).toMatch(new RegExp(`^${name} `, 'm'));
    }
    expect(reply.body).toMatch(/^stele_build_info\{.*role="master".*\} 1$/m);
  });

  it('tells Prometheus what is loaded, how the last loads ended, and what state the nodes are in', async () => {
    const { keyspaces } = (await get('/v1/keyspaces')).json<{
      keyspaces: { name: string; current_version: number; records: number }[];
    }>();
    const lines = (await get('/metrics')).body.split('\n');
    for (const { current_version: version, name, records } of keyspaces) {
      expect(lines).toContain(`stele_keyspace_version{keyspace="${name}"} ${version}`);
      expect(lines).toContain(`stele_keyspace_records{keyspace="${name}"} ${records}`);
    }
    expect(lines).toContain('stele_nodes{state="serving"} 3');
    expect(lines).toContain('stele_nodes{state="down"} 0');
    expect(lines).toContain('stele_shards_under_replicated 0');
    expect(lines).toContain('stele_loads_running 1');
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
    expect((await get('/docs')).payload).toContain('<title>');
    expect((await get('/docs/static/swagger-ui.css')).headers['content-type']).toMatch(/css/);
    expect((await get('/docs/nothing')).json()).toMatchObject({ code: 'NOT_FOUND' });
  });
});
