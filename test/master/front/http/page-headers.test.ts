// The headers of pages for browsers, and that no other origin is let in (CORS).

import { expect, it, onTestFinished } from 'vitest';
import { PAGE_HEADERS } from '../../../../master/front/http/page-headers.ts';
import { HttpFixture } from '../http-fixture.ts';

it('pages and what they load have the headers, and nothing opens to other origins', async () => {
  const http = await HttpFixture.start();
  onTestFinished(() => http.stop());
  const origin = { origin: 'http://evil.example' };
  const page = await http.get('/docs', origin);
  expect(page.statusCode).toBe(200);
  const script = /src="(?<url>[^"]+bundle\.js)"/.exec(page.body)?.groups?.['url'] ?? '';
  // The policy allows no script in the page itself.
  expect(page.body).not.toMatch(/<script>|<script [^>]*>[^<\s]/);
  for (const url of ['/docs', script, '/docs/json']) {
    const answer = await http.get(url, origin);
    expect([url, answer.statusCode]).toEqual([url, 200]);
    expect(answer.headers).toMatchObject(PAGE_HEADERS);
  }
  const others = [page, await http.get('/v1/keyspaces', origin), await http.get('/livez', origin)];
  for (const { headers } of others) {
    expect(Object.keys(headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
  }
  const preflight = await http.app.inject({
    method: 'OPTIONS',
    url: '/v1/keyspaces/default/rollback',
    headers: { ...origin, 'access-control-request-method': 'POST' },
  });
  expect(preflight.headers).not.toHaveProperty('access-control-allow-origin');
});
