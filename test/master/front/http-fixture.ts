// The HTTP app over a fake cluster, asked by injection and over real connections.

import { once } from 'node:events';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { expect } from 'vitest';
import { silentLogger } from '../../../base/log.ts';
import { createHttpApp } from '../../../master/front/http/app.ts';
import type { Access } from '../../../access/access.ts';
import { Audit } from '../../../access/audit/audit.ts';
import type { GuardOptions } from '../../../master/front/http/request-guard.ts';
import { LookupCore } from '../../../master/front/lookup/lookup-core.ts';
import { FrontMetrics } from '../../../master/front/metrics.ts';
import { statsJson } from '../../../master/front/stats.ts';
import type { TlsIdentity } from '../../../transport/tls/tls-identity.ts';
import { FakeCluster } from '../../support/peers/fake-cluster.ts';

export class HttpFixture {
  readonly cluster: FakeCluster;
  readonly core: LookupCore;
  readonly audit = new Audit('master', undefined);
  closing = false;
  #app: FastifyInstance | undefined;

  constructor(cluster: FakeCluster) {
    this.cluster = cluster;
    this.core = new LookupCore({
      views: cluster,
      links: cluster.links,
      cacheMaxBytes: 1024 * 1024,
      deadlineMs: 200,
    });
  }

  static async start(
    cluster = new FakeCluster(),
    hosts: GuardOptions = { host: '127.0.0.1', allowedHosts: [] },
    access?: Access,
    tls?: TlsIdentity,
  ): Promise<HttpFixture> {
    const fixture = new HttpFixture(cluster);
    const one = { connections: 1, bytesIn: 2, bytesOut: 3 };
    const traffic = () => ({ http: one, resp: one });
    const metrics = new FrontMetrics(fixture.core, cluster, traffic, {
      loadEnds: () => new Map([['failed', 3]]),
    });
    fixture.#app = await createHttpApp({
      core: fixture.core,
      operations: cluster,
      metrics,
      log: silentLogger,
      maxConnections: 100,
      ...hosts,
      access,
      audit: fixture.audit,
      tls,
      closing: () => fixture.closing,
      stats: () =>
        statsJson({
          role: 'master',
          core: fixture.core,
          metrics,
          cacheBytesMax: 1024 * 1024,
          traffic,
          uptimeMs: () => 1234.5,
        }),
    });
    return fixture;
  }

  get app(): FastifyInstance {
    return this.#app!;
  }

  async stop(): Promise<void> {
    await this.app.close();
    this.core.close();
  }

  get(url: string, headers: Record<string, string> = {}) {
    return this.app.inject({ method: 'GET', url, headers });
  }

  /** As `get`, but over a real connection. */
  async fetched(url: string) {
    const reply = await fetch(`http://127.0.0.1:${await this.port()}${url}`);
    const body = await reply.text();
    const headers = Object.fromEntries(reply.headers);
    return { statusCode: reply.status, headers, body, json: () => JSON.parse(body) };
  }

  /** A request byte for byte over a real connection; the whole answer until the server closes. */
  async exchange(request: string | Buffer): Promise<string> {
    const socket = connect(await this.port(), '127.0.0.1');
    let answer = '';
    socket.setEncoding('latin1').on('data', (part: string) => (answer += part));
    socket.write(request);
    await once(socket, 'close');
    return answer;
  }

  async port(): Promise<number> {
    if (!this.app.server.listening) await this.app.listen({ host: '127.0.0.1', port: 0 });
    return (this.app.server.address() as AddressInfo).port;
  }
}

/** Checks that a reply is a problem of RFC 9457 with this code. */
export function expectProblem(
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
