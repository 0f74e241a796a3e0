import {
  array,
  asyncProperty,
  assert,
  boolean,
  constantFrom,
  record,
  uint8Array,
} from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { slotOfKey } from '../../../../ring/slot.ts';
import { FakeCluster } from '../../../support/peers/fake-cluster.ts';
import { HttpFixture } from '../http-fixture.ts';

let cluster: FakeCluster;
let http: HttpFixture;

beforeAll(async () => {
  cluster = new FakeCluster();
  http = await HttpFixture.start(cluster);
});

afterAll(() => http.stop());

/** `word` with those letters escaped whose place `escapes` names. */
function escaped(word: string, escapes: readonly boolean[], lower: boolean): string {
  return word
    .split('')
    .map((letter, at) => {
      const hex = letter.charCodeAt(0).toString(16);
      return escapes[at % escapes.length] === true ? `%${lower ? hex : hex.toUpperCase()}` : letter;
    })
    .join('');
}

async function ask(target: string): Promise<{ status: number; body: string }> {
  const answer = await http.exchange(
    `GET ${target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`,
  );
  const status = Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]);
  return { status, body: answer.slice(answer.indexOf('\r\n\r\n') + 4) };
}

const FORMS = ['', 'http://127.0.0.1', 'HTTP://a.b:80', 'https://x'];

it('the key is that of the URL which the router matched, whatever its form', async () => {
  const url = record({
    form: constantFrom(...FORMS),
    slashes: constantFrom('/', '/', '//'),
    route: constantFrom('/v1/keyspaces/default/keys/', '/v1/explain/default/'),
    escapes: array(boolean(), { minLength: 1, maxLength: 30 }),
    lower: boolean(),
    key: uint8Array({ minLength: 1, maxLength: 12 }),
    query: constantFrom('', '?x=/keys/y', '?version=1'),
  });
  await assert(
    asyncProperty(
      url,
      async ({ escapes, form, key, lower, query, route, slashes }): Promise<void> => {
        const value = `<${Buffer.from(key).toString('hex')}>`;
        cluster.put(Buffer.from(key), value);
        const words = route.slice(1, -1).split('/');
        const path = words.map((word) => escaped(word, escapes, lower)).join('/');
        const hex = Buffer.from(key).toString('hex').replace(/../g, '%$&');
        const { body, status } = await ask(`${form}${slashes}${path}/${hex}${query}`);
        // No route begins with two slashes; an escape that is no UTF-8 is refused before that is
        // seen.
        if (slashes === '//') {
          expect([400, 404]).toContain(status);
          return;
        }
        expect({ path, status }).toEqual({ path, status: 200 });
        if (route.startsWith('/v1/keyspaces')) expect(body).toBe(value);
        else expect(JSON.parse(body).slot).toBe(slotOfKey(key, 0, key.length));
      },
    ),
    { seed: 20_262, numRuns: 300 },
  );
});

it('the last letter of a key is no key', async () => {
  cluster.put('foo', 'bar');
  cluster.put('o', 'wrong');
  for (const target of [
    '/v1/keyspaces/default/ke%79s/foo',
    '/%761/keyspaces/%64efault/keys/%66oo',
    'http://127.0.0.1/v1/keyspaces/default/keys/foo',
  ]) {
    expect(await ask(target)).toEqual({ status: 200, body: 'bar' });
  }
  for (const target of [
    '/v1/keyspaces/default/ke%2579s/foo',
    '/v1%2fkeyspaces/default/keys/foo',
    '//v1/keyspaces/default/keys/foo',
    '/v1//keyspaces/default/keys/foo',
    '/v1/keyspaces/default/keys',
  ]) {
    expect({ target, status: (await ask(target)).status }).toEqual({ target, status: 404 });
  }
  expect((await ask('/v1/keyspaces/default/keys/a#b')).status).toBe(400);
});

it('a parameter is found under its escaped name, and must be given once', async () => {
  cluster.put('foo', 'bar');
  expect(JSON.parse((await ask('/get?k%65y=foo')).body)).toEqual({
    status: 'SUCCESS',
    value: 'bar',
  });
  expect((await ask('/get?key=foo&key=o')).status).toBe(400);
  expect((await ask('/get?keyspace=default&keyspac%65=none&key=foo')).status).toBe(400);
});
