// What HTTP clients can make the master hold.

import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { clientBytes } from '../../../../base/byte-budget.ts';
import { FakeCluster } from '../../../support/peers/fake-cluster.ts';
import { HttpFixture, expectProblem } from '../http-fixture.ts';

let cluster: FakeCluster;
let http: HttpFixture;

beforeEach(async () => {
  cluster = new FakeCluster();
  cluster.put('k', 'value');
  http = await HttpFixture.start(cluster);
});

afterEach(() => http.stop());

describe('an answer that is not read', () => {
  it('is in the budget until it is taken, or the client has gone', async () => {
    cluster.put('large', Buffer.alloc(24 * 1024 * 1024));
    const before = clientBytes.usedBytes;
    const client = connect(await http.port(), '127.0.0.1');
    client.pause();
    client.write('GET /v1/keyspaces/default/keys/large HTTP/1.1\r\nhost: localhost\r\n\r\n');
    await expect.poll(() => clientBytes.usedBytes - before).toBe(24 * 1024 * 1024);
    client.destroy();
    await expect.poll(() => clientBytes.usedBytes).toBe(before);
    expect((await http.fetched('/v1/keyspaces/default/keys/large')).statusCode).toBe(200);
    await expect.poll(() => clientBytes.usedBytes).toBe(before);
  });

  it('makes large values be refused once the budget is full, and small ones not', async () => {
    cluster.put('large', Buffer.alloc(100_000));
    const release = clientBytes.reserve(clientBytes.limitBytes);
    onTestFinished(release);
    expectProblem(await http.get('/v1/keyspaces/default/keys/large'), 429, 'OVERLOADED');
    expect((await http.get('/v1/keyspaces/default/keys/k')).statusCode).toBe(200);
  });

  it('has at most 16 MiB of values as JSON, or one value', async () => {
    cluster.put('large', Buffer.alloc(9 * 1024 * 1024, 'v'));
    const url = '/v1/keyspaces/default/lookup';
    const ask = (...keys: string[]) => http.app.inject({ method: 'POST', url, payload: { keys } });
    expect((await ask('large', 'k')).statusCode).toBe(200);
    expectProblem(await ask('large', 'large'), 413, 'BATCH_TOO_LARGE');
    cluster.put('larger', Buffer.alloc(17 * 1024 * 1024, 'v'));
    expect((await ask('larger', 'none')).statusCode).toBe(200);
    expectProblem(await ask('larger', 'k'), 413, 'BATCH_TOO_LARGE');
  });
});

describe('a body that is too large', () => {
  it('is answered to a client that writes all of it first', async () => {
    const client = connect(await http.port(), '127.0.0.1');
    let answer = '';
    client.on('data', (chunk) => (answer += chunk.toString()));
    client.write(
      'POST /v1/keyspaces/default/lookup HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n' +
        'content-length: 40000000\r\n\r\n',
    );
    await new Promise((resolve) => client.write(Buffer.alloc(40_000_000, ' '), resolve));
    await once(client, 'close');
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
  });
});
