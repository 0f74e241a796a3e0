// The HTTP interface: a fastify instance with all limits, timeouts and routes.

import type { IncomingMessage, ServerResponse } from 'node:http';
import Fastify from 'fastify';
import type { FastifyInstance } from 'fastify';
import type { Access } from '../../../access/access.ts';
import type { Audit } from '../../../access/audit/audit.ts';
import { SteleError, toSteleError } from '../../../base/errors.ts';
import { randomId, shorten } from '../../../base/ids.ts';
import { KEY_BYTES_MAX } from '../../../base/limits.ts';
import type { Logger } from '../../../base/log.ts';
import { isTracing } from '../../../base/process/tracing.ts';
import type { ClusterOperations } from '../../../proto/operations.ts';
import type { LookupCore } from '../lookup/lookup-core.ts';
import type { FrontMetrics } from '../metrics.ts';
import { consoleRoutes } from './console-routes.ts';
import { operationRoutes } from './operation-routes.ts';
import { docsRoutes } from './docs.ts';
import { sendProblem, writeConnectionProblem, writeProblem } from './problem.ts';
import { steleErrorOfRequest } from '../../../base/problem.ts';
import type { TlsIdentity } from '../../../transport/tls/tls-identity.ts';
import { httpOptions } from '../../../transport/tls/tls-server.ts';
import { parseJsonBody } from './json-body.ts';
import { processRoutes } from './process-routes.ts';
import { hideKey } from './raw-url.ts';
import { auditRequests } from './request-audit.ts';
import { requestGuard } from './request-guard.ts';
import type { GuardOptions } from './request-guard.ts';
import { traceRequests } from './request-trace.ts';
import { guardRoutes } from './route-access.ts';
import { sessionRoutes } from './session-routes.ts';
import { nameRoutes } from './route-methods.ts';
import { holdUntilTaken } from './value-reply.ts';
import { readRoutes } from './value-routes.ts';

const BODY_BYTES_MAX = 16 * 1024 * 1024;
/** A key takes up to three characters per byte in a URL; the rest is for headers. */
const HEADER_BYTES_MAX = 3 * KEY_BYTES_MAX + 64 * 1024;
const IDLE_MS_MAX = 60_000;
/** A request that has not arrived completely by then is dropped (slow loris). */
const REQUEST_MS_MAX = 20_000;
const REQUEST_CHECK_MS = 5_000;
const PARAMETER_LENGTH_MAX = 256;
/**
 * Bytes read of a body that is too large, so that a client which writes before it reads gets its
 * 413.
 */
const UNWANTED_BYTES_MAX = 256 * 1024 * 1024;
const UNWANTED_MS_MAX = 5000;

export interface HttpAppOptions extends GuardOptions {
  readonly core: LookupCore;
  readonly operations: ClusterOperations;
  readonly metrics: FrontMetrics;
  readonly log: Logger;
  readonly maxConnections: number;
  /** Makes it an app of TLS; without it there is none. */
  readonly tls?: TlsIdentity | undefined;
  /** Decides who is let in; without it everybody is. */
  readonly access?: Access | undefined;
  /** Undefined: nothing is recorded. */
  readonly audit?: Audit | undefined;
  /** Further lines of /readyz?verbose; default: none. */
  readonly notes?: (() => readonly string[]) | undefined;
  readonly closing: () => boolean;
  /** What GET /v1/stats answers. */
  readonly stats: () => object;
}

/** The app with all routes, ready to listen or to inject requests into. */
export async function createHttpApp(options: HttpAppOptions): Promise<FastifyInstance> {
  const app = emptyApp(options);
  app.server.maxConnections = options.maxConnections;
  if (isTracing()) traceRequests(app);
  const guard = requestGuard(options);
  app.addHook('onRequest', (request, reply, done) => {
    const refusal = guard(request.raw, request.originalUrl);
    if (refusal === undefined) done();
    else void sendProblem(reply, refusal.error, refusal.status);
  });
  const { access, audit, operations } = options;
  if (audit !== undefined) auditRequests(app, audit);
  if (access !== undefined) {
    const keyspaceOfLoad = async (loadId: string): Promise<string> =>
      (await operations.getLoad({ loadId })).keyspace;
    guardRoutes(app, access, keyspaceOfLoad);
  }
  addRoutes(app, options);
  docsRoutes(
    app,
    () => emptyApp(options),
    (docs) => addRoutes(docs, options),
  );
  await app.ready();
  return app;
}

/** An app without routes, with the common handling of errors, bodies and responses. */
function emptyApp({ log, tls }: HttpAppOptions): FastifyInstance {
  const app = newInstance(tls);
  setErrorHandlers(app, log);
  app.addHook('onSend', (_request, reply, payload, done) => {
    if (typeof payload === 'string') holdUntilTaken(reply.raw, Buffer.byteLength(payload));
    done(null, payload);
  });
  readBodies(app);
  return app;
}

function addRoutes(app: FastifyInstance, options: HttpAppOptions): void {
  const finishRoutes = nameRoutes(app);
  readRoutes(app, options);
  operationRoutes(app, options.operations, () => options.metrics.reads(options.core));
  processRoutes(app, {
    views: options.operations,
    metrics: options.metrics,
    audit: options.audit,
    notes: options.notes ?? (() => []),
    closing: options.closing,
  });
  sessionRoutes(app, {
    views: options.operations,
    asksWho: options.access !== undefined,
    stats: options.stats,
  });
  consoleRoutes(app);
  finishRoutes();
}

function newInstance(tls: TlsIdentity | undefined): FastifyInstance {
  const idPrefix = randomId().slice(0, 8);
  let requestNumber = 0;
  const nextId = (): string => `${idPrefix}-${(++requestNumber).toString(36)}`;
  return Fastify({
    logger: false,
    // Response schemas are for documentation and must not filter the responses.
    schemaController: { compilersFactory: { buildSerializer: () => asJson } },
    trustProxy: false,
    bodyLimit: BODY_BYTES_MAX,
    connectionTimeout: IDLE_MS_MAX,
    requestTimeout: REQUEST_MS_MAX,
    keepAliveTimeout: IDLE_MS_MAX,
    ...httpOptions(tls, {
      // The request guard checks the Host header and explains a refusal.
      requireHostHeader: false,
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: REQUEST_MS_MAX,
      connectionsCheckingInterval: REQUEST_CHECK_MS,
    }),
    routerOptions: { maxParamLength: PARAMETER_LENGTH_MAX },
    rewriteUrl: (request) => hideKey(request.url ?? '/'),
    genReqId: nextId,
    // A number in place of text is an error, not something to be guessed.
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false } },
    clientErrorHandler: (error, socket) => writeConnectionProblem(error, socket, nextId()),
    frameworkErrors: (error, _request, reply) => {
      void sendProblem(reply, steleErrorOfRequest(error));
    },
  });
}

function asJson(): (answer: unknown) => string {
  return (answer) => JSON.stringify(answer);
}

/** Accepts JSON bodies only. */
function readBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
    try {
      done(null, parseJsonBody(body as Buffer));
    } catch (thrown) {
      done(toSteleError(thrown));
    }
  });
  app.server.on('checkExpectation', (_request: IncomingMessage, response: ServerResponse) => {
    const text = 'The only expectation that is met is 100-continue (header Expect).';
    writeProblem(response, new SteleError('INVALID_ARGUMENT', text), randomId(), 417);
  });
}

/** Resolves when an unwanted body has ended, or exceeds its limit. */
function readForNothing(request: IncomingMessage): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, UNWANTED_MS_MAX);
    let byteCount = 0;
    request.on('data', (chunk: Buffer) => {
      byteCount += chunk.length;
      if (byteCount > UNWANTED_BYTES_MAX) resolve();
    });
    request.once('close', resolve);
    request.once('end', resolve);
    if (request.readableEnded || request.destroyed) resolve();
    else request.resume();
    void timer.unref();
  });
}

function setErrorHandlers(app: FastifyInstance, log: Logger): void {
  app.setErrorHandler(async (thrown, request, reply) => {
    const error = steleErrorOfRequest(thrown);
    if (error.code === 'INTERNAL') {
      const about = { requestId: request.id, method: request.method, url: shorten(request.url) };
      log.error({ ...about, tookMs: Math.round(reply.elapsedTime), err: error }, 'request failed');
    }
    const status = thrown instanceof Error && 'statusCode' in thrown ? thrown.statusCode : 0;
    if (status === 413) await readForNothing(request.raw);
    return sendProblem(reply, error, status === 415 ? 415 : undefined);
  });
  app.setNotFoundHandler((request, reply) =>
    sendProblem(
      reply,
      new SteleError(
        'NOT_FOUND',
        `There is no ${request.method} ${shorten(request.originalUrl)}; /docs lists what there is.`,
      ),
    ),
  );
}
