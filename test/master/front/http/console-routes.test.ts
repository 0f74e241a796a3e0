// How the files of the console are sent: cached, compressed, and with a policy that keeps all else
// out.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import Fastify from 'fastify';
import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { SteleError } from '../../../../base/errors.ts';
import { consoleRoutes } from '../../../../master/front/http/console-routes.ts';
import { sendProblem } from '../../../../master/front/http/problem.ts';

const SCRIPT = 'console.log("the console");\n'.repeat(100);
const folder = mkdtempSync(join(tmpdir(), 'stele-console-'));
let app: FastifyInstance;

function appOf(files: string): FastifyInstance {
  const made = Fastify();
  made.setErrorHandler((error, _request, reply) => sendProblem(reply, error as SteleError));
  consoleRoutes(made, files);
  return made;
}

beforeAll(() => {
  mkdirSync(join(folder, 'console'));
  writeFileSync(join(folder, 'index.html'), '<!doctype html>');
  writeFileSync(join(folder, 'console', 'index-abc.js'), SCRIPT);
  writeFileSync(join(folder, 'console', 'secret.pem'), 'not of the console');
  app = appOf(folder);
});

afterAll(async () => {
  await app.close();
  rmSync(folder, { recursive: true });
});

it('is asked for again each time, and is sent only if it has changed', async () => {
  const page = await app.inject('/');
  expect(page.headers).toMatchObject({
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-cache',
  });
  const etag = String(page.headers.etag);
  const again = await app.inject({ url: '/', headers: { 'if-none-match': etag } });
  expect([again.statusCode, again.body]).toEqual([304, '']);
  expect(again.headers).toMatchObject({ etag, 'cache-control': 'no-cache' });
});

it('allows nothing but its own files, on each of them', async () => {
  for (const url of ['/', '/console/index-abc.js']) {
    const { headers } = await app.inject(url);
    expect(headers['content-security-policy']).toBe(
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    );
    expect(headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
    });
  }
});

it('has files that are kept for good, compressed for those who take that', async () => {
  const url = '/console/index-abc.js';
  const plain = await app.inject(url);
  expect(plain.body).toBe(SCRIPT);
  expect(plain.headers).toMatchObject({
    'content-type': 'text/javascript; charset=utf-8',
    'cache-control': 'public, max-age=31536000, immutable',
    vary: 'accept-encoding',
  });
  const ask = (encoding: string) => app.inject({ url, headers: { 'accept-encoding': encoding } });
  const packed = await ask('gzip, deflate, br');
  expect(packed.headers['content-encoding']).toBe('gzip');
  expect(gunzipSync(packed.rawPayload).toString()).toBe(SCRIPT);
  for (const encoding of ['br', 'gzip;q=0', 'gzip; q=0.0, br']) {
    expect((await ask(encoding)).headers['content-encoding']).toBeUndefined();
  }
});

it('has no other files, wherever they lie', async () => {
  for (const url of ['/console/none.js', '/console/secret.pem', '/console/..%2Findex.html']) {
    const { body, statusCode } = await app.inject(url);
    expect([url, statusCode]).toEqual([url, 404]);
    expect(body).toContain('load the page at / again');
  }
});

it('says how to build it where it is not built', async () => {
  const empty = appOf(join(folder, 'none'));
  const { body, statusCode } = await empty.inject('/');
  expect([statusCode, body]).toEqual([404, expect.stringContaining('npm run build')]);
  await empty.close();
});
