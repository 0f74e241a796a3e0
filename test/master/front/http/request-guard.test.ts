import type { IncomingMessage } from 'node:http';
import { hostname } from 'node:os';
import { describe, expect, it } from 'vitest';
import { requestGuard } from '../../../../master/front/http/request-guard.ts';

const LOCAL = { host: '127.0.0.1', allowedHosts: [] };
const EVIL = { origin: 'http://evil.example' };

/** The code of the refusal, or `ok`. */
function verdict(
  options: { host: string; allowedHosts: readonly string[] },
  headers: Record<string, string>,
  method = 'GET',
): string {
  const rawHeaders = Object.entries(headers).flat();
  const request = { headers, rawHeaders, method, url: '/' } as unknown as IncomingMessage;
  return requestGuard(options)(request, '/')?.error.code ?? 'ok';
}

describe('changes', () => {
  it.each(['POST', 'PATCH', 'DELETE', 'PUT'])(
    '%s of a page of another origin is refused',
    (method) => {
      const host = 'localhost:9000';
      const change = (headers: Record<string, string>): string =>
        verdict(LOCAL, { host, ...headers }, method);
      expect(change(EVIL)).toBe('PERMISSION_DENIED');
      expect(change({ origin: 'null' })).toBe('PERMISSION_DENIED');
      expect(change({ origin: 'http://localhost:3000' })).toBe('PERMISSION_DENIED');
      expect(change({ 'sec-fetch-site': 'cross-site' })).toBe('PERMISSION_DENIED');
      expect(change({ 'sec-fetch-site': 'same-site' })).toBe('PERMISSION_DENIED');
      expect(change({ origin: 'http://localhost:9000', 'sec-fetch-site': 'same-origin' })).toBe(
        'ok',
      );
      expect(change({})).toBe('ok');
      expect(change({ 'sec-fetch-site': 'none' })).toBe('ok');
    },
  );

  it('of a browser that does not say its origin are JSON, or have a header of their own', () => {
    const browser = { host: 'localhost:9000', 'user-agent': 'Mozilla/5.0' };
    const change = (headers: Record<string, string>, method = 'POST'): string =>
      verdict(LOCAL, { ...browser, ...headers }, method);
    expect(change({})).toBe('PERMISSION_DENIED');
    expect(change({ referer: 'http://evil.example/' })).toBe('PERMISSION_DENIED');
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'text/json']) {
      expect(change({ 'content-type': type })).toBe('PERMISSION_DENIED');
    }
    expect(change({ 'content-type': 'application/json; charset=utf-8' })).toBe('ok');
    expect(change({ 'x-requested-with': 'fetch' })).toBe('ok');
    // A browser asks first before it sends these to another origin.
    for (const method of ['DELETE', 'PATCH', 'PUT']) expect(change({}, method)).toBe('ok');
    expect(verdict(LOCAL, { ...browser, 'user-agent': 'curl/8' }, 'POST')).toBe('ok');
  });

  it('of a page of the proxy in front are allowed where its name is configured', () => {
    const page = { host: '127.0.0.1:9000', origin: 'https://stele.corp' };
    expect(verdict(LOCAL, page, 'POST')).toBe('PERMISSION_DENIED');
    expect(verdict({ ...LOCAL, allowedHosts: ['stele.corp'] }, page, 'POST')).toBe('ok');
    expect(verdict({ ...LOCAL, allowedHosts: ['*'] }, { ...page, ...EVIL }, 'POST')).toBe(
      'PERMISSION_DENIED',
    );
    const sameName = { host: 'stele.corp', origin: 'https://stele.corp' };
    expect(verdict({ ...LOCAL, allowedHosts: ['.corp'] }, sameName, 'POST')).toBe('ok');
  });
});

describe('host names', () => {
  it('on loopback are those of this machine, and those that are configured', () => {
    for (const host of [
      ...[
        'localhost',
        'LOCALHOST:9000',
        'a.localhost',
        '127.0.0.1',
        '127.0.0.1:9000',
        '[::1]:9000',
      ],
      ...['192.168.1.7:9000', hostname(), `${hostname().split('.')[0]}:1`, 'localhost.'],
    ]) {
      expect({ host, verdict: verdict(LOCAL, { host }) }).toEqual({ host, verdict: 'ok' });
    }
    for (const host of [
      'evil.example',
      'evil.example:9000',
      '127.0.0.1.evil.example',
      'localhost.evil.example',
      '',
    ]) {
      expect({ host, verdict: verdict(LOCAL, { host }) }).toEqual({
        host,
        verdict: 'PERMISSION_DENIED',
      });
    }
    const configured = { ...LOCAL, allowedHosts: ['stele.corp', '.example.com'] };
    expect(verdict(configured, { host: 'stele.corp:9000' })).toBe('ok');
    expect(verdict(configured, { host: 'a.example.com' })).toBe('ok');
    expect(verdict(configured, { host: 'example.org' })).toBe('PERMISSION_DENIED');
    expect(verdict({ ...LOCAL, allowedHosts: ['*'] }, { host: 'any.name' })).toBe('ok');
    expect(verdict(LOCAL, {})).toBe('ok');
  });

  it('elsewhere are free for programs; browsers are held to the known ones', () => {
    const everywhere = { host: '0.0.0.0', allowedHosts: [] };
    const host = 'stele-master.default.svc:9000';
    expect(verdict(everywhere, { host, 'user-agent': 'curl/8' })).toBe('ok');
    expect(verdict(everywhere, { host, 'user-agent': 'Mozilla/5.0 (X11)' })).toBe(
      'PERMISSION_DENIED',
    );
    expect(verdict(everywhere, { host, referer: 'http://x/' })).toBe('PERMISSION_DENIED');
    expect(verdict(everywhere, { host: '10.0.0.7:9000', 'user-agent': 'Mozilla/5.0' })).toBe('ok');
    expect(verdict({ ...everywhere, allowedHosts: ['stele.corp'] }, { host })).toBe(
      'PERMISSION_DENIED',
    );
  });
});

it('refuses two hosts, a fragment, and codings that are not undone', () => {
  const two = {
    headers: { host: 'localhost' },
    rawHeaders: ['Host', 'localhost', 'host', 'b'],
    method: 'GET',
  };
  expect(requestGuard(LOCAL)(two as unknown as IncomingMessage, '/')?.error.code).toBe(
    'INVALID_ARGUMENT',
  );
  const of = (headers: Record<string, string>) =>
    requestGuard(LOCAL)(
      { headers, rawHeaders: [], method: 'POST' } as unknown as IncomingMessage,
      '/',
    );
  expect(of({ 'content-encoding': 'gzip' })).toMatchObject({ status: 415 });
  expect(of({ 'transfer-encoding': 'gzip, chunked' })?.error.code).toBe('UNSUPPORTED');
  expect(of({ 'transfer-encoding': 'Chunked', 'content-encoding': 'identity' })).toBeUndefined();
});
