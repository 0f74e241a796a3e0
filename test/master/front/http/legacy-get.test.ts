import { afterEach, beforeEach, describe, expect, it } from 'vitest';
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

const get = (url: string, headers: Record<string, string> = {}) => http.get(url, headers);

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
