// /docs: the OpenAPI document of the routes, and a page to try them out.
//
// It is rarely requested, and the modules that generate it take an eighth of the CPU time of a
// master's start. So it is in a separate app with the same routes, which is created at the first
// request.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { setPageHeaders } from './page-headers.ts';

const PREFIX = '/docs';
const OPENAPI = {
  openapi: '3.1.0',
  info: {
    title: 'Stele',
    description: 'A replicated key-value store for immutable, bulk-loaded data',
    version: 'v1',
    license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
  },
  servers: [{ url: '/' }],
};

/** Adds /docs to `app`. `describe` adds the documented routes to an empty app made by `empty`. */
export function docsRoutes(
  app: FastifyInstance,
  empty: () => FastifyInstance,
  describe: (app: FastifyInstance) => void,
): void {
  let made: Promise<FastifyInstance> | undefined;
  const serve = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    made ??= makeDocs(empty(), describe);
    const docs = await made;
    reply.hijack();
    setPageHeaders(reply.raw);
    docs.routing(request.raw, reply.raw);
  };
  const options = { schema: { hide: true } };
  app.get(PREFIX, options, serve);
  app.get(`${PREFIX}/*`, options, serve);
  app.addHook('onClose', async () => (await made)?.close());
}

async function makeDocs(
  docs: FastifyInstance,
  describe: (app: FastifyInstance) => void,
): Promise<FastifyInstance> {
  const [{ default: swagger }, { default: swaggerUi }] = await Promise.all([
    import('@fastify/swagger'),
    import('@fastify/swagger-ui'),
  ]);
  await docs.register(swagger, { openapi: OPENAPI });
  await docs.register(swaggerUi, { routePrefix: PREFIX });
  describe(docs);
  await docs.ready();
  return docs;
}
