// Spans of HTTP requests (docs/tracing.md): of the reads, and of everything else that comes with a
// context.

import type { FastifyInstance, FastifyRequest } from 'fastify';
import { beginSpan } from '../../../base/process/tracing.ts';
import type { TraceSpan } from '../../../base/process/tracing.ts';
import { READ_ROUTES } from './value-routes.ts';

const spans = new WeakMap<FastifyRequest, TraceSpan>();

/** To be called before routes and other hooks are added. */
export function traceRequests(app: FastifyInstance): void {
  app.addHook('onRequest', (request, reply, done) => {
    const span = spanOf(request);
    if (span !== undefined) {
      spans.set(request, span);
      // Also if the client goes away, and for the replies that fastify does not write.
      reply.raw.once('close', () => {
        const { statusCode } = reply.raw;
        span.set({ 'http.response.status_code': statusCode });
        if (statusCode >= 500) span.fail(`HTTP status ${statusCode}`);
        span.end();
      });
    }
    done();
  });
  // A body arrives outside of what `run` covers, so the handler is run after it.
  app.addHook('preHandler', (request, _reply, done) => {
    const span = spans.get(request);
    if (span === undefined) done();
    else span.run(done);
  });
}

function spanOf(request: FastifyRequest): TraceSpan | undefined {
  const { headers, method, routeOptions } = request;
  const route = routeOptions.url ?? '';
  if (headers['traceparent'] === undefined && !READ_ROUTES.has(route)) return undefined;
  return beginSpan(`${method} ${route}`.trimEnd(), {
    kind: 'server',
    // The path has the key, which may be a secret of its owner.
    attributes: {
      'http.request.method': method,
      'http.route': route,
      'url.scheme': request.protocol,
    },
    parent: (name) => headers[name]?.toString(),
  });
}
