import { once } from 'node:events';
import { connect } from 'node:net';
import { assert, asyncProperty, boolean, uint8Array } from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeCluster, UID } from '../../support/peers/fake-cluster.ts';
import { HttpFixture, expectProblem } from './http-fixture.ts';

let cluster: FakeCluster;
let http: HttpFixture;

beforeEach(async () => {
  cluster = new FakeCluster();
  cluster.put('k', 'value');
  http = await HttpFixture.start(cluster);
});

afterEach(() => http.stop());

const get = (url: string, headers: Record<string, string> = {}) => http.get(url, headers);

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
    expect(reply.headers['etag']).toMatch(new RegExp(`^"${UID}-1-f1-[0-9a-f]+"$`));
    expect(cluster.nodes.has(String(reply.headers['x-stele-node']))).toBe(true);
  });

  it('names the node for a cached value too', async () => {
    const first = await get('/v1/keyspaces/default/keys/k');
    const second = await get('/v1/keyspaces/default/keys/k');
    expect(http.core.cache.hits).toBe(1);
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

  it('is 412 where If-Match names another etag', async () => {
    const url = '/v1/keyspaces/default/keys/k';
    const etag = String((await get(url)).headers['etag']);
    expectProblem(await get(url, { 'if-match': '"x"' }), 412, 'CONFLICT');
    expectProblem(await get(url, { 'if-match': `W/${etag}` }), 412, 'CONFLICT');
    expect((await get(url, { 'if-match': `"x", ${etag}` })).statusCode).toBe(200);
    expect((await get(url, { 'if-match': '*' })).statusCode).toBe(200);
    expect((await get(url, { 'if-none-match': `"x", W/${etag}` })).statusCode).toBe(304);
  });

  it('gives another value and etag for other content under the same number', async () => {
    const before = await get('/v1/keyspaces/default/keys/k');
    cluster.put('k', 'other', 1);
    cluster.change((view) => {
      view.keyspaces[0]!.fingerprints = ['f2'];
    });
    const etag = String(before.headers['etag']);
    const after = await get('/v1/keyspaces/default/keys/k', { 'if-none-match': etag });
    expect(after.statusCode).toBe(200);
    expect(after.body).toBe('other');
    expect(after.headers['etag']).not.toBe(etag);
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

  it('is JSON where that is preferred to the bytes, with an etag of its own', async () => {
    cluster.put('binary', Buffer.from([0xfe, 0x0a]));
    const asked = (accept: string, key = 'k') =>
      get(`/v1/keyspaces/default/keys/${key}`, { accept });
    const reply = await asked('application/json');
    expect(reply.json()).toEqual({
      ...{ keyspace: 'default', version: 1, encoding: 'utf8', value: 'value' },
    });
    expect(reply.headers).toMatchObject({
      'content-type': 'application/json; charset=utf-8',
      'content-length': String(reply.rawPayload.length),
      vary: 'accept',
    });
    const json = { encoding: 'base64', value: '/go=' };
    expect((await asked('application/json', 'binary')).json()).toMatchObject(json);
    for (const accept of ['application/json;q=0.9, */*;q=0.1', 'text/html, application/json']) {
      expect((await asked(accept)).json()).toMatchObject({ value: 'value' });
    }
    for (const accept of [
      ...['*/*', 'application/json, text/plain, */*', 'application/octet-stream', 'text/html'],
      ...['application/json;q=0.5, application/octet-stream', 'application/json;q=0', ''],
    ]) {
      const bytes = await asked(accept);
      expect([accept, bytes.body, bytes.headers['vary']]).toEqual([accept, 'value', 'accept']);
    }
    const etag = String(reply.headers['etag']);
    expect(etag).not.toBe((await asked('*/*')).headers['etag']);
    const again = await get('/v1/keyspaces/default/keys/k', {
      ...{ accept: 'application/json', 'if-none-match': etag },
    });
    expect([again.statusCode, again.body]).toEqual([304, '']);
    expect((await get('/v1/keyspaces/default/keys/k', { 'if-none-match': etag })).body).toBe(
      'value',
    );
  });

  it('HEAD gives the headers without the bytes', async () => {
    const answer = await http.exchange(
      'HEAD /v1/keyspaces/default/keys/k HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n',
    );
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(answer).toMatch(/content-length: 5\r\n/);
    expect(answer.endsWith('\r\n\r\n')).toBe(true);
  });

  it('finds a key of any bytes, percent-encoded', async () => {
    await assert(
      asyncProperty(uint8Array({ maxLength: 40 }), boolean(), async (bytes, lower) => {
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
      const answer = await http.exchange(
        `GET /v1/keyspaces/default/keys/${url} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`,
      );
      expect(Buffer.from(answer.split('\r\n\r\n')[1]!, 'latin1').toString()).toBe(`<${key}>`);
    }
  });

  it('finds a key of 64 KiB in which every byte is escaped', async () => {
    const key = Buffer.alloc(65_536, 0xff);
    cluster.put(key, 'long');
    const answer = await http.exchange(
      `GET /v1/keyspaces/default/keys/${'%FF'.repeat(65_536)} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    expect(answer.endsWith('\r\n\r\nlong')).toBe(true);
    const longer = await http.exchange(
      `GET /v1/keyspaces/default/keys/${'k'.repeat(65_537)} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`,
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
        `GET /v1/keyspaces/default/keys/p${number} HTTP/1.1\r\nhost: localhost\r\n${number === 19 ? 'connection: close\r\n' : ''}\r\n`,
    );
    const answer = await http.exchange(requests.join(''));
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
    const put = await http.app.inject({ method: 'PUT', url: '/v1/keyspaces/default/keys/k' });
    expectProblem(put, 405, 'INVALID_ARGUMENT');
    expect(put.headers['allow']).toBe('GET, HEAD, OPTIONS');
    const options = await http.app.inject({ method: 'OPTIONS', url: '/v1/nodes/n/drain' });
    expect([options.statusCode, options.headers['allow']]).toEqual([204, 'OPTIONS, POST']);
    const expecting = await http.exchange(
      'GET /livez HTTP/1.1\r\nhost: localhost\r\nexpect: other\r\nconnection: close\r\n\r\n',
    );
    expect(expecting).toMatch(/^HTTP\/1\.1 417 [^]*problem\+json/);
  });

  it('for a shard that nobody can answer for: 503, never 404', async () => {
    cluster.change((view) => {
      view.routes[cluster.shardOf('k')]!.nodes = [];
    });
    const reply = await get('/v1/keyspaces/default/keys/k');
    expectProblem(reply, 503, 'UNAVAILABLE');
    expect(reply.headers['retry-after']).toBe('1');
  });

  it('for a shard whose replicas are silent: 504', async () => {
    for (const node of cluster.nodes.values()) node.silent = true;
    expectProblem(await get('/v1/keyspaces/default/keys/k'), 504, 'DEADLINE_EXCEEDED');
  });

  it('before readiness: 503 UNINITIALIZED for every read', async () => {
    await http.stop();
    cluster.restart();
    http = await HttpFixture.start(cluster);
    expectProblem(await get('/v1/keyspaces/default/keys/k'), 503, 'UNINITIALIZED');
    expectProblem(await get('/v1/keyspaces/none/keys/k'), 503, 'UNINITIALIZED');
    expectProblem(await get('/get?key=k'), 503, 'UNINITIALIZED');
    expect((await get('/livez')).statusCode).toBe(200);
    expect((await get('/readyz')).statusCode).toBe(503);
    cluster.becomeReady();
    expect((await get('/v1/keyspaces/default/keys/k')).statusCode).toBe(200);
    expect((await get('/readyz')).statusCode).toBe(200);
  });

  it('one keyspace with lost shards is named by /readyz, and is no other keyspace’s matter', async () => {
    cluster.change((view) => {
      view.keyspaces.push({ ...view.keyspaces[0]!, uid: 'ff', name: 'whole', index: 9 });
    });
    cluster.restart([2, 3, 4, 7]);
    const reply = await get('/readyz?verbose');
    expect(reply.statusCode).toBe(503);
    expect(reply.body).toContain('[-] keyspace default: no replica of shards 2-4, 7');
    expect(reply.body).not.toContain('keyspace whole');
    expect((await get('/readyz?keyspace=default')).statusCode).toBe(503);
    expect((await get('/readyz?keyspace=whole')).statusCode).toBe(200);
    expect((await get('/readyz?verbose&keyspace=none')).body).toContain('none: there is none');
    expect((await get('/metrics')).body).toContain(
      'stele_keyspace_shards_unserved{keyspace="default"} 4',
    );
  });

  it('a scope of /readyz that there is not is refused', async () => {
    expectProblem(await get('/readyz?scope=zzz'), 400, 'INVALID_ARGUMENT');
    expect((await get('/readyz?scope=cluster')).statusCode).toBe(200);
  });

  it('a request of HTTP/1.1 without a Host header is told so, one of HTTP/1.0 needs none', async () => {
    const end = 'connection: close\r\n\r\n';
    const answer = await http.exchange(`GET /livez HTTP/1.1\r\n${end}`);
    expect(answer).toMatch(/^HTTP\/1\.1 400 [^]*content-type: application\/problem\+json/);
    expect(answer).toMatch(/"code":"INVALID_ARGUMENT"/);
    expect(answer).toMatch(/"detail":"The request has no Host header/);
    expect(await http.exchange(`GET /livez HTTP/1.0\r\n${end}`)).toMatch(/^HTTP\/1\.1 200 /);
  });

  it('for what is no HTTP at all', async () => {
    const answer = await http.exchange('*1\r\n$4\r\nPING\r\n');
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toMatch(/"code":"INVALID_ARGUMENT"/);
    const huge = await http.exchange(`GET /${'x'.repeat(400_000)} HTTP/1.1\r\n\r\n`);
    expect(huge).toMatch(/^HTTP\/1\.1 431 /);
  });

  it('for input that is refused while the client is still sending it', async () => {
    const socket = connect({ port: await http.port(), host: '127.0.0.1', allowHalfOpen: true });
    let answer = '';
    const answered = once(socket, 'data');
    socket.setEncoding('latin1').on('data', (part: string) => (answer += part));
    socket.write('*1\r\n$4\r\nPING\r\n');
    await answered;
    for (let at = 0; at < 20; at++) {
      socket.write('x'.repeat(100_000));
      await new Promise(setImmediate);
    }
    socket.end();
    await once(socket, 'close');
    expect(answer).toMatch(/^HTTP\/1\.1 400 [^]*INVALID_ARGUMENT/);
  });
});

describe('POST lookup', () => {
  const post = (payload: unknown, headers: Record<string, string> = {}) =>
    http.app.inject({
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
      415,
      'INVALID_ARGUMENT',
    );
    expectProblem(
      await post('{"keys":[]}', { 'content-type': 'text/plain' }),
      415,
      'INVALID_ARGUMENT',
    );
    const json = { 'content-type': 'application/json' };
    expectProblem(await post('{"keys":["\\ud800"]}', json), 400, 'INVALID_ARGUMENT');
    expectProblem(await post('{"keys":["a"],"keys":["b"]}', json), 400, 'INVALID_ARGUMENT');
    const many = Array.from({ length: 10_001 }, () => 'k');
    expectProblem(await post({ keys: many }), 413, 'BATCH_TOO_LARGE');
    expectProblem(await post({ keys: ['x'.repeat(17_000_000)] }), 413, 'BATCH_TOO_LARGE');
  });
});

describe('a page of another origin', () => {
  it('changes nothing', async () => {
    const url = '/v1/keyspaces/default/suspend';
    const headers = { origin: 'http://evil.example' };
    expectProblem(
      await http.app.inject({ method: 'POST', url, headers }),
      403,
      'PERMISSION_DENIED',
    );
    const host = { host: 'evil.example' };
    expectProblem(await get('/v1/keyspaces/default/keys/k', host), 403, 'PERMISSION_DENIED');
    expectProblem(await get('/metrics', host), 403, 'PERMISSION_DENIED');
  });
});
