// What orchestrators and Prometheus ask: /livez, /readyz, /metrics. Answered from the first moment.

import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { ViewSource } from '../../../proto/operations.ts';
import type { FrontMetrics } from '../metrics.ts';
import { RESPONSES, queryOf } from './schemas.ts';
import { healthWord, isAnswering } from '../../../proto/view-words.ts';

export interface ProcessRoutesOptions {
  readonly views: ViewSource;
  readonly metrics: FrontMetrics;
  /** True once the process has been told to stop: it is not ready any more. */
  readonly closing: () => boolean;
}

type MaybeVerbose = FastifyRequest<{ Querystring: { verbose?: string } }>;

/** Registers /livez, /readyz and /metrics. */
export function processRoutes(app: FastifyInstance, options: ProcessRoutesOptions): void {
  const tags = ['process'];
  app.get(
    '/livez',
    { schema: { tags, summary: 'The process runs', response: RESPONSES.alive } },
    async (_, reply) => reply.type('text/plain').send('ok\n'),
  );
  app.get(
    '/readyz',
    {
      schema: {
        tags,
        summary: '200 when every shard can be read, 503 otherwise; ?verbose',
        querystring: queryOf({ verbose: 'Says what was looked at' }),
        response: RESPONSES.ready,
      },
    },
    async (request: MaybeVerbose, reply) => {
      const checks = readinessChecks(options);
      const ready = checks.every(([, passed]) => passed);
      const verbose = request.query.verbose !== undefined;
      const lines = verbose
        ? checks.map(([name, passed]) => `[${passed ? '+' : '-'}] ${name}`)
        : [];
      lines.push(ready ? 'ok' : 'not ready');
      return reply
        .code(ready ? 200 : 503)
        .type('text/plain')
        .send(`${lines.join('\n')}\n`);
    },
  );
  app.get(
    '/metrics',
    { schema: { tags, summary: 'Prometheus text format', response: RESPONSES.metrics } },
    async (_, reply) =>
      reply.header('content-type', options.metrics.contentType).send(await options.metrics.text()),
  );
}

function readinessChecks({ views, closing }: ProcessRoutesOptions): [string, boolean][] {
  const view = views.current();
  const serving = view.nodes.filter((node) => isAnswering(node.state)).length;
  return [
    ['not shutting down', !closing()],
    [`datanodes serving: ${serving} of ${view.nodes.length}`, serving > 0],
    [`every shard has a verified replica (health ${healthWord(view.health)})`, view.ready],
  ];
}
