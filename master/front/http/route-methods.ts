// Additions to every route: a name in the OpenAPI document, and a response for other methods of its
// URL (405 with Allow, RFC 9110, 15.5.6; OPTIONS returns the same header with 204).

import type { FastifyInstance, HTTPMethods } from 'fastify';
import { SteleError } from '../../../base/errors.ts';
import { sendProblem } from './problem.ts';

const METHODS: readonly HTTPMethods[] = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

/** In the `config` of a route that only says which methods its URL has. */
export const METHODS_ONLY = 'methodsOnly';

/**
 * Records the routes that are registered from now on; call the returned function after the last
 * one.
 */
export function nameRoutes(app: FastifyInstance): () => void {
  const methodsOf = new Map<string, Set<string>>();
  app.addHook('onRoute', (route) => {
    const methods = [route.method].flat();
    const known = methodsOf.get(route.url) ?? new Set();
    for (const method of methods) known.add(method);
    methodsOf.set(route.url, known);
    const [method = ''] = methods;
    if (route.schema !== undefined && method !== 'HEAD') {
      route.schema.operationId ??= operationId(method, route.url);
    }
  });
  return () => {
    for (const [url, methods] of new Map(methodsOf)) {
      if (!url.startsWith('/docs')) answerOtherMethods(app, url, methods);
    }
  };
}

function answerOtherMethods(app: FastifyInstance, url: string, methods: Set<string>): void {
  const allow = [...methods, 'OPTIONS'].sort().join(', ');
  app.route({
    method: METHODS.filter((method) => !methods.has(method)),
    url,
    schema: { hide: true },
    config: { [METHODS_ONLY]: true },
    // Before the body is examined, whatever its type.
    onRequest: async (request, reply) => {
      void reply.header('allow', allow);
      if (request.method === 'OPTIONS') return reply.code(204).send();
      const text = `${request.method} is not a method of this URL; it has ${allow}.`;
      return sendProblem(reply, new SteleError('INVALID_ARGUMENT', text), 405);
    },
    handler: (_request, reply) => reply,
  });
}

/** `GET /v1/keyspaces/:keyspace/versions` -> `getKeyspacesByKeyspaceVersions`. */
function operationId(method: string, url: string): string {
  const words = url.split('/').filter((word) => word !== '' && word !== 'v1');
  const parts = words.map((word) => (word.startsWith(':') ? `By_${word.slice(1)}` : word));
  return [method.toLowerCase(), ...parts]
    .join('_')
    .replaceAll(/[_-]+([A-Za-z])/g, (_, letter: string) => letter.toUpperCase());
}
