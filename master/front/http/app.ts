// The HTTP surface: a fastify instance with every limit and timeout set, and all routes.

import Fastify from 'fastify';
import type { FastifyInstance } from 'fastify';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import { SteleError } from '../../../base/errors.ts';
import { randomId, shorten } from '../../../base/ids.ts';
import { KEY_BYTES_MAX } from '../../../base/limits.ts';
import type { Logger } from '../../../base/log.ts';
import type { ClusterOperations } from '../../../proto/operations.ts';
import type { LookupCore } from '../lookup-core.ts';
import type { FrontMetrics } from '../metrics.ts';
import { operationRoutes } from './operation-routes.ts';
import { sendProblem, steleErrorOfRequest, writeConnectionProblem } from './problem.ts';
import { processRoutes } from './process-routes.ts';
import { hideKey } from './raw-url.ts';
import { readRoutes } from './value-routes.ts';

const BODY_BYTES_MAX = 16 * 1024 * 1024;
/** A key is up to three characters a byte in a URL; the rest is for headers. */
const HEADER_BYTES_MAX = 3 * KEY_BYTES_MAX + 64 * 1024;
const IDLE_MS_MAX = 60_000;
/** A request that has not arrived whole by then is dropped (slow loris). */
const REQUEST_MS_MAX = 20_000;
const REQUEST_CHECK_MS = 5_000;
const PARAMETER_LENGTH_MAX = 256;

export interface HttpAppOptions {
  readonly core: LookupCore;
  readonly operations: ClusterOperations;
  readonly metrics: FrontMetrics;
  readonly log: Logger;
  readonly maxConnections: number;
  readonly closing: () => boolean;
}

/** The app with all routes, ready to listen or to inject requests into. */
export async function createHttpApp(options: HttpAppOptions): Promise<FastifyInstance> {
  const app = newInstance();
  app.server.maxConnections = options.maxConnections;
  setErrorHandlers(app, options.log);
  // The schemas of answers describe: they must not decide what an answer has.
  app.setSerializerCompiler(() => (answer) => JSON.stringify(answer));
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Stele',
        description: 'A replicated key-value store for immutable, bulk-loaded data',
        version: 'v1',
      },
    },
  });
  await app.register(swaggerUi, { routePrefix: '/docs' });
  readRoutes(app, options);
  operationRoutes(app, options.operations);
  processRoutes(app, {
    views: options.operations,
    metrics: options.metrics,
    closing: options.closing,
  });
  await app.ready();
  return app;
}

function newInstance(): FastifyInstance {
  const idPrefix = randomId().slice(0, 8);
  let requestNumber = 0;
  const nextId = (): string => `${idPrefix}-${(++requestNumber).toString(36)}`;
  return Fastify({
    logger: false,
    trustProxy: false,
    bodyLimit: BODY_BYTES_MAX,
    connectionTimeout: IDLE_MS_MAX,
    requestTimeout: REQUEST_MS_MAX,
    keepAliveTimeout: IDLE_MS_MAX,
    http: {
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: REQUEST_MS_MAX,
      connectionsCheckingInterval: REQUEST_CHECK_MS,
    },
    routerOptions: { maxParamLength: PARAMETER_LENGTH_MAX },
    rewriteUrl: (request) => hideKey(request.url ?? '/'),
    genReqId: nextId,
    // A number where text belongs is an error, not something to be guessed.
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false } },
    clientErrorHandler: (error, socket) => writeConnectionProblem(error, socket, nextId()),
    frameworkErrors: (error, _request, reply) => {
      void sendProblem(reply, steleErrorOfRequest(error));
    },
  });
}

function setErrorHandlers(app: FastifyInstance, log: Logger): void {
  app.setErrorHandler((thrown, request, reply) => {
    const error = steleErrorOfRequest(thrown);
    if (error.code === 'INTERNAL') {
      log.error({ err: error, requestId: request.id, url: shorten(request.url) }, 'request failed');
    }
    return sendProblem(reply, error);
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
