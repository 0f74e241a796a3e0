// The keys of an issuer over a real port.

import { createServer } from 'node:http';
import type { RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { silentLogger } from '../../../base/log.ts';
import { UrlKeys, openKeys } from '../../../transport/jwt/jwks.ts';
import { tempDir } from '../../support/temp-dir.ts';

const log = silentLogger;
const setOf = (...kids: string[]): string => JSON.stringify({ keys: kids.map((kid) => ({ kid })) });
const MINUTE_MS = 60_000;

/** An issuer whose answer may be replaced, and the requests that it has got. */
async function issuer(first: RequestListener) {
  const state = { answer: first, requests: 0, nowMs: 0 };
  const server = createServer((request, response) => {
    state.requests++;
    state.answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`);
  const keys = new UrlKeys({ url, log, nowMs: () => state.nowMs });
  return { state, keys, url };
}

const answering =
  (text: string): RequestListener =>
  (_, response) =>
    void response.end(text);

it('fetches keys once for ten minutes, and for unknown ones at most once in half a minute', async () => {
  const { keys, state } = await issuer(answering(setOf('a')));
  const first = await keys.current();
  expect(first.keys).toEqual([{ kid: 'a' }]);
  state.answer = answering(setOf('a', 'b'));
  const flood = await Promise.all(Array.from({ length: 100 }, () => keys.renewed()));
  expect(new Set(flood)).toEqual(new Set([first]));
  expect(state.requests).toBe(1);
  state.nowMs += MINUTE_MS;
  expect((await keys.current()) === first).toBe(true);
  const renewed = await Promise.all(Array.from({ length: 100 }, () => keys.renewed()));
  expect(renewed.every((set) => set.keys.length === 2)).toBe(true);
  expect(state.requests).toBe(2);
  // Unchanged: the same object.
  state.nowMs += MINUTE_MS;
  expect(await keys.renewed()).toBe(renewed[0]);
});

it('keeps the keys while the issuer does not answer, for a day', async () => {
  const { keys, state } = await issuer(answering(setOf('a')));
  const first = await keys.current();
  state.answer = (_, response) => void response.writeHead(500).end();
  state.nowMs += 30 * MINUTE_MS;
  expect(await keys.current()).toBe(first);
  expect(await keys.renewed()).toBe(first);
  state.nowMs += 24 * 60 * MINUTE_MS;
  await expect(keys.current()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  state.answer = answering(setOf('a', 'b'));
  state.nowMs += MINUTE_MS;
  expect((await keys.current()).keys).toHaveLength(2);
});

it.each<[string, RequestListener]>([
  ['another status', (_, response) => void response.writeHead(404).end(setOf('a'))],
  ['no keys', answering('{"keys":[]}')],
  ['no JSON', answering('<html>')],
  ['a redirect', (_, response) => void response.writeHead(302, { location: '/other' }).end()],
  ['too many bytes', answering(`${setOf('a')}${' '.repeat(2 * 1024 * 1024)}`)],
])('has no keys by %s, and asks again only later', async (_, answer) => {
  const { keys, state } = await issuer(answer);
  await expect(keys.current()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  await expect(keys.current()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  expect(state.requests).toBe(1);
  state.answer = answering(setOf('a'));
  state.nowMs += MINUTE_MS;
  expect((await keys.current()).keys).toHaveLength(1);
});

it('takes a file, an https URL, or an http URL of this machine', async () => {
  const path = join(tempDir(), 'jwks.json');
  expect(() => openKeys(path, log)).toThrow(/--jwt-jwks cannot be read/);
  writeFileSync(path, '{}');
  expect(() => openKeys(path, log)).toThrow(/no set of keys/);
  writeFileSync(path, setOf('a'));
  expect((await openKeys(path, log).current()).keys).toEqual([{ kid: 'a' }]);
  expect(() => openKeys('http://issuer.example.com/jwks', log)).toThrow(/begin with https/);
  expect(() => openKeys('ftp://127.0.0.1/jwks', log)).toThrow(/begin with https/);
  const { url } = await issuer(answering(setOf('b')));
  expect((await openKeys(String(url), log).current()).keys).toEqual([{ kid: 'b' }]);
});
