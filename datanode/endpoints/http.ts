// The HTTP port of a datanode: /livez, /readyz, /metrics, lookups (lookup-server.ts) and segments
// (segment-connection.ts).
//
// Slow headers and silent connections time out, and no route reads a body.

import { fastify } from 'fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Access } from '../../access/access.ts';
import { auditAnswer } from '../../access/audit/audit-answer.ts';
import type { Audit } from '../../access/audit/audit.ts';
import { visibleMetrics } from '../../access/visible.ts';
import type { BackgroundTasks } from '../../base/background.ts';
import { SteleError } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';
import { HttpTraffic } from '../../base/process/http-traffic.ts';
import type { Traffic } from '../../base/process/http-traffic.ts';
import {
  missingHost,
  CHALLENGES,
  PROBLEM_TYPE,
  problemOf,
  steleErrorOfRequest,
  unknownScope,
} from '../../base/problem.ts';
import type { Datanode } from '../node.ts';
import { datanodeMetrics } from './node-metrics.ts';
import { notReadyReason, readinessChecks } from './readiness.ts';
import { answererOf } from '../reads/lookup-batch.ts';
import { lookupUpgrade } from '../reads/lookup-server.ts';
import { guardRoutes, subjectOf } from './route-access.ts';
import { segmentKeeperOf } from './segment-keeper.ts';
import { segmentUpgrade } from '../transfer/segment-connection.ts';
import { listenHttp } from '../../transport/listen.ts';
import type { TlsIdentity } from '../../transport/tls/tls-identity.ts';
import { httpOptions } from '../../transport/tls/tls-server.ts';
import { acceptUpgrades } from '../../transport/upgrades.ts';
import type { Upgrade } from '../../transport/upgrades.ts';

const SILENT_MS_MAX = 10_000;
/** How often Node.js looks for overdue headers; by default they could take up to 40 s. */
const CHECK_MS = 5000;

/**
 * No route has a schema, and loading the schema compilers would take a seventh of a datanode's
 * start.
 */
const NO_SCHEMAS = { buildValidator: noCompiler, buildSerializer: noCompiler };

type ReadyRequest = FastifyRequest<{ Querystring: { verbose?: string; scope?: string } }>;

export interface DatanodeHttpOptions {
  readonly node: Datanode;
  /** Its failures are part of the metrics. */
  readonly background?: BackgroundTasks;
  readonly host: string;
  readonly port: number;
  readonly tls: TlsIdentity | undefined;
  /** Undefined: without --auth on. */
  readonly access?: Access | undefined;
  /** Undefined: nothing is recorded. */
  readonly audit?: Audit | undefined;
  /** Further lines of /readyz?verbose. */
  readonly notes: () => readonly string[];
  /** Limit of simultaneous lookup connections. */
  readonly connectionsMax: number;
  /** Of the RESP port. */
  readonly respTraffic: () => Traffic;
}

/** Opens the port; returns the one it got and how to close it. */
export async function startDatanodeHttp(
  options: DatanodeHttpOptions,
): Promise<{ port: number; close(): Promise<void> }> {
  const { access, audit, node, notes, tls } = options;
  const app = fastify({
    connectionTimeout: SILENT_MS_MAX,
    requestTimeout: 0,
    ...httpOptions(tls, {
      requireHostHeader: false,
      headersTimeout: SILENT_MS_MAX,
      connectionsCheckingInterval: CHECK_MS,
    }),
    keepAliveTimeout: 60_000,
    forceCloseConnections: true,
    bodyLimit: 1024,
    schemaController: { compilersFactory: NO_SCHEMAS },
  });
  const http = new HttpTraffic(app.server);
  const metrics = datanodeMetrics(options, () => ({ http: http.now, resp: options.respTraffic() }));
  refuseInWords(app);
  if (access !== undefined) guardRoutes(app, { access, audit, sendProblem });
  app.get('/livez', () => ({ status: 'ok', node: node.identity.nodeId }));
  app.get('/readyz', (request: ReadyRequest, reply) => {
    const { scope, verbose } = request.query;
    if (scope !== undefined && scope !== 'cluster') throw unknownScope();
    const checks = readinessChecks(node, scope === 'cluster');
    for (const text of notes()) checks.push({ text, passed: true });
    const failed = checks.find(({ passed }) => !passed);
    void reply.status(failed === undefined ? 200 : 503);
    if (verbose !== undefined) {
      const lines = checks.map(({ passed, text }) => `[${passed ? '+' : '-'}] ${text}`);
      lines.push(failed === undefined ? 'ok' : 'not ready', '');
      return reply.type('text/plain').send(lines.join('\n'));
    }
    if (failed === undefined) return { status: 'ready', node: node.identity.nodeId };
    return reply.send({ status: 'not ready', reason: notReadyReason(node) ?? failed.text });
  });
  app.get('/metrics', async (request, reply) => {
    const text = visibleMetrics(subjectOf(request), await metrics.text());
    return reply.type(metrics.contentType).send(text);
  });
  app.get('/v1/audit', (request) => auditAnswer(audit, request.query));
  // Lookup connections count as well; the other half is for health and metrics.
  app.server.maxConnections = 2 * options.connectionsMax;
  const upgrades = upgradesOf(node, options.connectionsMax);
  const cutOff = acceptUpgrades(app.server, upgrades, { access, audit });
  const { host, port: wanted } = options;
  const port = await listenHttp(app, { host, port: wanted, flag: '--http-port', tls });
  return {
    port,
    close: async () => {
      cutOff();
      await app.close();
    },
  };
}

/** What connections to this port can be upgraded to. */
export function upgradesOf(node: Datanode, connectionsMax: number): Upgrade[] {
  return [segmentUpgrade(segmentKeeperOf(node)), lookupUpgrade(answererOf(node), connectionsMax)];
}

function noCompiler(): never {
  throw new Error('no route of a datanode has a schema');
}

function refuseInWords(app: FastifyInstance): void {
  app.addHook('onRequest', (request, reply, done) => {
    const unnamed = missingHost(request.raw);
    if (unnamed === undefined) done();
    else void sendProblem(reply, unnamed);
  });
  app.setNotFoundHandler((request, reply) => {
    const detail = `There is no ${request.method} ${shorten(request.url)} on a datanode; it has /livez, /readyz, /metrics and /v1/audit.`;
    return sendProblem(reply, new SteleError('NOT_FOUND', detail));
  });
  app.setErrorHandler((thrown, _, reply) => sendProblem(reply, steleErrorOfRequest(thrown)));
}

function sendProblem(reply: FastifyReply, error: SteleError): FastifyReply {
  const problem = problemOf(error, reply.request.id);
  // Serialised here, because fastify would add a charset, which problem+json does not have.
  const body = Buffer.from(JSON.stringify(problem));
  if (problem.status === 401) void reply.header('www-authenticate', CHALLENGES);
  return reply.code(problem.status).header('content-type', PROBLEM_TYPE).send(body);
}
